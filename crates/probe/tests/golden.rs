//! Parity with scikit-learn, and with NumPy transcriptions of DINO's and big_vision's evaluators
//! (`fixtures/golden/probe/make.py`).

#![allow(clippy::unwrap_used)]

mod common;

use common::{digits, golden, numbers, set};
use serde_json::Value;
use tch::Tensor;
use visrep_probe::{
    FeatureSet, Fitting, KnnOptions, LinearProbe, LinearProbeOptions, RIDGE_L2, ScoreKind, evaluate, knn,
    ridge_scores,
};

fn labels(value: &Value) -> Vec<i64> {
    numbers(value).into_iter().map(|label| label as i64).collect()
}

/// The largest difference between a tensor and golden values.
fn difference(ours: &Tensor, theirs: &Value) -> f64 {
    let ours = Vec::<f64>::try_from(ours.to_kind(tch::Kind::Double).contiguous().view([-1])).unwrap();
    let theirs = numbers(theirs);
    assert_eq!(ours.len(), theirs.len());
    ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn knn_equals_the_transcription() {
    for case in golden("golden.json")["knn"].as_array().unwrap() {
        let dim = case["d"].as_i64().unwrap();
        let train = set(&numbers(&case["train"]), dim, labels(&case["labels"]));
        let test = numbers(&case["test"]);
        let count = test.len() / dim as usize;
        let test = set(&test, dim, vec![0; count]);
        let options = KnnOptions {
            k: case["k"].as_u64().unwrap() as usize,
            temperature: case["temperature"].as_f64().unwrap(),
        };
        let error = difference(&knn(&train, &test, &options).unwrap(), &case["scores"]);
        println!("kNN: largest difference {error:.1e}");
        assert!(error < 1e-5);
    }
}

#[test]
fn ridge_equals_the_transcription_in_both_forms() {
    for case in golden("golden.json")["ridge"].as_array().unwrap() {
        let dim = case["d"].as_i64().unwrap();
        let train = set(&numbers(&case["train"]), dim, labels(&case["labels"]));
        let test = Tensor::from_slice(&numbers(&case["test"])).view([-1, dim]);
        let error =
            difference(&ridge_scores(&train, &test, train.classes(), RIDGE_L2).unwrap(), &case["scores"]);
        println!("ridge {}x{dim}: largest difference {error:.1e}", train.len());
        assert!(error < 1e-10);
    }
}

#[test]
fn logistic_regression_equals_scikit_learn() {
    let all = digits();
    let two: Vec<usize> = (0..all.len()).filter(|&i| matches!(all.labels[i], 3 | 8)).collect();
    let mut two = all.select(&two).unwrap();
    two.labels.iter_mut().for_each(|label| *label = i64::from(*label == 8));
    equals_scikit_learn("logistic", &all);
    equals_scikit_learn("binary", &two);
}

fn equals_scikit_learn(name: &str, all: &FeatureSet) {
    let (test, train): (Vec<usize>, Vec<usize>) = (0..all.len()).partition(|i| i % 4 == 0);
    let (train, test) = (all.select(&train).unwrap(), all.select(&test).unwrap());
    for case in golden("golden.json")[name].as_array().unwrap() {
        let options = LinearProbeOptions::scikit_learn(case["c"].as_f64().unwrap());
        let probe = LinearProbe::fit(&train, &options).unwrap();
        let Fitting::Logistic { converged: true, iterations, .. } = probe.fitting() else {
            panic!("{probe:?}")
        };
        let accuracy = |set: &FeatureSet| {
            let p = probe.predict(&set.features).unwrap();
            evaluate(&p, &set.labels, ScoreKind::Probabilities).unwrap().top1
        };
        let off = |ours: f64, theirs: &Value| 100.0 * (ours - theirs.as_f64().unwrap()).abs();
        let (on_test, on_train) =
            (off(accuracy(&test), &case["accuracy"]), off(accuracy(&train), &case["train_accuracy"]));
        let first = probe.predict(&test.features.narrow(0, 0, 8)).unwrap();
        let error = difference(&first, &case["first"]);
        println!(
            "{name}, c {}: {} steps, {on_test:.3} points off on test, {on_train:.3} on train, probabilities {error:.1e}",
            case["c"], iterations
        );
        assert!(on_test < 0.1 && on_train < 0.1, "{on_test} {on_train}");
        assert!(error < 2e-3, "{error}");
    }
}

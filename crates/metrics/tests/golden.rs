//! Parity with torchmetrics, SciPy and scikit-learn (`fixtures/golden/metrics/make.py`).

#![allow(clippy::unwrap_used)]

use serde_json::Value;
use visrep_metrics::{
    ScoreMatrix, accuracy, brier, calibration, confidences, nll, predictions, top_k_correct, wilson,
};

fn golden() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/golden/metrics/golden.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn close(ours: f64, theirs: &Value, tolerance: f64, what: &str) {
    let theirs = theirs.as_f64().unwrap();
    assert!((ours - theirs).abs() <= tolerance, "{what}: {ours} differs from {theirs}");
}

#[test]
fn calibration_and_accuracy_equal_the_peers() {
    for case in golden()["cases"].as_array().unwrap() {
        let classes = case["classes"].as_u64().unwrap() as usize;
        let values: Vec<f64> =
            case["probabilities"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        let labels: Vec<i64> =
            case["labels"].as_array().unwrap().iter().map(|v| v.as_i64().unwrap()).collect();
        let scores = ScoreMatrix::new(&values, classes).unwrap();
        let predicted = predictions(&scores);
        let correct: Vec<bool> = predicted.iter().zip(&labels).map(|(p, l)| p == l).collect();
        let result = calibration(&confidences(&scores).unwrap(), &correct, 15).unwrap();
        // torchmetrics bins in f32.
        close(result.ece, &case["l1"], 1e-6, "ece");
        close(result.rms, &case["l2"], 1e-6, "rms");
        close(result.max, &case["max"], 1e-6, "max");
        assert_eq!(result.bins.iter().map(|bin| bin.count).sum::<usize>(), labels.len());
        close(brier(&scores, &labels).unwrap(), &case["brier"], 1e-12, "brier");
        close(nll(&scores, &labels).unwrap(), &case["nll"], 1e-9, "nll");
        close(accuracy(&predicted, &labels).unwrap(), &case["top1"], 1e-12, "top1");
        if !case["top2"].is_null() {
            let top2 = top_k_correct(&scores, &labels, 2).unwrap();
            let share = top2.iter().filter(|&&right| right).count() as f64 / labels.len() as f64;
            close(share, &case["top2"], 1e-12, "top2");
        }
    }
}

#[test]
fn wilson_equals_scipy() {
    for case in golden()["wilson"].as_array().unwrap() {
        let count = |key: &str| case[key].as_u64().unwrap() as usize;
        let interval = wilson(count("k"), count("n"), case["level"].as_f64().unwrap()).unwrap();
        close(interval.low, &case["low"], 1e-12, "low");
        close(interval.high, &case["high"], 1e-12, "high");
    }
}

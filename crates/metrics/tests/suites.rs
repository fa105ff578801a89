//! Parity of the suites' figures with scikit-learn, SciPy, torchmetrics, pytorch-fid and plain NumPy
//! (`fixtures/golden/metrics/make_suites.py`).

#![allow(clippy::unwrap_used)]

use serde_json::Value;
use visrep_metrics::{
    Binning, FeatureMatrix, FeatureStatistics, MinibatchCka, Plane, RankingDistance, Reference, ScoreMatrix,
    ShiftFit, TopBin, auroc, aurra, average_precision, class_separation, class_wise_ece, confidences,
    density_coverage, effective_rank, energy_scores, equal_mass_calibration, flip_probability, fpr_at_recall,
    frechet_distance, inception_score, jnd_map, linear_cka, max_logit_scores, mcnemar,
    mean_average_precision, mean_ranking_distance, ms_ssim, ms_ssim_fitted, ms_ssim_scales, msp_scores,
    multi_label_f1, nll, precision_recall, predictions, retrieval_map, rms_calibration, soft_f1, softmax,
    squared_mmd, ssim, temperature_scaling,
};

fn golden(part: &str) -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/golden/metrics/suites.json");
    let all: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    all[part].clone()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn integers(value: &Value) -> Vec<i64> {
    value.as_array().unwrap().iter().map(|v| v.as_i64().unwrap()).collect()
}

fn verdicts(value: &Value) -> Vec<bool> {
    value.as_array().unwrap().iter().map(|v| v.as_bool().unwrap()).collect()
}

#[track_caller]
fn close(ours: f64, theirs: &Value, tolerance: f64) {
    let theirs = theirs.as_f64().unwrap();
    assert!((ours - theirs).abs() <= tolerance * (1.0 + theirs.abs()), "{ours} differs from {theirs}");
}

#[test]
fn calibration_and_confidence() {
    let golden = golden("calibration");
    let (values, labels) = (numbers(&golden["logits"]), integers(&golden["labels"]));
    let logits = ScoreMatrix::new(&values, 6).unwrap();
    let values = softmax(&logits, 1.0).unwrap();
    for (p, theirs) in values.iter().zip(numbers(&golden["log_softmax"])) {
        assert!((p.ln() - theirs).abs() < 1e-12);
    }
    let probabilities = ScoreMatrix::new(&values, 6).unwrap();
    let confidence = confidences(&probabilities).unwrap();
    let correct: Vec<bool> = predictions(&probabilities).iter().zip(&labels).map(|(a, b)| a == b).collect();
    close(equal_mass_calibration(&confidence, &correct, 15).unwrap().ece, &golden["adaptive_ece"], 1e-12);
    let class_wise = |binning| class_wise_ece(&probabilities, &labels, 15, binning).unwrap();
    close(class_wise(Binning::EqualWidth), &golden["class_wise_ece"], 1e-12);
    close(class_wise(Binning::EqualMass), &golden["adaptive_class_wise_ece"], 1e-12);
    let rms = |top| rms_calibration(&confidence, &correct, 100, top).unwrap();
    close(rms(TopBin::Kept), &golden["rms"], 1e-12);
    close(rms(TopBin::Dropped), &golden["rms_published"], 1e-12);
    close(aurra(&confidence, &correct).unwrap(), &golden["aurra"], 1e-12);
    close(soft_f1(&confidence, &correct).unwrap(), &golden["soft_f1"], 1e-12);
    let temperature = temperature_scaling(&logits, &labels).unwrap();
    // A minimum is known to the root of the precision of its value.
    close(temperature, &golden["temperature"], 1e-6);
    let scaled = softmax(&logits, temperature).unwrap();
    close(nll(&ScoreMatrix::new(&scaled, 6).unwrap(), &labels).unwrap(), &golden["scaled_nll"], 1e-12);
    for (temperature, key) in [(1.0, "energy"), (2.0, "energy_2")] {
        let energy = energy_scores(&logits, temperature).unwrap();
        assert!(energy.iter().zip(numbers(&golden[key])).all(|(a, b)| (a - b).abs() < 1e-12), "{key}");
    }
    assert!(msp_scores(&probabilities).unwrap().iter().zip(&confidence).all(|(s, c)| *s == -c));
    assert_eq!(max_logit_scores(&logits).len(), labels.len());
}

#[test]
fn detection() {
    let golden = golden("detection");
    let (scores, positive) = (numbers(&golden["scores"]), verdicts(&golden["positive"]));
    close(auroc(&scores, &positive).unwrap(), &golden["auroc"], 1e-12);
    close(average_precision(&scores, &positive).unwrap(), &golden["aupr"], 1e-12);
    close(fpr_at_recall(&scores, &positive, 0.95).unwrap(), &golden["fpr95"], 1e-12);
}

#[test]
fn shift_paired_tests_and_noticeable_differences() {
    let shift = golden("shift");
    let (x, y) = (numbers(&shift["x"]), numbers(&shift["y"]));
    let fit = ShiftFit::new(&x, &y).unwrap();
    close(fit.slope, &shift["slope"], 1e-12);
    close(fit.intercept, &shift["intercept"], 1e-12);
    close(fit.r2, &shift["r2"], 1e-12);
    for ((x, y), rho) in x.iter().zip(&y).zip(numbers(&shift["rho"])) {
        assert!((fit.rho(*x, *y) - rho).abs() < 1e-12);
    }
    for case in golden("mcnemar").as_array().unwrap() {
        let count = |key: &str| case[key].as_u64().unwrap() as usize;
        close(mcnemar(count("b"), count("c")), &case["p"], 1e-9);
    }
    let jnd = golden("jnd");
    close(jnd_map(&numbers(&jnd["distance"]), &numbers(&jnd["same"])).unwrap(), &jnd["map"], 1e-12);
}

#[test]
fn sequences() {
    let golden = golden("perturbation");
    let sequences: Vec<Vec<Vec<f64>>> = numbers(&golden["frames"])
        .chunks(7 * 9)
        .map(|sequence| sequence.chunks(9).map(<[f64]>::to_vec).collect())
        .collect();
    let predicted: Vec<Vec<i64>> =
        sequences.iter().map(|frames| predictions(&ScoreMatrix::new(&frames.concat(), 9).unwrap())).collect();
    for (key, reference) in [
        ("first", Reference::First),
        ("stride_1", Reference::Previous { stride: 1 }),
        ("stride_2", Reference::Previous { stride: 2 }),
    ] {
        let theirs = &golden[key];
        close(flip_probability(&predicted, reference).unwrap(), &theirs["flips"], 1e-12);
        let distance = |kind| mean_ranking_distance(&sequences, reference, kind).unwrap();
        close(distance(RankingDistance::Top5), &theirs["top5"], 1e-12);
        close(distance(RankingDistance::Zipf), &theirs["zipf"], 1e-12);
    }
}

#[test]
fn representations() {
    let golden = golden("representation");
    let (a, b, kind) = (numbers(&golden["a"]), numbers(&golden["b"]), integers(&golden["kind"]));
    let (first, second) = (FeatureMatrix::new(&a, 12).unwrap(), FeatureMatrix::new(&b, 8).unwrap());
    close(linear_cka(&first, &second).unwrap(), &golden["cka"], 1e-12);
    let few = (FeatureMatrix::new(&a[..72], 12).unwrap(), FeatureMatrix::new(&b[..48], 8).unwrap());
    close(linear_cka(&few.0, &few.1).unwrap(), &golden["cka_wide"], 1e-12);
    let mut batches = MinibatchCka::default();
    for (a, b) in a.chunks(8 * 12).zip(b.chunks(8 * 8)) {
        batches.add(&FeatureMatrix::new(a, 12).unwrap(), &FeatureMatrix::new(b, 8).unwrap()).unwrap();
    }
    close(batches.value().unwrap(), &golden["cka_minibatch"], 1e-10);
    close(class_separation(&first, &kind).unwrap(), &golden["class_separation"], 1e-12);
    close(effective_rank(&first).unwrap(), &golden["effective_rank"], 1e-9);
    // torchmetrics ranks and divides in f32.
    close(retrieval_map(&first, &kind).unwrap(), &golden["retrieval_map"], 1e-6);
}

#[test]
fn generated_images() {
    let golden = golden("generative");
    let (real, fake) = (numbers(&golden["real"]), numbers(&golden["fake"]));
    let moments = |values: &[f64]| {
        let mut statistics = FeatureStatistics::new(10);
        for batch in values.chunks(170) {
            statistics.add(&FeatureMatrix::new(batch, 10).unwrap()).unwrap();
        }
        (statistics.mean().unwrap(), statistics.covariance().unwrap())
    };
    let distance = |a: &[f64], b: &[f64]| {
        let (a, b) = (moments(a), moments(b));
        frechet_distance((&a.0, &a.1), (&b.0, &b.1)).unwrap()
    };
    close(distance(&real, &fake), &golden["fid"], 1e-9);
    close(distance(&fake, &real), &golden["fid"], 1e-9);
    // Six samples of ten dimensions: a covariance of rank five.
    close(distance(&real[..60], &fake), &golden["fid_few"], 1e-6);
    close(distance(&fake, &real[..60]), &golden["fid_few"], 1e-6);
    let (real, fake) = (FeatureMatrix::new(&real, 10).unwrap(), FeatureMatrix::new(&fake, 10).unwrap());
    let fifty: Vec<f64> = real.rows().take(50).flatten().copied().collect();
    close(squared_mmd(&FeatureMatrix::new(&fifty, 10).unwrap(), &fake).unwrap(), &golden["mmd"], 1e-9);
    let found = precision_recall(&real, &fake, 3).unwrap();
    close(found.precision, &golden["precision"], 1e-12);
    close(found.recall, &golden["recall"], 1e-12);
    let found = density_coverage(&real, &fake, 5).unwrap();
    close(found.density, &golden["density"], 1e-12);
    close(found.coverage, &golden["coverage"], 1e-12);
    let values = numbers(&golden["probabilities"]);
    let found = inception_score(&ScoreMatrix::new(&values, 5).unwrap(), 4).unwrap();
    close(found.mean, &golden["inception_mean"], 1e-12);
    close(found.std, &golden["inception_std"], 1e-12);
}

#[test]
fn several_labels() {
    let golden = golden("multi_label");
    let (values, truth) = (numbers(&golden["scores"]), verdicts(&golden["truth"]));
    let scores = ScoreMatrix::new(&values, 5).unwrap();
    close(mean_average_precision(&scores, &truth).unwrap(), &golden["map"], 1e-12);
    let f1 = multi_label_f1(&scores, &truth, 0.5).unwrap();
    close(f1.micro, &golden["f1_micro"], 1e-12);
    close(f1.macro_mean, &golden["f1_macro"], 1e-12);
}

#[test]
fn structural_similarity() {
    let golden = golden("structural");
    let width = 190;
    let first: Vec<f64> = (0..181 * width).map(|i: u64| (i * i / 97 % 256) as f64).collect();
    let second: Vec<f64> = first
        .iter()
        .zip(0_u64..)
        .map(|(level, i)| (level + (i * 31 % 61) as f64 - 30.0).clamp(0.0, 255.0))
        .collect();
    let (a, b) = (Plane::new(&first, 190).unwrap(), Plane::new(&second, 190).unwrap());
    close(ms_ssim(&a, &b, 255.0).unwrap(), &golden["ms_ssim"], 1e-12);
    close(ms_ssim_fitted(&a, &b, 255.0).unwrap(), &golden["ms_ssim"], 1e-12);
    let corner = |values: &[f64], rows: usize, columns: usize| -> Vec<f64> {
        values.chunks(190).take(rows).flat_map(|row| row[..columns].to_vec()).collect()
    };
    let (a, b) = (corner(&first, 64, 70), corner(&second, 64, 70));
    let (a, b) = (Plane::new(&a, 70).unwrap(), Plane::new(&b, 70).unwrap());
    close(ms_ssim_fitted(&a, &b, 255.0).unwrap(), &golden["ms_ssim_64"], 1e-12);
    assert_eq!([10, 11, 43, 44, 64, 175, 176, 999].map(ms_ssim_scales), [0, 1, 2, 3, 3, 4, 5, 5]);
    let (first, second) = (corner(&first, 40, 57), corner(&second, 40, 57));
    let (a, b) = (Plane::new(&first, 57).unwrap(), Plane::new(&second, 57).unwrap());
    close(ssim(&a, &b, 255.0).unwrap(), &golden["ssim"], 1e-12);
}

//! What the tests of this family share: `vit_checks.json`.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tch::{Kind, Tensor};

/// What the script recorded of a tensor.
#[derive(Deserialize)]
pub(super) struct Summary {
    shape: Vec<i64>,
    first: Vec<f64>,
    last: Vec<f64>,
    statistics: [f64; 2],
}

/// One part of the file.
pub(super) fn checks<T: DeserializeOwned>(part: &str) -> T {
    let path = format!("{}/../../fixtures/golden/models/vit_checks.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut all: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    serde_json::from_value(all[part].take()).unwrap_or_else(|error| panic!("{part}: {error}"))
}

/// The largest difference from what was recorded, relative to the deviation.
pub(super) fn error(x: &Tensor, expected: &Summary) -> f64 {
    assert_eq!(x.size(), expected.shape);
    let x = x.to_kind(Kind::Double).flatten(0, -1);
    let values: Vec<f64> = Vec::try_from(&x).expect("values");
    let [mean, std] = expected.statistics;
    let ends = values.iter().zip(&expected.first).chain(values.iter().rev().zip(expected.last.iter().rev()));
    let mut worst = ends.fold(0.0_f64, |worst, (got, expected)| worst.max((got - expected).abs()));
    worst = worst.max((x.mean(None).double_value(&[]) - mean).abs());
    worst.max((x.std(false).double_value(&[]) - std).abs()) / std
}

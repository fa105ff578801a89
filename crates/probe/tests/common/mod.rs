//! What the tests share: golden values, the digits, drawn images, a small model.

#![allow(dead_code)] // not every test uses everything

use serde_json::Value;
use std::sync::Arc;
use tch::Tensor;
use visrep_augment::RgbImage;
use visrep_data::{Dataset, InMemory, Sample, SampleImage};
use visrep_models::{Model, ModelOptions};
use visrep_probe::FeatureSet;
use visrep_train::{OptimizerConfig, Sgd};

pub(crate) fn golden(name: &str) -> Value {
    let path = format!("{}/../../fixtures/golden/probe/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().unwrap()],
    }
}

pub(crate) fn set(values: &[f64], dim: i64, labels: Vec<i64>) -> FeatureSet {
    let keys = (0..labels.len()).map(|i| i.to_string()).collect();
    FeatureSet::new(Tensor::from_slice(values).view([-1, dim]), labels, keys).unwrap()
}

/// scikit-learn's digits: the 64 pixels of each, 0 to 1.
pub(crate) fn digits() -> FeatureSet {
    let digits = golden("digits.json");
    let text = |key: &str| digits[key].as_str().unwrap().bytes();
    let pixels: Vec<f64> = text("pixels").map(|pixel| f64::from(pixel - b'a') / 16.0).collect();
    set(&pixels, 64, text("labels").map(|label| i64::from(label - b'0')).collect())
}

/// Images of stripes down and across, by turns.
pub(crate) fn stripes(count: u32, shade: u8) -> Arc<dyn Dataset> {
    let sample = |i: u32| {
        let image = RgbImage::from_fn(32, 32, |x, y| {
            let on = if i.is_multiple_of(2) { (x / 4) % 2 == 0 } else { (y / 4) % 2 == 0 };
            if on { [shade, 150, 90 + i as u8] } else { [30, i as u8, 40] }
        });
        Sample { image: SampleImage::Decoded(image), label: Some(i % 2), key: format!("drawn-{i}") }
    };
    Arc::new(InMemory::new((0..count).map(sample).collect(), vec!["down".into(), "across".into()]))
}

pub(crate) fn model(seed: i64) -> Model {
    let options = ModelOptions { num_classes: Some(0), seed: Some(seed), ..Default::default() };
    Model::create("resnet18_cifar_w16", &options).unwrap()
}

pub(crate) fn sgd() -> OptimizerConfig {
    OptimizerConfig::Sgd(Sgd { momentum: 0.9, nesterov: false })
}

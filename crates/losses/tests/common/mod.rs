//! Golden cases and plain numbers for the tests.

#![allow(dead_code)] // each test uses a part

use serde_json::Value;
use tch::{Device, Kind, Tensor};

/// The cases called `loss` in the golden file `name`.
pub(crate) fn golden(name: &str, loss: &str) -> Vec<Value> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/golden/losses/");
    let all: Value =
        serde_json::from_str(&std::fs::read_to_string(format!("{folder}{name}.json")).unwrap()).unwrap();
    all[loss].as_array().unwrap().clone()
}

pub(crate) fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect()
}

/// The tensor of `{"shape": [...], "values": [...]}`.
pub(crate) fn tensor(value: &Value) -> Tensor {
    let shape: Vec<i64> = value["shape"].as_array().unwrap().iter().map(|x| x.as_i64().unwrap()).collect();
    Tensor::from_slice(&numbers(&value["values"])).view(shape.as_slice())
}

pub(crate) fn scalar(tensor: &Tensor) -> f64 {
    tensor.double_value(&[])
}

/// The rows of a matrix.
pub(crate) fn rows(tensor: &Tensor) -> Vec<Vec<f64>> {
    let (n, d) = tensor.size2().unwrap();
    (0..n).map(|i| (0..d).map(|j| tensor.double_value(&[i, j])).collect()).collect()
}

pub(crate) fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

pub(crate) fn cosine(x: &[f64], y: &[f64]) -> f64 {
    dot(x, y) / (dot(x, x).sqrt() * dot(y, y).sqrt())
}

/// Minus the logarithm of the softmax of `logits` at `right`.
pub(crate) fn surprise(logits: &[f64], right: usize) -> f64 {
    logits.iter().map(|x| x.exp()).sum::<f64>().ln() - logits[right]
}

/// Numbers of a standard normal distribution.
pub(crate) fn random(n: i64, d: i64) -> Tensor {
    Tensor::randn([n, d], (Kind::Float, Device::Cpu))
}

/// Runs the golden `case` through `loss`, which gets its inputs by name, and compares value and gradients with the peer's
/// and the value with that of `slow`, a transcription of the paper's formula.
pub(crate) fn compare(
    name: &str,
    case: &Value,
    loss: impl Fn(&dyn Fn(&str) -> Tensor) -> Tensor,
    slow: impl Fn(&dyn Fn(&str) -> Vec<Vec<f64>>) -> f64,
) {
    let leaves: Vec<(String, Tensor)> = case["inputs"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.clone(), tensor(value).set_requires_grad(true)))
        .collect();
    let leaf = |name: &str| leaves.iter().find(|(known, _)| known == name).unwrap().1.shallow_clone();
    let value = loss(&leaf);
    value.backward();
    let expected = case["loss"].as_f64().unwrap();
    // Relative for values above 1: f32 has seven digits.
    let size = expected.abs().max(1.0);
    let error = (scalar(&value) - expected).abs() / size;
    let slow = (scalar(&value) - slow(&|name| rows(&leaf(name)))).abs() / size;
    let mut gradient = 0f64;
    for (name, expected) in case["gradients"].as_object().unwrap() {
        let found = leaf(name).grad();
        let expected = Tensor::from_slice(&numbers(expected)).view_as(&found);
        let steepness = scalar(&expected.abs().max()).max(1.0);
        gradient = gradient.max(scalar(&(found - expected).abs().max()) / steepness);
    }
    println!("{name}: value {error:.1e}, gradient {gradient:.1e}, slow {slow:.1e}");
    assert!(error <= 1e-6 && gradient <= 1e-6 && slow <= 2e-6, "{name}: {error:e} {gradient:e} {slow:e}");
}

//! Every architecture beside timm, with weights and inputs filled by one formula on both sides: names, shapes,
//! logits, pooled features, taps and gradients. `fixtures/golden/models/make.py` wrote what is expected.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use serde::Deserialize;
use std::collections::BTreeMap;
use tch::{Device, Kind, Tensor};
use visrep_models::{Model, ModelOptions, Taps, model_names};

#[derive(Deserialize)]
struct Golden {
    input: Vec<i64>,
    parameter_count: i64,
    shapes: BTreeMap<String, Vec<i64>>,
    /// The first 16 values of all logits, then of the last image's.
    logits: Vec<f64>,
    logits_statistics: [f64; 2],
    pooled: Vec<f64>,
    pooled_statistics: [f64; 2],
    features_statistics: [f64; 2],
    taps: Vec<(String, Vec<i64>, f64, f64)>,
    gradients_eval: Option<Gradients>,
    gradients_train: Option<Gradients>,
}

/// Sums and norms.
#[derive(Deserialize)]
struct Gradients {
    scalar: f64,
    input: [f64; 2],
    parameters: BTreeMap<String, [f64; 2]>,
    buffers: BTreeMap<String, [f64; 2]>,
}

fn uniform(name: &str, count: usize) -> impl Iterator<Item = f64> {
    let hash = name
        .bytes()
        .fold(0xCBF2_9CE4_8422_2325_u64, |h, byte| (h ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3));
    (0..count as u64).map(move |i| {
        let mut z = hash.wrapping_add(i).wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        (z >> 40) as f64 / f64::from(1 << 24)
    })
}

fn tensor(shape: &[i64], values: impl Iterator<Item = f64>) -> Tensor {
    Tensor::from_slice(&values.map(|v| v as f32).collect::<Vec<_>>()).reshape(shape)
}

fn filled(name: &str, shape: &[i64]) -> Tensor {
    let u = uniform(name, shape.iter().product::<i64>() as usize);
    let fan_in: i64 = shape[1..].iter().product();
    match name.rsplit('.').next().unwrap() {
        "running_var" => tensor(shape, u.map(|u| 0.5 + u)),
        "weight" if shape.len() == 1 => tensor(shape, u.map(|u| 0.5 + u)),
        "running_mean" | "bias" | "cls_token" | "pos_embed" => tensor(shape, u.map(|u| 0.2 * (u - 0.5))),
        _ => {
            let gain = if shape.len() == 4 { 6.0 } else { 3.0 };
            let bound = (gain / fan_in as f64).sqrt();
            tensor(shape, u.map(|u| bound * (2.0 * u - 1.0)))
        }
    }
}

fn fill(model: &Model) {
    let _no_grad = tch::no_grad_guard();
    for (name, mut variable) in model.var_store().variables() {
        variable.copy_(&filled(&name, &variable.size()));
    }
}

/// The largest difference, relative to the largest expected value.
fn error(got: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(got.len(), expected.len());
    let scale = expected.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    got.iter().zip(expected).fold(0.0_f64, |m, (g, e)| m.max((g - e).abs())) / scale
}

fn values(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.to_kind(Kind::Double).flatten(0, -1)).unwrap()
}

fn statistics(x: &Tensor) -> [f64; 2] {
    let x = x.to_kind(Kind::Double);
    [x.mean(None).double_value(&[]), x.std(false).double_value(&[])]
}

/// Mean and deviation, relative to the deviation: a mean near zero has no relative error of its own.
fn statistics_error(x: &Tensor, [mean, std]: [f64; 2]) -> f64 {
    let got = statistics(x);
    ((got[0] - mean).abs() / std).max((got[1] - std).abs() / std)
}

/// A sum and a norm, relative to the norm.
fn sum_norm_error(x: &Tensor, [sum, norm]: [f64; 2]) -> f64 {
    let x = x.to_kind(Kind::Double);
    let got = [x.sum(Kind::Double).double_value(&[]), x.norm().double_value(&[])];
    ((got[0] - sum).abs() / norm).max((got[1] - norm).abs() / norm)
}

fn check_gradients(model: &Model, x: &Tensor, train: bool, golden: &Gradients) {
    fill(model);
    for mut variable in model.var_store().trainable_variables() {
        variable.zero_grad();
    }
    let x = x.copy().set_requires_grad(true);
    let logits = model.forward(&x, train).unwrap();
    let probe = tensor(&logits.size(), uniform("probe", logits.numel()).map(|u| 2.0 * u - 1.0));
    let scalar = (logits * probe).sum(Kind::Float);
    scalar.backward();

    let mut worst = (scalar.double_value(&[]) - golden.scalar).abs() / golden.scalar.abs();
    worst = worst.max(sum_norm_error(&x.grad(), golden.input));
    let variables = model.var_store().variables();
    assert!(!golden.parameters.is_empty());
    for (name, expected) in &golden.parameters {
        worst = worst.max(sum_norm_error(&variables[name].grad(), *expected));
    }
    for (name, expected) in &golden.buffers {
        worst = worst.max(sum_norm_error(&variables[name], *expected));
    }
    println!("  gradients (train: {train}): {worst:.1e}");
    assert!(worst < 1e-3, "{} gradients differ by {worst:e} (train: {train})", model.name());
}

fn check(name: &str) {
    let path = format!("{}/../../fixtures/golden/models/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let golden: Golden = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let model = Model::create(name, &ModelOptions::default()).unwrap();
    let shapes: BTreeMap<_, _> =
        model.var_store().variables().into_iter().map(|(name, tensor)| (name, tensor.size())).collect();
    assert_eq!(shapes, golden.shapes);
    assert_eq!(model.parameter_count(), golden.parameter_count);
    assert_eq!(model.info().parameters, golden.parameter_count);

    fill(&model);
    let count = golden.input.iter().product::<i64>() as usize;
    let x = tensor(&golden.input, uniform("input", count).map(|u| 3.0 * (u - 0.5)));
    let features = tch::no_grad(|| model.backbone().forward_with_taps(&x, false, Taps::All)).unwrap();
    let logits = tch::no_grad(|| model.logits(&features)).unwrap();
    assert_eq!(logits.size(), [golden.input[0], model.num_classes()]);
    assert_eq!(features.pooled.size(), [golden.input[0], model.embed_dim()]);

    let shown = 16.min(model.num_classes() as usize * golden.input[0] as usize);
    let mut first = values(&logits)[..shown].to_vec();
    let last = values(&logits.get(golden.input[0] - 1));
    first.extend(&last[..16.min(last.len())]);
    let map = features.map.as_ref().or(features.tokens.as_ref()).unwrap();
    let mut worst = [
        error(&first, &golden.logits),
        statistics_error(&logits, golden.logits_statistics),
        error(&values(&features.pooled)[..16], &golden.pooled),
        statistics_error(&features.pooled, golden.pooled_statistics),
        statistics_error(map, golden.features_statistics),
    ]
    .into_iter()
    .fold(0.0_f64, f64::max);
    println!("{name}: logits {:.1e}", error(&first, &golden.logits));
    assert_eq!(features.taps.len(), golden.taps.len());
    for ((name, tap), (expected, shape, mean, std)) in features.taps.iter().zip(&golden.taps) {
        assert_eq!((*name, &tap.size()), (expected.as_str(), shape));
        worst = worst.max(statistics_error(tap, [*mean, *std]));
    }
    println!("  everything: {worst:.1e}");
    assert!(worst < 1e-4, "{name} differs from timm by {worst:e}");

    for (train, gradients) in [(false, &golden.gradients_eval), (true, &golden.gradients_train)] {
        if let Some(gradients) = gradients {
            check_gradients(&model, &x, train, gradients);
        }
    }
}

/// One test for all: a ViT-B with its fill takes most of a gigabyte, and two cores gain nothing from two at once.
#[test]
fn every_architecture_matches_timm() {
    for name in model_names() {
        check(&name);
    }
}

#[test]
fn a_tap_may_be_asked_for_alone() {
    let options = ModelOptions { num_classes: Some(0), device: Device::Cpu, seed: Some(1) };
    let model = Model::create("resnet18_cifar_w16", &options).unwrap();
    let x = Tensor::rand([2, 3, 32, 32], (Kind::Float, Device::Cpu));
    let features =
        tch::no_grad(|| model.backbone().forward_with_taps(&x, false, Taps::Named(&["layer4", "act1"])))
            .unwrap();
    let names: Vec<_> = features.taps.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["act1", "layer4"]);
    assert_eq!(features.taps[1].1, features.map.unwrap());
    assert_eq!(tch::no_grad(|| model.forward(&x, false)).unwrap(), features.pooled);
}

//! The check against the peers: every architecture's names, shapes, layer groups, taps, features, logits and gradients,
//! as `fixtures/golden/models/<family>.py` recorded them with the pinned timm or torchvision.
//!
//! Weights and inputs are filled by a formula that the scripts compute identically.

mod adapt;
mod formula;
mod kinds;

pub(crate) use adapt::check_adapt;
pub(crate) use formula::{fill, filled, input, tensor, uniform};
pub(crate) use kinds::check_kinds;

use crate::arch::{self, Architecture};
use crate::builder::{Builder, Start};
use crate::head::Head;
use crate::{Backbone, Features, Model, ModelOptions, Taps};
use formula::{Fill, digest, fill_as};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tch::{Device, Kind, Tensor, nn};

/// What a script recorded of one network.
#[derive(Deserialize)]
struct Golden {
    name: String,
    parameter_count: i64,
    tensors: usize,
    /// FNV-1a 64 of the sorted lines `name d0,d1,...`.
    shapes: String,
    /// FNV-1a 64 of the sorted lines `name group`, for trainable parameters; absent where the peer has no groups.
    layers: Option<String>,
    /// Absent for networks of more than 400 million parameters.
    forward: Option<Forward>,
}

#[derive(Deserialize)]
struct Forward {
    #[serde(flatten)]
    fill: Fill,
    /// (N, C, H, W).
    input: Vec<i64>,
    /// The first 16 values of the first image, and the last 16 of the last.
    logits: Vec<f64>,
    logits_statistics: [f64; 2],
    pooled: Vec<f64>,
    pooled_statistics: [f64; 2],
    features_statistics: [f64; 2],
    /// Name, shape, mean, deviation.
    taps: Vec<(String, Vec<i64>, f64, f64)>,
    gradients_eval: Option<Gradients>,
    gradients_train: Option<Gradients>,
}

/// Of the probed sum of logits: sums and norms.
#[derive(Deserialize)]
struct Gradients {
    /// In f64 on both sides.
    #[serde(default)]
    double: bool,
    scalar: f64,
    input: [f64; 2],
    parameters: BTreeMap<String, [f64; 2]>,
    buffers: BTreeMap<String, [f64; 2]>,
}

/// Waits until no other check runs: the largest networks take gigabytes. From then on LibTorch computes on one thread, as
/// the scripts do: beside other tests, several would spend nine tenths of their time waiting for each other.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    tch::set_num_threads(1);
    guard
}

fn read<T: for<'a> Deserialize<'a>>(file: &str) -> Vec<T> {
    let path = format!("{}/../../fixtures/golden/models/{file}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    text.lines().map(|line| serde_json::from_str(line).expect("a golden row")).collect()
}

/// Checks every architecture of a family's table against `fixtures/golden/models/<file>.jsonl`.
pub(crate) fn check_family(file: &str, table: &[Architecture]) {
    let _alone = alone();
    let goldens: Vec<Golden> = read(file);
    let mut worst = 0.0_f64;
    for architecture in table {
        let name = architecture.name;
        let golden = goldens.iter().find(|golden| golden.name == name);
        let golden = golden.unwrap_or_else(|| panic!("{file}.jsonl has no row for {name}"));
        worst = worst.max(check_named(golden));
        let row = format!("{name}@depth2");
        if golden.forward.is_none()
            && let Some(shallow) = architecture.config.at_depth_2()
            && let Some(golden) = goldens.iter().find(|golden| golden.name == row)
        {
            let num_classes = arch::resolve(name).expect("a known name").num_classes;
            worst = worst.max(check_built(golden, shallow.as_ref(), num_classes));
        }
    }
    println!("{file}: {} architectures, worst {worst:.1e}", table.len());
}

/// Checks `name` made for images of `size` against the row `name@HxW`.
pub(crate) fn check_size(file: &str, name: &str, size: (i64, i64)) {
    let _alone = alone();
    let row = format!("{name}@{}x{}", size.0, size.1);
    let goldens: Vec<Golden> = read(file);
    let golden = goldens.iter().find(|golden| golden.name == row).expect("a row of that name");
    let options = ModelOptions { image_size: Some(size), ..Default::default() };
    let model = Model::make(name, &options, Start::Blank).expect("a model");
    check_shapes(golden, &model.variables(), model.backbone());
    let forward = golden.forward.as_ref().expect("a forward pass");
    fill_as(&model.variables(), &forward.fill);
    let logits = |features: &Features, train| model.logits(features, train).expect("logits");
    check_forward(&row, forward, model.backbone(), &logits);
}

/// Checks a network that is in no table, such as one of reduced depth, against the row called `row`.
pub(crate) fn check_config(file: &str, row: &str, config: &dyn arch::Config, num_classes: i64) {
    let _alone = alone();
    let goldens: Vec<Golden> = read(file);
    let golden = goldens.iter().find(|golden| golden.name == row).expect("a row of that name");
    check_built(golden, config, num_classes);
}

fn check_built(golden: &Golden, config: &dyn arch::Config, num_classes: i64) -> f64 {
    let store = nn::VarStore::new(Device::Cpu);
    let options = ModelOptions::default();
    let builder = Builder::new(store.root(), Start::Blank, &options);
    let backbone = config.build(&builder).expect("a network");
    let head = (num_classes > 0).then(|| {
        Head::new(&builder, &config.head(), backbone.embed_dim(), num_classes).expect("a classifier")
    });
    let variables = store.variables().into_iter().collect();
    check_shapes(golden, &variables, &*backbone);
    let forward = golden.forward.as_ref().expect("a forward pass");
    fill_as(&variables, &forward.fill);
    let logits = |features: &Features, train| match &head {
        Some(head) => head.forward(features, 0.0, train).expect("logits"),
        None => features.pooled.shallow_clone(),
    };
    check_forward(&golden.name, forward, &*backbone, &logits)
}

fn check_named(golden: &Golden) -> f64 {
    let name = golden.name.as_str();
    let Some(forward) = &golden.forward else {
        let resolved = arch::resolve(name).expect("a known name");
        let options = ModelOptions::default();
        let store = nn::VarStore::new(Device::Cpu);
        let builder = Builder::new(store.root(), Start::Blank, &options);
        let built = resolved.architecture.build(&builder, resolved.num_classes).expect("a network");
        check_shapes(golden, &store.variables().into_iter().collect(), &*built.0);
        return 0.0;
    };
    let mut model = Model::make(name, &ModelOptions::default(), Start::Blank).expect("a model");
    check_shapes(golden, &model.variables(), model.backbone());
    assert_eq!(model.info().parameters, golden.parameter_count, "{name}");
    assert_eq!(crate::model_info(name).expect("known").parameters, golden.parameter_count, "{name}");

    fill_as(&model.variables(), &forward.fill);
    let logits = |features: &Features, train| model.logits(features, train).expect("logits");
    let worst = check_forward(name, forward, model.backbone(), &logits);
    for (train, gradients) in [(false, &forward.gradients_eval), (true, &forward.gradients_train)] {
        if let Some(gradients) = gradients {
            if gradients.double {
                model.set_kind(Kind::Double).expect("f64");
            }
            check_gradients(&model, forward, train, gradients);
        }
    }
    worst
}

fn check_shapes(golden: &Golden, variables: &BTreeMap<String, Tensor>, backbone: &dyn Backbone) {
    let name = golden.name.as_str();
    let lines: Vec<String> = variables
        .iter()
        .map(|(name, tensor)| {
            let dims: Vec<_> = tensor.size().iter().map(i64::to_string).collect();
            format!("{name} {}\n", dims.join(","))
        })
        .collect();
    let count: i64 = variables.values().filter(|t| t.requires_grad()).map(|t| t.numel() as i64).sum();
    if (lines.len(), digest(&lines)) != (golden.tensors, golden.shapes.clone()) {
        let listing = std::env::temp_dir().join(format!("{name}.shapes"));
        std::fs::write(&listing, lines.concat()).expect("the listing is written");
        panic!(
            "{name}: names or shapes differ ({} tensors, the peer has {}); ours are in {}, compare with \
             `python <family>.py --list {name}`",
            lines.len(),
            golden.tensors,
            listing.display()
        );
    }
    assert_eq!(count, golden.parameter_count, "{name}");
    if let Some(expected) = &golden.layers {
        let key = |name: &String| backbone.layer_key(name).map_or((true, [0, 0]), |key| (false, key));
        let trainable = || variables.iter().filter(|(_, tensor)| tensor.requires_grad());
        let mut keys: Vec<_> = trainable().map(|(name, _)| key(name)).collect();
        keys.sort();
        keys.dedup();
        let group = |name| keys.iter().position(|k| *k == key(name)).expect("a key");
        let lines: Vec<_> = trainable().map(|(name, _)| format!("{name} {}\n", group(name))).collect();
        assert_eq!(&digest(&lines), expected, "{name}: layer groups differ; ours are\n{}", lines.concat());
    }
}

fn check_forward(
    name: &str,
    golden: &Forward,
    backbone: &dyn Backbone,
    logits: &dyn Fn(&Features, bool) -> Tensor,
) -> f64 {
    let x = input(&golden.input);
    let (features, logits) = tch::no_grad(|| {
        let features = backbone.forward_with_taps(&x, false, Taps::All).expect("features");
        let logits = logits(&features, false);
        (features, logits)
    });
    assert_eq!(features.pooled.size(), [golden.input[0], backbone.embed_dim()], "{name}");
    let flat = values(&logits);
    let mut shown = flat[..16.min(logits.size()[1] as usize)].to_vec();
    shown.extend(&flat[flat.len() - 16.min(logits.size()[1] as usize)..]);
    let map = features.map.as_ref().or(features.tokens.as_ref()).unwrap_or(&features.pooled);
    let mut errors = vec![
        ("logits", error(&shown, &golden.logits)),
        ("logits' statistics", statistics_error(&logits, golden.logits_statistics)),
        ("pooled", error(&values(&features.pooled)[..16], &golden.pooled)),
        ("pooled's statistics", statistics_error(&features.pooled, golden.pooled_statistics)),
        ("features", statistics_error(map, golden.features_statistics)),
    ];
    let taps: Vec<_> = features.taps.iter().map(|(name, tap)| (name, tap.size())).collect();
    let expected: Vec<_> = golden.taps.iter().map(|(name, shape, ..)| (name, shape.clone())).collect();
    assert_eq!(taps, expected, "{name}");
    for ((tap, x), (_, _, mean, std)) in features.taps.iter().zip(&golden.taps) {
        errors.push((tap, statistics_error(x, [*mean, *std])));
    }
    let (place, worst) = errors
        .iter()
        .copied()
        .fold(("", 0.0), |worst, e| if e.1 > worst.1 || e.1.is_nan() { e } else { worst });
    println!("{name}: {worst:.1e} at {place}; logits {:.1e}", errors[0].1);
    assert!(worst < 1e-4, "{name} differs from the peer: {errors:?}");
    worst
}

/// The script keeps values of f32 where those of f64 are the same. On a processor whose kernels round otherwise, an activation next to
/// 0 may fall to the other side of a ReLU, which no tolerance covers: then f64 decides.
fn check_gradients(model: &Model, forward: &Forward, train: bool, golden: &Gradients) {
    let mut worst = gradients_error(model, forward, train, golden, golden.double);
    if worst >= 1e-3 && !golden.double {
        println!("  gradients (train: {train}): {worst:.1e} in f32");
        worst = gradients_error(model, forward, train, golden, true);
        model.replace_data(|tensor| Ok(tensor.f_to_kind(Kind::Float)?)).expect("f32");
    }
    println!("  gradients (train: {train}): {worst:.1e}");
    assert!(worst < 1e-3, "{} gradients differ by {worst:e} (train: {train})", model.name());
}

fn gradients_error(model: &Model, forward: &Forward, train: bool, golden: &Gradients, double: bool) -> f64 {
    fill_as(&model.variables(), &forward.fill);
    if double {
        // The values are those of f32.
        model.replace_data(|tensor| Ok(tensor.f_to_kind(Kind::Double)?)).expect("f64");
    }
    for mut variable in model.var_store().trainable_variables() {
        variable.zero_grad();
    }
    let x = input(&forward.input).set_requires_grad(true);
    let logits = model.forward(&x, train).expect("logits");
    let probe = tensor(&logits.size(), uniform("probe", logits.numel()).map(|u| 2.0 * u - 1.0));
    let probed = logits * probe;
    let scalar = probed.sum(probed.kind());
    scalar.backward();

    let mut worst = (scalar.double_value(&[]) - golden.scalar).abs() / golden.scalar.abs();
    worst = worst.max(sum_norm_error(&x.grad(), golden.input, 0.0));
    let variables = model.var_store().variables();
    assert!(!golden.parameters.is_empty());
    let largest = golden.parameters.values().fold(0.0_f64, |largest, [_, norm]| largest.max(*norm));
    for (name, expected) in &golden.parameters {
        let gradient = variables[name].grad();
        // A bias whose only way leads through a linear layer into batch statistics has none: both sides hold rounding.
        let vanishing = 1e-6 * largest;
        if expected[1] < vanishing && gradient.norm().double_value(&[]) < vanishing {
            continue;
        }
        worst = worst.max(sum_norm_error(&gradient, *expected, 1e-4 * largest));
    }
    for (name, expected) in &golden.buffers {
        worst = worst.max(sum_norm_error(&variables[name], *expected, 0.0));
    }
    worst
}

/// The largest difference, relative to the largest expected value.
pub(crate) fn error(got: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(got.len(), expected.len());
    let scale = expected.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    got.iter().zip(expected).fold(0.0_f64, |m, (g, e)| m.max((g - e).abs())) / scale
}

pub(crate) fn values(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.to_kind(Kind::Double).flatten(0, -1)).expect("values")
}

/// Mean and deviation, relative to the deviation: a mean near zero has no relative error of its own.
pub(crate) fn statistics_error(x: &Tensor, [mean, std]: [f64; 2]) -> f64 {
    let x = x.to_kind(Kind::Double);
    let got = [x.mean(None).double_value(&[]), x.std(false).double_value(&[])];
    ((got[0] - mean).abs() / std).max((got[1] - std).abs() / std)
}

/// A sum and a norm, relative to the norm or to `least` where that is larger.
pub(crate) fn sum_norm_error(x: &Tensor, [sum, norm]: [f64; 2], least: f64) -> f64 {
    let x = x.to_kind(Kind::Double);
    let got = [x.sum(Kind::Double).double_value(&[]), x.norm().double_value(&[])];
    (got[0] - sum).abs().max((got[1] - norm).abs()) / norm.max(least)
}

//! Every method learns: after a short training on the handwritten digits, their neighbours in feature space are of their
//! class far more often than with the initial weights.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tch::{Device, Kind, Tensor};
use visrep_data::{Dataset, Parquet, Subset};
use visrep_models::{Model, ModelOptions};
use visrep_probe::{ExtractOptions, KnnOptions, extract, knn};
use visrep_train::{Outcome, Recipe, RunOptions, train};

/// Rows before this one are training digits, the rest are of other writers: see fixtures/README.md.
const TRAIN: usize = 1437;

fn digits() -> (Arc<dyn Dataset>, Arc<dyn Dataset>) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/digits.parquet");
    let all: Arc<dyn Dataset> = Arc::new(Parquet::open(Path::new(path)).unwrap());
    let rows = all.len();
    let part = |range: std::ops::Range<usize>| Arc::new(Subset::new(all.clone(), range.collect()));
    (part(0..TRAIN), part(TRAIN..rows))
}

/// The share of test digits that their neighbours (k = 20, T = 0.07) name correctly.
fn accuracy(model: &Model) -> f64 {
    let (train, test) = digits();
    let options = ExtractOptions { workers: 2, ..ExtractOptions::default() };
    let features = |data| extract(model, data, &options).unwrap();
    let test = features(test);
    let scores = knn(&features(train), &test, &KnnOptions::default()).unwrap();
    let labels = Tensor::from_slice(&test.labels);
    scores.argmax(1, false).eq_tensor(&labels).to_kind(Kind::Double).mean(Kind::Double).double_value(&[])
}

fn model(name: &str, seed: u64) -> Model {
    let options = ModelOptions { num_classes: Some(0), seed: Some(seed as i64), ..ModelOptions::default() };
    Model::create(name, &options).unwrap()
}

/// Trains by the recipe `name`, for `length` where one is given, and prints and returns what its features reach.
fn trained(name: &str, length: Option<&str>, seed: u64, start: f64) -> f64 {
    let mut recipe = Recipe::named(name).unwrap();
    if let Some(length) = length {
        recipe.set(&format!("schedule.length={length}")).unwrap();
    }
    let out = tempfile::tempdir().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let options = RunOptions { seed, device: Device::Cpu, workers: 2, stop, progress: false };
    let clock = std::time::Instant::now();
    assert_eq!(train(&recipe, digits().0, out.path(), &options).unwrap(), Outcome::Finished);
    let seconds = clock.elapsed().as_secs_f64();
    let mut trained = model(&recipe.model.name, seed);
    trained.load_weights(out.path().join("model.safetensors")).unwrap();
    let reached = accuracy(&trained);
    println!("{name} {seed}: {:.1} % -> {:.1} %, {seconds:.1} s", 100.0 * start, 100.0 * reached);
    reached
}

/// The recipes of methods that learn without labels.
fn recipes() -> Vec<&'static str> {
    let mut names = Recipe::names();
    names.retain(|name| name.ends_with("-digits") && *name != "supervised-digits");
    names
}

/// LibTorch's generator is one for the whole process, so there is one test for all methods.
#[test]
fn a_short_training_beats_the_initial_weights_by_far() {
    let start = accuracy(&model("resnet18_cifar_w16", 0));
    assert!(start < 0.6, "{start}");
    for name in recipes() {
        let reached = trained(name, Some("6 epochs"), 0, start);
        assert!(reached > start + 0.15, "{name}: {start} -> {reached}");
    }
}

/// The figures that the recipes state: `cargo test -p visrep --test learning -- --ignored --nocapture`. The
/// variable VISREP_RECIPES chooses those whose names it is a part of.
#[test]
#[ignore = "ten minutes"]
fn whole_recipes_reach_what_they_state() {
    let chosen = std::env::var("VISREP_RECIPES").unwrap_or_default();
    for name in recipes().into_iter().filter(|name| name.contains(&chosen)) {
        let expected = Recipe::named(name).unwrap().about.expected;
        // "kNN (...) on the test digits: 92.5, 92.8, 91.7 % for seeds 0 to 2 ..."
        let figures =
            expected.split("test digits: ").nth(1).and_then(|text| text.split(" %").next()).unwrap();
        for (seed, figure) in (0..).zip(figures.split(", ")) {
            let start = accuracy(&model("resnet18_cifar_w16", seed));
            let (reached, figure) = (trained(name, None, seed, start), figure.parse::<f64>().unwrap());
            assert!((100.0 * reached - figure).abs() <= 2.0, "{name}: {reached}, stated {figure} %");
        }
    }
}

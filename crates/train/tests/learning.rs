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

fn model(name: &str) -> Model {
    let options = ModelOptions { num_classes: Some(0), seed: Some(0), ..ModelOptions::default() };
    Model::create(name, &options).unwrap()
}

/// LibTorch's generator is one for the whole process, so there is one test for all methods.
#[test]
fn a_short_training_beats_the_initial_weights_by_far() {
    let mut names = Recipe::names();
    names.retain(|name| name.ends_with("-digits") && *name != "supervised-digits");
    let start = accuracy(&model("resnet18_cifar_w16"));
    assert!(start < 0.6, "{start}");
    for name in names {
        let mut recipe = Recipe::named(name).unwrap();
        recipe.set("schedule.length=6 epochs").unwrap();
        let out = tempfile::tempdir().unwrap();
        let options = RunOptions {
            seed: 0,
            device: Device::Cpu,
            workers: 2,
            stop: Arc::new(AtomicBool::new(false)),
            progress: false,
        };
        let clock = std::time::Instant::now();
        assert_eq!(train(&recipe, digits().0, out.path(), &options).unwrap(), Outcome::Finished);
        let seconds = clock.elapsed().as_secs_f64();
        let mut trained = model(&recipe.model.name);
        trained.load_weights(out.path().join("model.safetensors")).unwrap();
        let reached = accuracy(&trained);
        println!("{name}: {:.1} % -> {:.1} %, {seconds:.1} s", 100.0 * start, 100.0 * reached);
        assert!(reached > start + 0.15, "{name}: {start} -> {reached}");
    }
}

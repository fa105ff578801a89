//! Features and scores in bf16: near those in fp32, and themselves in 32 bits or more.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use tch::{Device, Kind};
use visrep_augment::{Compose, RgbImage};
use visrep_data::{Dataset, InMemory, Loader, LoaderOptions, Sample, SampleImage, Splits, Views};
use visrep_models::{MemoryFormat, Model, ModelOptions};
use visrep_probe::{
    Benchmark, Context, ExtractOptions, KnnBenchmark, LinearBenchmark, extract, passes, pooled,
};
use visrep_torch::{Precision, autocast_kind, is_inference};

fn data(count: u32) -> Arc<dyn Dataset> {
    let sample = |i: u32| {
        let image = RgbImage::from_fn(32, 32, |x, y| {
            let on = if i.is_multiple_of(2) { (x / 4) % 2 == 0 } else { (y / 4) % 2 == 0 };
            if on { [200, 150, 90 + i as u8] } else { [30, i as u8, 40] }
        });
        Sample { image: SampleImage::Decoded(image), label: Some(i % 2), key: format!("drawn-{i}") }
    };
    Arc::new(InMemory::new((0..count).map(sample).collect(), vec!["down".into(), "across".into()]))
}

fn model() -> Model {
    let options = ModelOptions { num_classes: Some(0), seed: Some(0), ..Default::default() };
    Model::create("resnet18_cifar_w16", &options).unwrap()
}

#[test]
fn features_in_bf16_are_near_those_in_fp32_and_kept_apart_from_them() {
    let folder = tempfile::tempdir().unwrap();
    let run = |precision, batch_size| {
        let cache = Some(folder.path().to_owned());
        let options = ExtractOptions { precision, batch_size, cache, ..Default::default() };
        extract(&model(), data(9), &options).unwrap().features
    };
    let (exact, cast) = (run(Precision::Fp32, 4), run(Precision::Bf16, 4));
    assert_eq!((exact.kind(), cast.kind()), (Kind::Float, Kind::Float));
    let error = ((&cast - &exact).norm() / exact.norm()).double_value(&[]);
    assert!(error > 1e-5 && error < 0.05, "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    // Sums in another order are no reason to make an entry again.
    assert_eq!((run(Precision::Fp32, 9), run(Precision::Bf16, 9)), (exact, cast));
    assert_eq!(autocast_kind(Device::Cpu).unwrap(), None);
}

#[test]
fn passes_leave_the_thread_as_it_was_and_pooled_features_serve_every_use() {
    let model = model();
    let loader = Loader::new(
        data(5),
        Views::single(Compose::new()),
        LoaderOptions { batch_size: 2, shuffle: false, ..Default::default() },
    );
    let loader = loader.unwrap();
    let mut sizes = Vec::new();
    for pass in passes(&model, loader.epoch(0, 0), Precision::Bf16).unwrap() {
        let (batch, features) = pass.unwrap();
        assert_eq!(autocast_kind(Device::Cpu).unwrap(), None);
        assert_eq!(features.pooled.kind(), Kind::Float);
        assert!(is_inference(&features.pooled));
        let kept = pooled(&features).unwrap();
        assert!(!is_inference(&kept));
        let weight = kept.ones_like().set_requires_grad(true);
        (&weight * &kept).sum(Kind::Float).backward();
        assert_eq!(weight.grad(), kept);
        sizes.push(batch.labels.len());
    }
    assert_eq!(sizes, [2, 2, 1]);
}

#[test]
fn scores_say_how_the_network_ran() {
    let splits = || Splits { train: data(20), test: data(10), description: "drawn".into() };
    let mut model = model();
    let mut context = Context::new(splits(), "stripes", "random (seed 0)");
    let protocol = |context: &Context, model: &Model| {
        let scores = KnnBenchmark::default().run(model, context).unwrap();
        let entry = |key: &str| scores[0].protocol[key].clone();
        (entry("precision"), entry("memory_format"), scores[0].value)
    };
    let (precision, format, exact) = protocol(&context, &model);
    assert_eq!((precision.as_str(), format.as_str()), ("fp32", "contiguous"));
    model.set_memory_format(MemoryFormat::ChannelsLast).unwrap();
    context = Context::new(splits(), "stripes", "random (seed 0)");
    context.precision = Precision::Bf16;
    let (precision, format, cast) = protocol(&context, &model);
    assert_eq!(
        (precision.as_str(), format.as_str()),
        ("bf16 by autocast, features in fp32", "channels-last")
    );
    assert!((exact - cast).abs() < 0.2, "{exact} {cast}");
    // The fit is in f64 and notices nothing of the network's precision.
    let linear = LinearBenchmark::default().run(&model, &context).unwrap();
    assert!(linear[0].protocol["fit"].contains("f64") && linear[0].value > 0.9, "{:?}", linear[0]);
}

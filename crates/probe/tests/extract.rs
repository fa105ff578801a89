//! Extraction with its cache, and the benchmarks, on small drawn images.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use visrep_augment::RgbImage;
use visrep_data::{Dataset, InMemory, Sample, SampleImage, Splits};
use visrep_models::{Model, ModelOptions};
use visrep_probe::{
    Benchmark, Context, ExtractOptions, FewShotBenchmark, KnnBenchmark, LinearBenchmark, data_hash, extract,
    weights_hash,
};

fn data(count: u32, shade: u8) -> Arc<dyn Dataset> {
    let sample = |i: u32| {
        let image = RgbImage::from_fn(32, 32, |x, y| {
            let on = if i.is_multiple_of(2) { (x / 4) % 2 == 0 } else { (y / 4) % 2 == 0 };
            if on { [shade, 150, 90 + i as u8] } else { [30, i as u8, 40] }
        });
        Sample { image: SampleImage::Decoded(image), label: Some(i % 2), key: format!("drawn-{i}") }
    };
    Arc::new(InMemory::new((0..count).map(sample).collect(), vec!["down".into(), "across".into()]))
}

fn model(seed: i64) -> Model {
    let options = ModelOptions { num_classes: Some(0), seed: Some(seed), ..Default::default() };
    Model::create("resnet18_cifar_w16", &options).unwrap()
}

#[test]
fn the_cache_gives_the_same_features_and_notices_damage_and_change() {
    let folder = tempfile::tempdir().unwrap();
    let cached = ExtractOptions { cache: Some(folder.path().to_owned()), workers: 2, ..Default::default() };
    let model = model(0);
    let plain =
        extract(&model, data(9, 200), &ExtractOptions { batch_size: 4, workers: 0, ..Default::default() })
            .unwrap();
    let first = extract(&model, data(9, 200), &cached).unwrap();
    assert_eq!(first.features.size(), [9, model.embed_dim()]);
    assert!((&plain.features - &first.features).abs().max().double_value(&[]) < 1e-5);
    assert_eq!((&plain.labels, &plain.keys), (&first.labels, &first.keys));
    let entry = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    assert_eq!(extract(&model, data(9, 200), &cached).unwrap().features, first.features);
    std::fs::write(&entry, "not safetensors").unwrap();
    let again = extract(&model, data(9, 200), &cached).unwrap();
    assert!((&again.features - &first.features).abs().max().double_value(&[]) < 1e-5);
    assert!(std::fs::metadata(&entry).unwrap().len() > 1000, "the damaged entry was made again");
    extract(&model, data(9, 201), &cached).unwrap();
    extract(&self::model(1), data(9, 200), &cached).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
    assert!(extract(&model, data(0, 0), &cached).is_err());
}

#[test]
fn hashes_are_of_contents() {
    assert_eq!(data_hash(data(200, 9).as_ref(), 1).unwrap(), data_hash(data(200, 9).as_ref(), 3).unwrap());
    assert_ne!(data_hash(data(200, 9).as_ref(), 1).unwrap(), data_hash(data(200, 8).as_ref(), 1).unwrap());
    assert_eq!(weights_hash(&model(3)).unwrap(), weights_hash(&model(3)).unwrap());
    assert_ne!(weights_hash(&model(3)).unwrap(), weights_hash(&model(4)).unwrap());
}

#[test]
fn every_benchmark_separates_stripes_with_intervals_and_protocol() {
    let splits = Splits { train: data(40, 180), test: data(20, 220), description: "drawn".into() };
    let context = Context::new(splits, "stripes", "random (seed 0)");
    let model = model(0);
    let (knn, linear) = (KnnBenchmark::default(), LinearBenchmark::default());
    let few = FewShotBenchmark::new(5, 3);
    let benchmarks: [&dyn Benchmark; 3] = [&knn, &few, &linear];
    for benchmark in benchmarks {
        let scores = benchmark.run(&model, &context).unwrap();
        let top1 = scores.iter().find(|score| score.metric == "top1").unwrap();
        assert!(top1.value > 0.9, "{}: {}", benchmark.id(), top1.value);
        for score in &scores {
            let interval = score.interval.as_ref().unwrap();
            assert!(interval.low <= interval.high && score.n == 20 && score.suite == benchmark.id());
            assert_eq!(score.protocol["split"], "drawn");
        }
    }
}

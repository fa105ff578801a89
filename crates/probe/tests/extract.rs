//! Extraction with its cache, and the benchmarks, on small drawn images.

#![allow(clippy::unwrap_used)]

mod common;

use common::{model, stripes};
use visrep_data::Splits;
use visrep_probe::{
    Benchmark, Context, ExtractOptions, FewShotBenchmark, KnnBenchmark, LinearBenchmark, data_hash, extract,
    weights_hash,
};

#[test]
fn the_cache_gives_the_same_features_and_notices_damage_and_change() {
    let folder = tempfile::tempdir().unwrap();
    let cached = ExtractOptions { cache: Some(folder.path().to_owned()), workers: 2, ..Default::default() };
    let model = model(0);
    let plain =
        extract(&model, stripes(9, 200), &ExtractOptions { batch_size: 4, workers: 0, ..Default::default() })
            .unwrap();
    let first = extract(&model, stripes(9, 200), &cached).unwrap();
    assert_eq!(first.features.size(), [9, model.embed_dim()]);
    assert!((&plain.features - &first.features).abs().max().double_value(&[]) < 1e-5);
    assert_eq!((&plain.labels, &plain.keys), (&first.labels, &first.keys));
    let entry = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    assert_eq!(extract(&model, stripes(9, 200), &cached).unwrap().features, first.features);
    std::fs::write(&entry, "not safetensors").unwrap();
    let again = extract(&model, stripes(9, 200), &cached).unwrap();
    assert!((&again.features - &first.features).abs().max().double_value(&[]) < 1e-5);
    assert!(std::fs::metadata(&entry).unwrap().len() > 1000, "the damaged entry was made again");
    extract(&model, stripes(9, 201), &cached).unwrap();
    extract(&common::model(1), stripes(9, 200), &cached).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
    assert!(extract(&model, stripes(0, 0), &cached).is_err());
}

#[test]
fn hashes_are_of_contents() {
    assert_eq!(
        data_hash(stripes(200, 9).as_ref(), 1).unwrap(),
        data_hash(stripes(200, 9).as_ref(), 3).unwrap()
    );
    assert_ne!(
        data_hash(stripes(200, 9).as_ref(), 1).unwrap(),
        data_hash(stripes(200, 8).as_ref(), 1).unwrap()
    );
    assert_eq!(weights_hash(&model(3)).unwrap(), weights_hash(&model(3)).unwrap());
    assert_ne!(weights_hash(&model(3)).unwrap(), weights_hash(&model(4)).unwrap());
}

#[test]
fn every_benchmark_separates_stripes_with_intervals_and_protocol() {
    let splits = Splits { train: stripes(40, 180), test: stripes(20, 220), description: "drawn".into() };
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

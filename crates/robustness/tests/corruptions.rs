//! Corruption evaluation end to end on small drawn images.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use visrep_augment::RgbImage;
use visrep_corrupt::Corruption;
use visrep_data::{Dataset, InMemory, Sample, SampleImage, Splits};
use visrep_models::{Model, ModelOptions};
use visrep_probe::{Benchmark, Context, Parts};
use visrep_robustness::{
    Classifier, ConditionResult, CorruptionBenchmark, CorruptionOptions, CorruptionReport, Error, LabelSpace,
    evaluate_corruptions,
};

/// Stripes (class 0) and checks (class 1) of different periods and shades.
fn data(count: u32, labelled: bool) -> Arc<dyn Dataset> {
    let sample = |i: u32| {
        let image = RgbImage::from_fn(32, 32, |x, y| {
            let on = if i.is_multiple_of(2) {
                (x / 4 + i).is_multiple_of(2)
            } else {
                (x / 4 + y / 4 + i).is_multiple_of(2)
            };
            let shade = (i % 100) as u8;
            if on { [200 - shade, 150, 90] } else { [30, 60 + shade, 40] }
        });
        Sample {
            image: SampleImage::Decoded(image),
            label: labelled.then_some(i % 2),
            key: format!("drawn-{i}"),
        }
    };
    Arc::new(InMemory::new((0..count).map(sample).collect(), vec!["stripes".into(), "checks".into()]))
}

fn model(num_classes: i64) -> Model {
    let options = ModelOptions { num_classes: Some(num_classes), seed: Some(0), ..Default::default() };
    Model::create("resnet18_cifar_w16", &options).unwrap()
}

#[test]
fn threads_and_batches_change_nothing() {
    let model = model(2);
    let corruptions = vec![Corruption::GaussianNoise, Corruption::Contrast];
    let run = |workers, batch_size| {
        let options =
            CorruptionOptions { corruptions: corruptions.clone(), workers, batch_size, ..Default::default() };
        evaluate_corruptions(&model, Classifier::Head, data(10, true), &options).unwrap()
    };
    let (a, b) = (run(0, 7), run(2, 32));
    assert_eq!(a.errors(), b.errors());
    assert_eq!(a.clean.correct, b.clean.correct);
    assert_eq!(a.corruptions.len(), 2);
    for (corruption, results) in &a.corruptions {
        assert_eq!(results.len(), 5);
        for (severity, result) in results.iter().enumerate() {
            let (of, at) = result.condition.unwrap();
            assert_eq!((of, usize::from(at.get()), result.n), (*corruption, severity + 1, 10));
            assert!(result.interval.low <= result.error && result.error <= result.interval.high);
        }
    }
    assert!(a.mce().unwrap().is_none(), "AlexNet's errors are for ImageNet's labels");
}

/// Data that ask to stop once so many images were read.
struct Stopping {
    data: Arc<dyn Dataset>,
    left: AtomicUsize,
    stop: Arc<AtomicBool>,
}

impl Dataset for Stopping {
    fn len(&self) -> usize {
        self.data.len()
    }

    fn get(&self, index: usize) -> Result<Sample, visrep_data::Error> {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.stop.store(true, Ordering::Relaxed);
        }
        self.data.get(index)
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.data.label(index)
    }

    fn classes(&self) -> &[String] {
        self.data.classes()
    }
}

#[test]
fn an_evaluation_that_was_stopped_goes_on() {
    let (model, data) = (model(2), data(40, true));
    let folder = tempfile::tempdir().unwrap();
    // Six views of each image in batches of four: a run may end within an image.
    let run = |parts: &Parts, images: usize| {
        let stop = Arc::default();
        let left = AtomicUsize::new(images);
        let data = Stopping { data: Arc::clone(&data), left, stop: Arc::clone(&stop) };
        let options = CorruptionOptions {
            corruptions: vec![Corruption::Brightness],
            parts: parts.clone(),
            batch_size: 4,
            workers: 1,
            stop,
            ..Default::default()
        };
        evaluate_corruptions(&model, Classifier::Head, Arc::new(data), &options)
    };
    let whole = run(&Parts::default(), usize::MAX).unwrap();
    let parts = Parts::in_folder(folder.path());
    let mut runs = 0;
    let found = loop {
        runs += 1;
        match run(&parts, 12) {
            Err(Error::Probe(visrep_probe::Error::Interrupted)) => {
                assert!(parts.finished() <= runs, "a stretch for each run");
                assert!(runs < 20, "each run gets further");
            }
            other => break other.unwrap(),
        }
    };
    assert!(runs > 2 && parts.finished() > 2, "{runs} runs left {} stretches", parts.finished());
    let bits = |report: &CorruptionReport| {
        let results = report.corruptions.iter().flat_map(|(_, results)| results);
        let of = |result: &ConditionResult| {
            (result.correct.clone(), result.calibration.ece.to_bits(), result.ece_interval.low.to_bits())
        };
        std::iter::once(&report.clean).chain(results).map(of).collect::<Vec<_>>()
    };
    assert_eq!(bits(&found), bits(&whole));
    // All is finished: nothing is read that could ask to stop.
    assert_eq!(bits(&run(&parts, 1).unwrap()), bits(&whole));
}

#[test]
fn what_cannot_be_evaluated_is_an_error() {
    let options = CorruptionOptions { corruptions: vec![Corruption::Fog], ..Default::default() };
    let headless = evaluate_corruptions(&model(0), Classifier::Head, data(2, true), &options);
    assert!(matches!(headless, Err(Error::NoHead { .. })));
    let unlabelled = evaluate_corruptions(&model(2), Classifier::Head, data(2, false), &options);
    assert!(matches!(unlabelled, Err(Error::NoLabel { .. })));
    let twice = vec![Corruption::Fog, Corruption::Snow, Corruption::Fog];
    let twice = CorruptionOptions { corruptions: twice, ..options.clone() };
    let error = evaluate_corruptions(&model(2), Classifier::Head, data(2, true), &twice).unwrap_err();
    assert!(matches!(error, Error::RepeatedCorruption(Corruption::Fog)), "{error}");
    let spoiled = model(2);
    tch::no_grad(|| {
        let _ = spoiled.var_store().variables()["fc.bias"].shallow_clone().fill_(f64::NAN);
    });
    let error = evaluate_corruptions(&spoiled, Classifier::Head, data(2, true), &options).unwrap_err();
    let wanted = "'drawn-0' are not finite (clean)";
    assert!(error.to_string().contains(wanted), "{error}");
    let none = CorruptionOptions { corruptions: vec![], ..options };
    assert!(evaluate_corruptions(&model(2), Classifier::Head, data(2, true), &none).is_err());
}

#[test]
fn the_benchmark_gives_every_figure_with_its_protocol() {
    let splits = Splits { train: data(20, true), test: data(8, true), description: "drawn".into() };
    let context = Context::new(splits, "drawn", "random (seed 0)");
    let all = CorruptionBenchmark { label_space: LabelSpace::ImageNet1k, ..Default::default() };
    let scores = all.run(&model(0), &context).unwrap();
    let count = |metric| scores.iter().filter(|score| score.metric == metric).count();
    assert_eq!(count("error"), 1 + 19 * 5);
    assert_eq!(count("ece"), 1 + 19 * 5);
    assert_eq!((count("mean-error"), count("ce"), count("mce"), count("relative-mce")), (20, 15, 1, 1));
    assert!(scores.iter().all(|score| score.value.is_finite() && score.protocol.contains_key("corruption")));
    let averaged = |scores: &[visrep_metrics::Score], metric| {
        let of_mean = |score: &&visrep_metrics::Score| score.task == "mean" && score.metric == metric;
        scores.iter().find(of_mean).unwrap().protocol["corruptions"].clone()
    };
    assert!(averaged(&scores, "mean-error").starts_with("15: gaussian_noise, "));
    assert!(averaged(&scores, "mean-ece").starts_with("19: gaussian_noise, "));
    assert!(averaged(&scores, "mce").starts_with("15: gaussian_noise, "));
    assert!(scores.iter().all(|score| (score.task == "mean") == score.protocol.contains_key("corruptions")));
    let unnormalised = CorruptionBenchmark { corruptions: vec![Corruption::Fog], ..Default::default() };
    let scores = unnormalised.run(&model(0), &context).unwrap();
    assert!(scores.iter().all(|score| score.metric != "ce" && score.metric != "mce"));
    assert_eq!(averaged(&scores, "mean-ece"), "1: fog");
}

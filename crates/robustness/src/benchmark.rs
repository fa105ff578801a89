//! The corruptions as a benchmark: a linear probe fitted to clean training images, tested on corrupted ones.

use crate::Error;
use crate::evaluate::{
    Classifier, CorruptionOptions, CorruptionReport, LabelSpace, describe, evaluate_corruptions,
};
use std::collections::BTreeMap;
use visrep_corrupt::Corruption;
use visrep_metrics::{Interval, Score, corruption_error};
use visrep_models::Model;
use visrep_probe::{Context, Figure, LinearProbeOptions, linear_protocol};

const SUITE: &str = "imagenet-c";

/// The task whose figures are means over corruptions; their protocol says which.
const MEAN: &str = "mean";

/// Error, corruption error and calibration under the 19 corruptions, of a linear probe on the frozen model.
#[derive(Clone, Debug)]
pub struct CorruptionBenchmark {
    /// The corruptions.
    pub corruptions: Vec<Corruption>,
    /// The meaning of the labels.
    pub label_space: LabelSpace,
    /// The probe's fit; `None` takes [`LinearProbeOptions::searched`] with the context's seed.
    pub probe: Option<LinearProbeOptions>,
}

impl Default for CorruptionBenchmark {
    /// All corruptions, on labels other than ImageNet's.
    fn default() -> Self {
        Self { corruptions: Corruption::ALL.to_vec(), label_space: LabelSpace::Other, probe: None }
    }
}

impl CorruptionBenchmark {
    /// The full report, whose parts plots need, and its scores.
    pub fn report(&self, model: &Model, context: &Context) -> Result<(CorruptionReport, Vec<Score>), Error> {
        let options = self.probe.clone().unwrap_or_else(|| LinearProbeOptions::searched(context.seed));
        let probe = context.linear_probe(model, &options)?;
        let corruptions = CorruptionOptions {
            corruptions: self.corruptions.clone(),
            label_space: self.label_space,
            seed: context.seed,
            batch_size: context.batch_size,
            workers: context.workers,
            progress: context.progress,
            precision: context.precision,
        };
        let data = context.splits().test.clone();
        let report = evaluate_corruptions(model, Classifier::Probe(&probe), data, &corruptions)?;
        let mut protocol = context.protocol(model);
        protocol.extend(linear_protocol(&probe, &options));
        let entries = [
            ("corruption", "in memory, after the evaluation crop, no JPEG step".to_owned()),
            ("corruption_constants", report.scale.clone()),
            ("frost", "a drawn substitute, not the benchmark's photographs".to_owned()),
        ];
        protocol.extend(entries.map(|(key, value)| (key.to_owned(), value)));
        let scores = scores(&report, model, context, &protocol)?;
        Ok((report, scores))
    }
}

impl visrep_probe::Benchmark for CorruptionBenchmark {
    fn id(&self) -> &str {
        SUITE
    }

    fn run(&self, model: &Model, context: &Context) -> Result<Vec<Score>, visrep_probe::Error> {
        match self.report(model, context) {
            Ok((_, scores)) => Ok(scores),
            Err(Error::Probe(error)) => Err(error),
            Err(Error::Data(error)) => Err(error.into()),
            Err(error) => Err(visrep_probe::Error::Suite { suite: SUITE, message: error.to_string() }),
        }
    }
}

/// Every figure of a report: error and ECE of each condition, each corruption's error over its severities, means.
fn scores(
    report: &CorruptionReport,
    model: &Model,
    context: &Context,
    protocol: &BTreeMap<String, String>,
) -> Result<Vec<Score>, Error> {
    let mut scores = Vec::new();
    let n = report.clean.n;
    let list = |corruptions: Vec<Corruption>| {
        let names: Vec<_> = corruptions.iter().map(|corruption| corruption.name()).collect();
        format!("{}: {}", names.len(), names.join(", "))
    };
    let evaluated = list(report.corruptions.iter().map(|(corruption, _)| *corruption).collect());
    let benchmark = list(Corruption::BENCHMARK.to_vec());
    let mut push =
        |task: String, metric: &'static str, value, interval: Option<Interval>, normaliser: &str| {
            let mut protocol = protocol.clone();
            protocol.insert("normaliser".into(), normaliser.into());
            if task == MEAN {
                // mCE is of the benchmark's fifteen, whatever else was evaluated.
                let averaged = if metric.ends_with("mce") { &benchmark } else { &evaluated };
                protocol.insert("corruptions".into(), averaged.clone());
            }
            let figure = Figure { task, metric, value, n, interval };
            scores.push(context.score(model, SUITE, figure, &protocol));
        };
    for result in
        std::iter::once(&report.clean).chain(report.corruptions.iter().flat_map(|(_, results)| results))
    {
        push(describe(result.condition), "error", result.error, Some(result.interval.clone()), "none");
        push(
            describe(result.condition),
            "ece",
            result.calibration.ece,
            Some(result.ece_interval.clone()),
            "none",
        );
    }
    let imagenet = report.label_space() == LabelSpace::ImageNet1k;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let mut eces = Vec::new();
    for (corruption, results) in &report.corruptions {
        let of_severities: Vec<_> = results.iter().map(|result| result.calibration.ece).collect();
        eces.push(mean(&of_severities));
        push(corruption.name().into(), "mean-ece", mean(&of_severities), None, "none");
    }
    push(MEAN.into(), "mean-ece", mean(&eces), None, "none");
    for (name, errors) in report.errors() {
        push(name.into(), "mean-error", mean(&errors), None, "none");
        if imagenet && Corruption::BENCHMARK.iter().any(|corruption| corruption.name() == name) {
            push(name.into(), "ce", corruption_error(name, &errors)?, None, "AlexNet");
        }
    }
    push(
        MEAN.into(),
        "mean-error",
        report.mean_error()?,
        None,
        if imagenet { "none" } else { "none: AlexNet's errors are for ImageNet-1k labels" },
    );
    if let Some((mce, relative)) = report.mce()? {
        push(MEAN.into(), "mce", mce, None, "AlexNet");
        push(MEAN.into(), "relative-mce", relative, None, "AlexNet");
    }
    Ok(scores)
}

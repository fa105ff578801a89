//! The corruptions as a benchmark: a linear probe fitted to clean training images, tested on corrupted ones.

use crate::Error;
use crate::corruption_figures::{CorruptionFigures, Normalised};
use crate::evaluate::{Classifier, CorruptionOptions, CorruptionReport, LabelSpace, evaluate_corruptions};
use std::collections::BTreeMap;
use std::sync::Arc;
use visrep_corrupt::Corruption;
use visrep_metrics::Score;
use visrep_models::Model;
use visrep_probe::{Context, LinearProbeOptions, linear_protocol};

const SUITE: &str = "imagenet-c";

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
            stop: Arc::clone(&context.stop),
            ..Default::default()
        };
        let data = context.splits().test.clone();
        let report = evaluate_corruptions(model, Classifier::Probe(&probe), data, &corruptions)?;
        let mut protocol = context.protocol(model);
        protocol.extend(linear_protocol(&probe, &options));
        protocol.extend(report.protocol().map(|(key, value)| (key.to_owned(), value)));
        let scores = scores(&report, model, context, &protocol)?;
        Ok((report, scores))
    }
}

impl visrep_probe::Benchmark for CorruptionBenchmark {
    fn id(&self) -> &str {
        SUITE
    }

    fn run(&self, model: &Model, context: &Context) -> Result<Vec<Score>, visrep_probe::Error> {
        let (_, scores) = self.report(model, context).map_err(|error| error.of_suite(SUITE))?;
        Ok(scores)
    }
}

/// Every figure of a report: error and ECE of each condition, each corruption's error over its severities, means.
fn scores(
    report: &CorruptionReport,
    model: &Model,
    context: &Context,
    protocol: &BTreeMap<String, String>,
) -> Result<Vec<Score>, Error> {
    let figures = CorruptionFigures {
        clean: Some(&report.clean),
        corruptions: &report.corruptions,
        label_space: report.label_space(),
    };
    let score = |found: Normalised| {
        let mut protocol = protocol.clone();
        protocol.insert("normaliser".into(), found.normaliser.into());
        protocol.extend(found.averaged.map(|corruptions| ("corruptions".to_owned(), corruptions)));
        context.score(model, SUITE, found.figure, &protocol)
    };
    Ok(figures.all()?.into_iter().map(score).collect())
}

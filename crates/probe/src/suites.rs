//! The probes as benchmarks over a train/test split: kNN, few-shot ridge, linear probe.

use crate::benchmark::{Benchmark, Context, Figure, Part};
use crate::evaluate::{Evaluation, LEVEL, RESAMPLES, ScoreKind, ece_interval, evaluate};
use crate::few_shot::RIDGE_L2;
use crate::linear::Regularisation;
use crate::{Error, KnnOptions, LinearProbe, LinearProbeOptions, few_shot_ridge, knn};
use std::collections::BTreeMap;
use visrep_metrics::{Score, bootstrap_mean, mean};
use visrep_models::Model;

/// The weighted nearest-neighbour classifier, see [`knn`].
#[derive(Clone, Copy, Debug, Default)]
pub struct KnnBenchmark {
    /// Neighbours and temperature.
    pub options: KnnOptions,
}

impl Benchmark for KnnBenchmark {
    fn id(&self) -> &str {
        "knn"
    }

    fn run(&self, model: &Model, context: &Context) -> Result<Vec<Score>, Error> {
        self.report(model, context).map(|(_, scores)| scores)
    }
}

impl KnnBenchmark {
    /// The evaluation, whose parts plots and paired comparisons need, and its scores.
    pub fn report(&self, model: &Model, context: &Context) -> Result<(Evaluation, Vec<Score>), Error> {
        let (train, test) = (context.features(model, Part::Train)?, context.features(model, Part::Test)?);
        let scores = knn(&train, &test, &self.options)?;
        let mut protocol = context.protocol(model);
        protocol.insert("k".into(), self.options.k.min(train.len()).to_string());
        protocol.insert("temperature".into(), self.options.temperature.to_string());
        protocol.insert("similarity".into(), "cosine".into());
        let evaluation = evaluate(&scores, &test.labels, ScoreKind::Probabilities)?;
        let scores = accuracy_scores(self.id(), model, context, &evaluation, &protocol)?;
        Ok((evaluation, scores))
    }
}

/// Few-shot least squares, the mean over several choices of shots; see [`few_shot_ridge`].
#[derive(Clone, Debug)]
pub struct FewShotBenchmark {
    id: String,
    shots: usize,
    choices: u64,
}

impl FewShotBenchmark {
    /// `shots` samples per class, averaged over `choices` choices of them (big_vision takes 3), whose seeds are
    /// the context's seed and those that follow.
    pub fn new(shots: usize, choices: u64) -> Self {
        Self { id: format!("few-shot-{shots}"), shots, choices }
    }
}

impl Benchmark for FewShotBenchmark {
    fn id(&self) -> &str {
        &self.id
    }

    fn run(&self, model: &Model, context: &Context) -> Result<Vec<Score>, Error> {
        if self.choices == 0 {
            return Err(Error::Parameter { parameter: "choices", value: 0.0, expected: "at least 1" });
        }
        let (train, test) = (context.features(model, Part::Train)?, context.features(model, Part::Test)?);
        let mut right = vec![0.0; test.len()];
        let mut accuracies = Vec::new();
        for choice in 0..self.choices {
            let scores = few_shot_ridge(&train, &test, self.shots, context.seed.wrapping_add(choice))?;
            let evaluation = evaluate(&scores, &test.labels, ScoreKind::Scores)?;
            accuracies.push(evaluation.top1);
            for (right, &correct) in right.iter_mut().zip(&evaluation.correct) {
                *right += f64::from(correct) / self.choices as f64;
            }
        }
        let mut counts = BTreeMap::<i64, usize>::new();
        train.labels.iter().for_each(|&label| *counts.entry(label).or_default() += 1);
        let smallest = counts.values().min().copied().unwrap_or(0);
        let each: Vec<String> = accuracies.iter().map(|accuracy| format!("{accuracy:.4}")).collect();
        let mut protocol = context.protocol(model);
        protocol.insert("shots".into(), self.shots.to_string());
        if smallest < self.shots {
            protocol.insert("smallest_class".into(), format!("{smallest} samples: it gave all of them"));
        }
        protocol.insert("l2".into(), RIDGE_L2.to_string());
        protocol.insert("choices".into(), self.choices.to_string());
        protocol.insert("top1_by_choice".into(), each.join(", "));
        protocol.insert("interval".into(), "over test samples, for these choices of shots".into());
        let interval = Some(bootstrap_mean(&right, RESAMPLES, LEVEL, context.seed)?);
        let (task, value, n) = (context.data.clone(), mean(&accuracies)?, test.len());
        let figure = Figure { task, metric: "top1", value, n, interval };
        Ok(vec![context.score(model, &self.id, figure, &protocol)])
    }
}

/// Logistic regression on frozen features, see [`LinearProbe`].
#[derive(Clone, Debug, Default)]
pub struct LinearBenchmark {
    /// The fit; `None` takes [`LinearProbeOptions::searched`] with the context's seed.
    pub options: Option<LinearProbeOptions>,
}

impl Benchmark for LinearBenchmark {
    fn id(&self) -> &str {
        "linear"
    }

    fn run(&self, model: &Model, context: &Context) -> Result<Vec<Score>, Error> {
        self.report(model, context).map(|(_, scores)| scores)
    }
}

impl LinearBenchmark {
    /// The evaluation, whose parts plots and paired comparisons need, and its scores.
    pub fn report(&self, model: &Model, context: &Context) -> Result<(Evaluation, Vec<Score>), Error> {
        let test = context.features(model, Part::Test)?;
        let options = self.options.clone().unwrap_or_else(|| LinearProbeOptions::searched(context.seed));
        let probe = context.linear_probe(model, &options)?;
        let probabilities = probe.predict(&test.features)?;
        let mut protocol = context.protocol(model);
        protocol.extend(linear_protocol(&probe, &options));
        let evaluation = evaluate(&probabilities, &test.labels, ScoreKind::Probabilities)?;
        let scores = accuracy_scores(self.id(), model, context, &evaluation, &protocol)?;
        Ok((evaluation, scores))
    }
}

/// The protocol entries of a fitted linear probe.
pub fn linear_protocol(probe: &LinearProbe, options: &LinearProbeOptions) -> BTreeMap<String, String> {
    let choice = match &options.regularisation {
        Regularisation::Fixed { .. } => "fixed".to_owned(),
        Regularisation::Search { validation, seed, .. } => {
            let tried: Vec<String> =
                probe.validation().iter().map(|(c, accuracy)| format!("{c}: {accuracy:.4}")).collect();
            format!("best of {{{}}} on {validation} of the training samples (seed {seed})", tried.join(", "))
        }
    };
    let fit = format!(
        "L-BFGS in f64, {} steps, {}",
        probe.iterations(),
        if probe.converged() { "converged" } else { "NOT converged" },
    );
    let entries = [
        ("classifier", "logistic regression, scikit-learn's objective".to_owned()),
        ("c", probe.c().to_string()),
        ("c_choice", choice),
        ("standardised", options.standardise.to_string()),
        ("fit", fit),
    ];
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Accuracy, and where there are probabilities calibration and likelihood, as scores.
fn accuracy_scores(
    suite: &str,
    model: &Model,
    context: &Context,
    evaluation: &Evaluation,
    protocol: &BTreeMap<String, String>,
) -> Result<Vec<Score>, Error> {
    let n = evaluation.correct.len();
    let figure = |metric, value, interval| Figure { task: context.data.clone(), metric, value, n, interval };
    let mut figures = vec![figure("top1", evaluation.top1, Some(evaluation.top1_interval.clone()))];
    if let Some((top5, interval)) = &evaluation.top5 {
        figures.push(figure("top5", *top5, Some(interval.clone())));
    }
    if let Some(probabilistic) = &evaluation.probabilistic {
        let seed = context.seed;
        let ece = ece_interval(&probabilistic.confidences, &evaluation.correct, seed)?;
        figures.push(figure("ece", probabilistic.calibration.ece, Some(ece)));
        figures.push(figure("nll", probabilistic.nll, Some(probabilistic.nll_interval(seed)?)));
        figures.push(figure("brier", probabilistic.brier, Some(probabilistic.brier_interval(seed)?)));
    }
    Ok(figures.into_iter().map(|figure| context.score(model, suite, figure, protocol)).collect())
}

//! The probes as benchmarks over a train/test split: kNN, few-shot ridge, linear probe.

use crate::benchmark::{Benchmark, Context, Figure, Part, json};
use crate::evaluate::{Evaluation, LEVEL, RESAMPLES, ScoreKind, ece_interval, evaluate};
use crate::few_shot::RIDGE_L2;
use crate::knn::{knn_on, knn_sweep_on};
use crate::linear::{Fitting, GradientFit, LinearFit, LinearPreset, Regularisation};
use crate::{Error, EvalTransform, KnnOptions, LinearProbe, LinearProbeOptions, Pooling, few_shot_ridge};
use std::collections::BTreeMap;
use std::sync::Arc;
use visrep_metrics::{Score, bootstrap_mean, mean, wilson};
use visrep_models::Model;

/// The weighted nearest-neighbour classifier, see [`knn`](crate::knn), searched on the model's device.
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
        let scores = knn_on(&train, &test, &self.options, model.device())?;
        let mut protocol = context.protocol(model);
        protocol.insert("k".into(), self.options.k.min(train.len()).to_string());
        protocol.insert("temperature".into(), self.options.temperature.to_string());
        protocol.insert("similarity".into(), "cosine".into());
        let evaluation = evaluate(&scores, &test.labels, ScoreKind::Probabilities)?;
        let scores = accuracy_scores(self.id(), model, context, &evaluation, &protocol)?;
        Ok((evaluation, scores))
    }
}

/// The nearest-neighbour classifier with every one of several k and temperatures, a figure for each: none is chosen.
#[derive(Clone, Debug)]
pub struct KnnSweepBenchmark {
    id: String,
    /// Neighbours and temperatures.
    pub options: Vec<KnnOptions>,
    /// How images are prepared.
    pub transform: EvalTransform,
}

impl KnnSweepBenchmark {
    /// A sweep of one's own; `id` names it in scores.
    pub fn new(id: impl Into<String>, options: Vec<KnnOptions>, transform: EvalTransform) -> Self {
        Self { id: id.into(), options, transform }
    }

    /// DINO's evaluation (Caron et al. 2021; facebookresearch/dino `eval_knn.py`), `knn-dino`: 10, 20, 100 and 200 neighbours,
    /// temperature 0.07, images resized to 256, bicubic, of which the centre of 224 is seen.
    pub fn dino() -> Self {
        let temperature = KnnOptions::default().temperature;
        let options = [10, 20, 100, 200].map(|k| KnnOptions { k, temperature });
        Self::new("knn-dino", options.to_vec(), EvalTransform::Bicubic)
    }

    /// A grid, `knn-sweep`: 1 to 200 neighbours, temperatures 0.03 to 1, images as the model has them.
    pub fn grid() -> Self {
        let of = |k| [0.03, 0.07, 0.2, 1.0].map(|temperature| KnnOptions { k, temperature });
        let options = [1, 5, 10, 20, 50, 100, 200].into_iter().flat_map(of).collect();
        Self::new("knn-sweep", options, EvalTransform::Model)
    }
}

impl Benchmark for KnnSweepBenchmark {
    fn id(&self) -> &str {
        &self.id
    }

    fn run(&self, model: &Model, context: &Context) -> Result<Vec<Score>, Error> {
        let features = |part| context.features_by(model, part, Pooling::PreLogits, self.transform);
        let (train, test) = (features(Part::Train)?, features(Part::Test)?);
        let predictions = knn_sweep_on(&train, &test, &self.options, model.device())?;
        let n = test.len();
        let score = |(options, predicted): (&KnnOptions, &Vec<i64>)| -> Result<Score, Error> {
            let right = predicted.iter().zip(&test.labels).filter(|(a, b)| a == b).count();
            let mut protocol = context.protocol_as(model, self.transform);
            protocol.insert("k".into(), options.k.min(train.len()).to_string());
            protocol.insert("temperature".into(), options.temperature.to_string());
            protocol.insert("similarity".into(), "cosine".into());
            let task = format!("{} k={} T={}", context.data, options.k, options.temperature);
            let (value, interval) = (right as f64 / n as f64, Some(wilson(right, n, LEVEL)?));
            Ok(context.score(
                model,
                self.id(),
                Figure { task, metric: "top1", value, n, interval },
                &protocol,
            ))
        };
        self.options.iter().zip(&predictions).map(score).collect()
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
        let deviation = "from big_vision's evaluator: images as the model has them, not resized to 256 and cropped to 224; shots chosen by \
                         another generator than NumPy's";
        protocol.insert("deviation".into(), deviation.into());
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

/// A published protocol of linear evaluation, see [`LinearPreset`].
#[derive(Clone, Debug)]
pub struct LinearPresetBenchmark {
    id: String,
    preset: LinearPreset,
    frozen: bool,
}

impl LinearPresetBenchmark {
    /// As it was published: where it augments images, every epoch is a pass of the network.
    pub fn new(preset: LinearPreset) -> Self {
        Self { id: format!("linear-{}", preset.name), preset, frozen: false }
    }

    /// On features that are computed once, without the augmentation: a cheaper figure of another name.
    pub fn frozen(preset: LinearPreset) -> Self {
        Self { id: format!("linear-{}-frozen", preset.name), preset, frozen: true }
    }
}

impl Benchmark for LinearPresetBenchmark {
    fn id(&self) -> &str {
        &self.id
    }

    fn run(&self, model: &Model, context: &Context) -> Result<Vec<Score>, Error> {
        self.report(model, context).map(|(_, scores)| scores)
    }
}

impl LinearPresetBenchmark {
    /// The evaluation, whose parts plots and paired comparisons need, and its scores.
    pub fn report(&self, model: &Model, context: &Context) -> Result<(Evaluation, Vec<Score>), Error> {
        let LinearPreset { fit, pooling, evaluation, source, deviation, .. } = &self.preset;
        let features = |part| context.features_by(model, part, *pooling, *evaluation);
        let test = features(Part::Test)?;
        let augments = matches!(fit, LinearFit::Gradient(..));
        let probe = match augments && !self.frozen {
            true => self.preset.fit(model, Arc::clone(&context.splits().train), &context.execution())?,
            false => self.preset.fit_frozen(&*features(Part::Train)?, context.seed)?,
        };
        let mut protocol = context.protocol_as(model, *evaluation);
        match fit {
            LinearFit::Logistic(options) => protocol.extend(linear_protocol(&probe, options)),
            LinearFit::Gradient(fit, views) => {
                protocol.extend(gradient_protocol(&probe, fit));
                let views =
                    if self.frozen { "none: features computed once".into() } else { format!("{views:?}") };
                protocol.insert("augmentation".into(), views.to_lowercase());
            }
        }
        protocol.insert("pooling".into(), pooling.to_string());
        protocol.insert("preset".into(), format!("{}: {source}", self.preset.name));
        if !deviation.is_empty() {
            protocol.insert("deviation".into(), (*deviation).into());
        }
        let evaluation = evaluate(&probe.predict(&test.features)?, &test.labels, ScoreKind::Probabilities)?;
        let scores = accuracy_scores(&self.id, model, context, &evaluation, &protocol)?;
        Ok((evaluation, scores))
    }
}

/// The protocol entries of a linear probe that was fitted by L-BFGS.
pub fn linear_protocol(probe: &LinearProbe, options: &LinearProbeOptions) -> BTreeMap<String, String> {
    let Fitting::Logistic { c, validation: tried, iterations, converged } = probe.fitting() else {
        return BTreeMap::new();
    };
    let choice = match &options.regularisation {
        Regularisation::Fixed { .. } => "fixed".to_owned(),
        Regularisation::Search { validation, seed, .. } => {
            let tried: Vec<String> =
                tried.iter().map(|(c, accuracy)| format!("{c}: {accuracy:.4}")).collect();
            format!("best of {{{}}} on {validation} of the training samples (seed {seed})", tried.join(", "))
        }
    };
    let ended = if *converged { "converged" } else { "NOT converged" };
    let entries = [
        ("classifier", "logistic regression, scikit-learn's objective".to_owned()),
        ("c", c.to_string()),
        ("c_choice", choice),
        ("standardised", options.standardise.to_string()),
        ("fit", format!("L-BFGS, to its end in f64, {iterations} steps, {ended}")),
    ];
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The protocol entries of a linear probe that was trained by stochastic gradient descent.
pub fn gradient_protocol(probe: &LinearProbe, fit: &GradientFit) -> BTreeMap<String, String> {
    let mut entries = vec![
        ("classifier", "linear, cross entropy, stochastic gradient descent".to_owned()),
        ("optimizer", json(&fit.optimizer)),
        ("schedule", json(&fit.schedule)),
        ("weight_decay", fit.weight_decay.to_string()),
        (
            "batch_norm",
            fit.batch_norm.map_or("none".into(), |eps| format!("without scale and shift, eps {eps}")),
        ),
    ];
    if let Fitting::Gradient { steps, batch_size, lr, loss } = probe.fitting() {
        entries
            .push(("fit", format!("{steps} steps of {batch_size}, learning rate {lr}, last loss {loss:.4}")));
    }
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Accuracy, and where there are probabilities calibration and likelihood, as scores.
pub(crate) fn accuracy_scores(
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

//! A frozen model and a fixed classifier under every corruption and severity.

use crate::{Error, corruption_figures};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tch::{Device, Kind, Tensor};
use visrep_augment::Compose;
use visrep_corrupt::{Corruption, Corruptor, Frost, FrostSource, Scale, Severity};
use visrep_data::{Condition, CorruptedViews, Dataset, Loader, LoaderOptions, Subset, Views};
use visrep_metrics::{Calibration, Interval, calibration, wilson};
use visrep_models::{Features, Model};
use visrep_probe::{
    CALIBRATION_BINS, LEVEL, LinearProbe, Parts, Progress, ece_interval, eval_transform, passes, pooled,
};
use visrep_torch::Precision;

/// What turns features into class probabilities. It is fixed before the corruptions: fitted to clean images.
#[derive(Clone, Copy, Debug)]
pub enum Classifier<'a> {
    /// The model's own.
    Head,
    /// A linear probe.
    Probe(&'a LinearProbe),
}

/// What the labels mean, which decides whether AlexNet's errors may normalise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelSpace {
    /// The 1000 classes of ImageNet-1k: corruption errors are divided by AlexNet's.
    ImageNet1k,
    /// Any other: errors are reported as they are, as for CIFAR-10-C.
    Other,
}

/// What is evaluated, and how.
#[derive(Clone, Debug)]
pub struct CorruptionOptions {
    /// The corruptions; all five severities of each.
    pub corruptions: Vec<Corruption>,
    /// The meaning of the labels.
    pub label_space: LabelSpace,
    /// What frost is made of.
    pub frost: Frost,
    /// The seed of the corruptions' random numbers.
    pub seed: u64,
    /// Images per forward pass.
    pub batch_size: usize,
    /// Threads that decode and corrupt.
    pub workers: usize,
    /// Draw a progress bar when it takes longer than two seconds.
    pub progress: bool,
    /// In which precision the network runs; what is computed from its features is f64.
    pub precision: Precision,
    /// Raised when the evaluation should stop.
    pub stop: Arc<AtomicBool>,
    /// Where what is finished is kept, so that an evaluation that was stopped goes on.
    pub parts: Parts,
}

impl Default for CorruptionOptions {
    /// All 19 corruptions, labels other than ImageNet's, the drawn substitute of frost, seed 0, batches of 128, a worker per core, no bar,
    /// fp32, never stopped, nothing kept.
    fn default() -> Self {
        Self {
            corruptions: Corruption::ALL.to_vec(),
            label_space: LabelSpace::Other,
            frost: Frost::substitute(),
            seed: 0,
            batch_size: 128,
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            progress: false,
            precision: Precision::Fp32,
            stop: Arc::default(),
            parts: Parts::default(),
        }
    }
}

/// How the model did under one condition.
#[derive(Clone, Debug)]
pub struct ConditionResult {
    /// The corruption and severity; `None` for clean images.
    pub condition: Condition,
    /// The number of images.
    pub n: usize,
    /// The top-1 error, a fraction.
    pub error: f64,
    /// Its Wilson 95 % interval.
    pub interval: Interval,
    /// Calibration with the reliability bins.
    pub calibration: Calibration,
    /// The percentile bootstrap 95 % interval of the expected calibration error.
    pub ece_interval: Interval,
    /// Whether each image was classified right, in the dataset's order.
    pub correct: Vec<bool>,
}

impl ConditionResult {
    /// What scores call the condition: `clean`, or the corruption and severity, such as `fog/3`.
    pub fn task(&self) -> String {
        describe(self.condition)
    }
}

/// How the model did under all of them.
#[derive(Clone, Debug)]
pub struct CorruptionReport {
    /// On clean images.
    pub clean: ConditionResult,
    /// Each corruption with its five severities in order.
    pub corruptions: Vec<(Corruption, Vec<ConditionResult>)>,
    /// Which constants the corruptions used.
    pub scale: String,
    /// What frost was made of.
    pub frost: FrostSource,
    label_space: LabelSpace,
}

impl CorruptionReport {
    /// Each corruption's name and errors at severities 1 to 5.
    pub fn errors(&self) -> Vec<(&'static str, [f64; 5])> {
        corruption_figures::errors(&self.corruptions)
    }

    /// The mean error over those of ImageNet-C's fifteen benchmark corruptions that were evaluated (over all that
    /// were when none of these is among them), unnormalised.
    pub fn mean_error(&self) -> Result<f64, Error> {
        corruption_figures::mean_error(&self.errors())
    }

    /// The mCE and the relative mCE, ratios to AlexNet; `None` unless the labels are ImageNet-1k's and all fifteen
    /// benchmark corruptions were evaluated.
    pub fn mce(&self) -> Result<Option<(f64, f64)>, Error> {
        if self.label_space != LabelSpace::ImageNet1k {
            return Ok(None);
        }
        let found = corruption_figures::mce(&self.errors(), Some(self.clean.error))?;
        Ok(found.and_then(|(mce, relative)| Some((mce, relative?))))
    }

    /// What the corruptions were, as entries of a protocol.
    pub fn protocol(&self) -> [(&'static str, String); 3] {
        let frost = match self.frost {
            FrostSource::Published => "the benchmark's photographs",
            FrostSource::Other => "photographs that are not the benchmark's",
            FrostSource::Substitute => "a drawn substitute, not the benchmark's photographs",
        };
        [
            ("corruption", "in memory, after the evaluation crop, no JPEG step".into()),
            ("corruption_constants", self.scale.clone()),
            ("frost", frost.into()),
        ]
    }

    /// The meaning of the labels.
    pub fn label_space(&self) -> LabelSpace {
        self.label_space
    }
}

/// Confidences and right answers of one condition while they are gathered.
#[derive(Clone, Default)]
pub(crate) struct Tally {
    pub(crate) confidences: Vec<f64>,
    pub(crate) correct: Vec<bool>,
}

/// `data` from sample `first` on.
pub(crate) fn from(data: Arc<dyn Dataset>, first: usize) -> Arc<dyn Dataset> {
    if first == 0 {
        return data;
    }
    let rest = (first..data.len()).collect();
    Arc::new(Subset::new(data, rest))
}

/// Evaluates `model` with `classifier` on `data`, clean and under every corruption and severity.
///
/// Images are decoded and brought to the model's size once, and corrupted in the loader's threads; nothing but a
/// confidence and a verdict per image and condition is kept. A label that the classifier does not have counts as
/// wrong.
pub fn evaluate_corruptions(
    model: &Model,
    classifier: Classifier<'_>,
    data: Arc<dyn Dataset>,
    options: &CorruptionOptions,
) -> Result<CorruptionReport, Error> {
    if matches!(classifier, Classifier::Head) && model.num_classes() == 0 {
        return Err(Error::NoHead { model: model.name().into() });
    }
    if options.corruptions.is_empty() {
        return Err(Error::NoCorruptions);
    }
    for (at, &corruption) in options.corruptions.iter().enumerate() {
        if options.corruptions[..at].contains(&corruption) {
            return Err(Error::RepeatedCorruption(corruption));
        }
    }
    let severities = (1..=5).map(Severity::try_new).collect::<Result<Vec<_>, _>>()?;
    let mut conditions: Vec<Condition> = vec![None];
    for &corruption in &options.corruptions {
        conditions.extend(severities.iter().map(|&severity| Some((corruption, severity))));
    }
    let transform = eval_transform(model.preprocessing())?;
    let size = model.preprocessing().input_size;
    let corruptor = Corruptor::new(Scale::for_size(size, size)).with_frost(options.frost.clone());
    // Where files have other sizes by now, what was found is of other images.
    let stamp = data.stamp();
    let views = CorruptedViews::new(data, transform, corruptor, conditions.clone(), options.seed)?;
    let scale = format!("{:?}", views.scale());
    let loader_options = LoaderOptions {
        batch_size: options.batch_size,
        workers: options.workers,
        shuffle: false,
        ..Default::default()
    };
    let mut progress = Progress::new(options.progress, "corruptions", views.len());
    let views: Arc<dyn Dataset> = Arc::new(views);
    let mut found = options.parts.row::<(f64, bool)>(&Parts::name_of("images", stamp), views.len());
    let first = found.len();
    progress.reach(first);
    if first < views.len() {
        // Images are told apart by their place among all, whichever of them are loaded; a run that goes on begins behind a batch.
        let loader = Loader::new(from(views, first), Views::single(Compose::new()), loader_options)?;
        for pass in passes(model, loader.epoch(0, 0), options.precision)? {
            let (batch, features) = pass?;
            if options.stop.load(Ordering::Relaxed) {
                return Err(visrep_probe::Error::Interrupted.into());
            }
            if let Some(row) = batch.labels.iter().position(|&label| label < 0) {
                return Err(Error::NoLabel { key: batch.keys[row].clone() });
            }
            let (confidences, predictions) = classify(model, classifier, &features, options.precision)?;
            if let Some(row) = confidences.iter().position(|confidence| !confidence.is_finite()) {
                let condition = conditions[(first + batch.indices[row]) % conditions.len()];
                return Err(Error::NotFinite {
                    key: batch.keys[row].clone(),
                    condition: describe(condition),
                });
            }
            let correct = predictions.iter().zip(&batch.labels).map(|(a, b)| a == b);
            found.push(confidences.iter().map(|confidence| confidence.clamp(0.0, 1.0)).zip(correct))?;
            progress.advance(batch.labels.len());
        }
    }
    let mut tallies = vec![Tally::default(); conditions.len()];
    for (index, (confidence, correct)) in found.finish()?.into_iter().enumerate() {
        let tally = &mut tallies[index % conditions.len()];
        tally.confidences.push(confidence);
        tally.correct.push(correct);
    }
    let mut results = conditions
        .into_iter()
        .zip(tallies)
        .map(|(condition, tally)| summarise(condition, tally, options.seed));
    let clean = match results.next() {
        Some(clean) => clean?,
        None => return Err(Error::NoCorruptions),
    };
    let mut corruptions = Vec::with_capacity(options.corruptions.len());
    for &corruption in &options.corruptions {
        corruptions.push((corruption, results.by_ref().take(5).collect::<Result<Vec<_>, _>>()?));
    }
    let frost = options.frost.source();
    Ok(CorruptionReport { clean, corruptions, scale, frost, label_space: options.label_space })
}

/// `clean`, or the corruption and its severity as in `fog/3`.
pub(crate) fn describe(condition: Condition) -> String {
    match condition {
        Some((corruption, severity)) => format!("{corruption}/{}", severity.get()),
        None => "clean".into(),
    }
}

/// The confidence and class that the classifier gives each image.
fn classify(
    model: &Model,
    classifier: Classifier<'_>,
    features: &Features,
    precision: Precision,
) -> Result<(Vec<f64>, Vec<i64>), Error> {
    let probabilities = match classifier {
        Classifier::Probe(probe) => probe.predict(&pooled(features)?)?,
        Classifier::Head => tch::no_grad(|| -> Result<Tensor, Error> {
            let logits = precision.run(model.device(), || model.logits(features, false))?;
            Ok(logits.f_softmax(1, Kind::Double)?.f_to_device(Device::Cpu)?)
        })?,
    };
    let (confidences, predictions) = probabilities.f_max_dim(1, false)?;
    Ok((Vec::try_from(confidences)?, Vec::try_from(predictions)?))
}

/// What one condition's verdicts come to.
pub(crate) fn summarise(condition: Condition, tally: Tally, seed: u64) -> Result<ConditionResult, Error> {
    let n = tally.correct.len();
    let wrong = tally.correct.iter().filter(|&&right| !right).count();
    Ok(ConditionResult {
        condition,
        n,
        error: wrong as f64 / n as f64,
        interval: wilson(wrong, n, LEVEL)?,
        calibration: calibration(&tally.confidences, &tally.correct, CALIBRATION_BINS)?,
        ece_interval: ece_interval(&tally.confidences, &tally.correct, seed)?,
        correct: tally.correct,
    })
}

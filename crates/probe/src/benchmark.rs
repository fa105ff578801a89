//! A measurement of a model on data: the trait that every suite implements, and what it is given.

use crate::identity::weights_hash;
use crate::{
    Error, EvalTransform, Execution, ExtractOptions, FeatureSet, LinearProbe, LinearProbeOptions, Pooling,
    extract_as,
};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use visrep_data::Splits;
use visrep_metrics::{Interval, Score};
use visrep_models::{CropMode, Model, Preprocessing};
use visrep_torch::Precision;

/// A measurement. One run gives one or more figures, each with its protocol.
pub trait Benchmark {
    /// The name of the suite, as it stands in [`Score::suite`].
    fn id(&self) -> &str;

    /// Measures `model`, which is not changed.
    fn run(&self, model: &Model, context: &Context) -> Result<Vec<Score>, Error>;
}

/// One side of the data's split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// What probes are fitted to.
    Train,
    /// What they are tested on.
    Test,
}

/// What features are known by: the model's weights, and how they were made.
type FeatureKey = (String, Part, Pooling, EvalTransform);

/// What benchmarks share: data, where to cache, seeds and resources. Features are extracted, and linear probes
/// fitted, once for each model, whichever benchmarks ask for them.
pub struct Context {
    /// Fixed, since features are kept for it.
    splits: Splits,
    /// The data's name in scores.
    pub data: String,
    /// Where the model's weights come from, in scores: a file, or how they were initialised.
    pub weights: String,
    /// The folder for features; `None` keeps them in memory only.
    pub cache: Option<PathBuf>,
    /// The seed of everything that is drawn.
    pub seed: u64,
    /// Threads that read and decode.
    pub workers: usize,
    /// Images per forward pass.
    pub batch_size: usize,
    /// Draw progress bars.
    pub progress: bool,
    /// In which precision networks run. Features and what is computed from them are f32 or f64 in any.
    pub precision: Precision,
    /// When raised, what trains ends with [`Error::Stopped`] after its step.
    pub stop: Arc<AtomicBool>,
    features: RefCell<HashMap<FeatureKey, Rc<FeatureSet>>>,
    probes: RefCell<HashMap<(String, String), Rc<LinearProbe>>>,
}

impl Context {
    /// A context for `splits` with seed 0, no cache folder, a worker per core, batches of 64, fp32 and no
    /// progress bars.
    pub fn new(splits: Splits, data: impl Into<String>, weights: impl Into<String>) -> Self {
        let ExtractOptions { batch_size, workers, cache, progress, precision, .. } =
            ExtractOptions::default();
        let (data, weights) = (data.into(), weights.into());
        let (features, probes) = (RefCell::default(), RefCell::default());
        Self {
            splits,
            data,
            weights,
            cache,
            seed: 0,
            workers,
            batch_size,
            progress,
            precision,
            stop: Arc::default(),
            features,
            probes,
        }
    }

    /// Training and test data, and how they were split.
    pub fn splits(&self) -> &Splits {
        &self.splits
    }

    /// How features are extracted.
    pub fn extract_options(&self) -> ExtractOptions {
        ExtractOptions {
            batch_size: self.batch_size,
            workers: self.workers,
            cache: self.cache.clone(),
            progress: self.progress,
            precision: self.precision,
            ..ExtractOptions::default()
        }
    }

    /// How what trains is carried out here.
    pub fn execution(&self) -> Execution {
        Execution {
            seed: self.seed,
            workers: self.workers,
            precision: self.precision,
            progress: self.progress,
            what: None,
            stop: Arc::clone(&self.stop),
            pass: None,
            batch_size: self.batch_size,
        }
    }

    /// Errs with [`Error::Interrupted`] once [`Self::stop`] is raised.
    pub fn go_on(&self) -> Result<(), Error> {
        if self.stop.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// The model's features (what its classifier reads) of one part of the data, extracted at the first call.
    pub fn features(&self, model: &Model, part: Part) -> Result<Rc<FeatureSet>, Error> {
        self.features_by(model, part, Pooling::PreLogits, EvalTransform::Model)
    }

    /// [`Self::features`] with another vector for each image, or images prepared as a protocol has it.
    pub fn features_by(
        &self,
        model: &Model,
        part: Part,
        pooling: Pooling,
        transform: EvalTransform,
    ) -> Result<Rc<FeatureSet>, Error> {
        let key = (weights_hash(model)?, part, pooling, transform);
        if let Some(set) = self.features.borrow().get(&key) {
            return Ok(Rc::clone(set));
        }
        let data = match part {
            Part::Train => &self.splits.train,
            Part::Test => &self.splits.test,
        };
        let options = ExtractOptions { pooling, ..self.extract_options() };
        let set = Rc::new(extract_as(model, data.clone(), transform, &options)?);
        self.features.borrow_mut().insert(key, Rc::clone(&set));
        Ok(set)
    }

    /// The linear probe on the model's training features, fitted at the first call with these options.
    pub fn linear_probe(
        &self,
        model: &Model,
        options: &LinearProbeOptions,
    ) -> Result<Rc<LinearProbe>, Error> {
        let key = (weights_hash(model)?, format!("{options:?}"));
        if let Some(probe) = self.probes.borrow().get(&key) {
            return Ok(Rc::clone(probe));
        }
        let train = self.features(model, Part::Train)?;
        let probe = Rc::new(LinearProbe::fit(&train, options)?);
        self.probes.borrow_mut().insert(key, Rc::clone(&probe));
        Ok(probe)
    }

    /// The protocol entries that hold for every benchmark on this data: split, preprocessing, precision, seed.
    pub fn protocol(&self, model: &Model) -> BTreeMap<String, String> {
        self.protocol_as(model, EvalTransform::Model)
    }

    /// [`Self::protocol`], with test images prepared by `transform`.
    pub fn protocol_as(&self, model: &Model, transform: EvalTransform) -> BTreeMap<String, String> {
        let entries = [
            ("split", self.splits.description.clone()),
            ("preprocessing", preprocessing_protocol(&transform.of(model.preprocessing()))),
            ("pooling", Pooling::PreLogits.to_string()),
            ("seed", self.seed.to_string()),
            ("train_samples", self.splits.train.len().to_string()),
        ];
        let computed = compute_protocol(model, self.precision);
        entries.into_iter().chain(computed).map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// A score of `model` in this context.
    pub fn score(
        &self,
        model: &Model,
        suite: &str,
        figure: Figure,
        protocol: &BTreeMap<String, String>,
    ) -> Score {
        Score {
            suite: suite.into(),
            task: figure.task,
            metric: figure.metric.into(),
            value: figure.value,
            n: figure.n,
            interval: figure.interval,
            protocol: protocol.clone(),
            model: model.name().into(),
            weights: self.weights.clone(),
            data: self.data.clone(),
        }
    }
}

/// An evaluation transform in one line, as an entry of a protocol.
pub fn preprocessing_protocol(p: &Preprocessing) -> String {
    let edges = match p.crop_mode {
        CropMode::Center => "shortest edge",
        CropMode::Squash => "both edges",
    };
    let line = format!(
        "{edges} {} {:?} antialiased, centre crop {}, mean {:?}, std {:?}",
        p.resize_size(),
        p.interpolation,
        p.input_size,
        p.mean,
        p.std
    );
    line.to_lowercase()
}

/// How `model` runs, as entries of a protocol: its precision and its memory format.
pub fn compute_protocol(model: &Model, precision: Precision) -> [(&'static str, String); 2] {
    let (precision, format) = match precision {
        _ if model.is_compiled() => ("as compiled, features in fp32", "as compiled"),
        Precision::Fp32 => ("fp32", model.memory_format().name()),
        Precision::Bf16 => ("bf16 by autocast, features in fp32", model.memory_format().name()),
    };
    [("precision", precision.into()), ("memory_format", format.into())]
}

/// A value as JSON, for the entries of a protocol.
pub(crate) fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| format!("not to be written down: {error}"))
}

/// One figure on its way to becoming a [`Score`].
#[derive(Clone, Debug)]
pub struct Figure {
    /// The task within the suite.
    pub task: String,
    /// What the value is.
    pub metric: &'static str,
    /// The value.
    pub value: f64,
    /// The number of test samples behind it.
    pub n: usize,
    /// Its interval, where there is one.
    pub interval: Option<Interval>,
}

//! Fine-tuning: a copy of a model and a new classifier trained end to end on labelled images.
//!
//! A [`FineTuning`] is the protocol, a value with everything that decides the result but the data, the model and the seed;
//! [`FineTunePreset`]s are the published ones. [`fine_tune`] carries one out, [`fine_tune_selected`] the best of several on held-out
//! samples, and [`FineTuneBenchmark`] does either over a [`Context`](crate::Context)'s split.

mod benchmark;
mod images;
mod preset;
mod select;
mod train;
mod tuned;

pub use benchmark::FineTuneBenchmark;
pub use images::{ImagePipeline, LabelKeeping, Normalisation};
pub use preset::FineTunePreset;
pub use select::{Selected, Trial, best_trial, fine_tune_selected, select_fine_tuning};
pub use train::fine_tune;
pub use tuned::FineTuned;

use crate::benchmark::json;
use crate::{Error, Pooling};
use std::collections::BTreeMap;
use visrep_augment::BatchMix;
use visrep_models::HeadStart;
use visrep_train::{Clip, Curve, OptimizerConfig, Schedule, Which};

/// A protocol of fine-tuning.
#[derive(Clone, Debug)]
pub struct FineTuning {
    /// Its name.
    pub name: String,
    /// Whose it is: the paper, and the file that its values are from.
    pub source: String,
    /// What it leaves open, or what differs here; empty where nothing does.
    pub deviation: String,
    /// What is done to the images, and their size.
    pub images: ImagePipeline,
    /// How pixels become the network's input.
    pub normalisation: Normalisation,
    /// Which vector the classifier reads: [`Pooling::PreLogits`], [`Pooling::Class`] or [`Pooling::Mean`].
    pub pooling: Pooling,
    /// How the classifier starts; a random one is drawn from [`Execution::seed`](crate::Execution::seed).
    pub head: HeadStart,
    /// The probability that the last residual block is skipped in training; it grows linearly from 0 at the first.
    pub drop_path: f64,
    /// Images of a step. Of data with fewer, each is taken as often as it needs; what is left of an epoch's batches is left out.
    pub batch_size: usize,
    /// The rule and its constants.
    pub optimizer: OptimizerConfig,
    /// How long, and with which learning rate.
    pub schedule: Schedule,
    /// The weight decay: L2 in SGD, decoupled and multiplied by the learning rate in AdamW.
    pub weight_decay: f64,
    /// Which parameters decay. With [`Which::Matrices`] position embeddings and class tokens do not either.
    pub decay_on: Which,
    /// Each group of layers learns at so many times the rate of the one after it; 1: all alike.
    pub layer_decay: f64,
    /// Shortens gradients that are too long.
    pub clip: Option<Clip>,
    /// Mixes images and labels of a batch.
    pub mix: Option<BatchMix>,
    /// How much of the label is spread over all classes, 0 to 1.
    pub label_smoothing: f64,
    /// The share that a batch has in the running statistics of batch normalisation, above 0 and at most 1 (PyTorch's momentum);
    /// `None`: each layer's own.
    pub batch_norm_momentum: Option<f64>,
}

impl FineTuning {
    /// The entries of a protocol that say all of this, with the steps and the learning rate that it came to.
    pub fn protocol(&self, curve: &Curve, batch_size: usize) -> BTreeMap<String, String> {
        let mut entries = BTreeMap::from([
            (
                "classifier",
                format!("{}: the whole network is trained, with a new linear classifier", self.name),
            ),
            ("source", self.source.clone()),
            ("preprocessing", format!("{}; {}", self.images.description(), self.normalisation)),
            ("resolution", self.images.size().to_string()),
            ("pooling", self.pooling.to_string()),
            ("head", format!("{:?}", self.head).to_lowercase()),
            ("drop_path", self.drop_path.to_string()),
            ("batch_size", batch_size.to_string()),
            ("optimizer", json(&self.optimizer)),
            ("lr", curve.highest().to_string()),
            ("steps", curve.total().to_string()),
            ("warmup_steps", curve.warmup().to_string()),
            ("schedule", json(&self.schedule)),
            ("weight_decay", self.weight_decay.to_string()),
            ("layer_decay", self.layer_decay.to_string()),
            ("label_smoothing", self.label_smoothing.to_string()),
            ("mixing", self.mix.as_ref().map_or("none".to_owned(), |mix| format!("{mix:?}"))),
            ("clip", self.clip.as_ref().map_or("none".to_owned(), |clip| format!("{clip:?}"))),
            ("checkpoint", "the last".to_owned()),
        ]);
        if let Some(momentum) = self.batch_norm_momentum {
            entries.insert("batch_norm_momentum", format!("{momentum}, the batch's share"));
        }
        if !self.deviation.is_empty() {
            entries.insert("deviation", self.deviation.clone());
        }
        entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// Errs on values that no run can use.
    fn check(&self) -> Result<(), Error> {
        let refuse = |parameter, value: f64, expected| Err(Error::Parameter { parameter, value, expected });
        if self.batch_size == 0 {
            return refuse("batch_size", 0.0, "at least 1");
        }
        if !matches!(self.pooling, Pooling::PreLogits | Pooling::Class | Pooling::Mean) {
            let problem = "a network's own classifier reads one vector of its width";
            return Err(Error::Pooling { pooling: self.pooling, problem });
        }
        if !(0.0..=1.0).contains(&self.label_smoothing) {
            return refuse("label_smoothing", self.label_smoothing, "within 0 and 1");
        }
        for (parameter, value) in [("weight_decay", self.weight_decay), ("schedule.lr", self.schedule.lr)] {
            if !(value >= 0.0 && value.is_finite()) {
                return refuse(parameter, value, "a number of at least 0");
            }
        }
        if !(self.layer_decay > 0.0 && self.layer_decay.is_finite()) {
            return refuse("layer_decay", self.layer_decay, "a number above 0");
        }
        Ok(())
    }
}

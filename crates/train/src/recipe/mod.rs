//! Recipes: everything that decides a run's result, except the data and the seed, as one TOML file.

mod check;
mod edit;
mod library;
mod views;

pub use views::{
    BlurConfig, CropConfig, JitterConfig, PositivesConfig, ProgressiveConfig, ViewChange, ViewsConfig,
};

use crate::optim::{Clip, Decay, ParametersConfig};
use crate::{ComputeConfig, EmaConfig, Error, Length, OptimizerConfig, Schedule};
use serde::{Deserialize, Serialize};
use std::path::Path;
use visrep_methods::MethodConfig;

/// A recipe. Unknown keys are refused; every key that is left out has the value that [`Recipe::to_toml`] shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Where the recipe comes from, how it departs from that, and what it should give.
    pub about: About,
    /// The backbone.
    pub model: ModelConfig,
    /// The method.
    pub method: MethodConfig,
    /// The augmentation of every view.
    pub views: ViewsConfig,
    /// How batches are made.
    pub loader: LoaderConfig,
    /// The optimiser.
    pub optimizer: OptimizerConfig,
    /// Weight decay.
    pub decay: Decay,
    /// Layer-wise learning rates, and exceptions for some parameters.
    #[serde(default)]
    pub parameters: ParametersConfig,
    /// How gradients are gathered and clipped.
    #[serde(default)]
    pub gradient: GradientConfig,
    /// Sharpness-aware minimisation; left out, none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sam: Option<SamConfig>,
    /// How long, and with which learning rate.
    pub schedule: Schedule,
    /// A moving average of the weights, to export in their stead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ema: Option<EmaConfig>,
    /// How the networks compute.
    #[serde(default)]
    pub compute: ComputeConfig,
    /// What to measure of the model while it is trained; has no influence on the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<ProbeConfig>,
    /// A linear classifier that learns on the features beside the method; has no influence on the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub online: Option<OnlineConfig>,
    /// When to save; has no influence on the result.
    #[serde(default)]
    pub checkpoint: CheckpointConfig,
    /// When to write metrics; has no influence on the result.
    #[serde(default)]
    pub log: LogConfig,
}

/// What a reader should know of a recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// What it trains, in a sentence.
    pub title: String,
    /// The command that runs it.
    pub command: String,
    /// The paper or code that it follows.
    pub source: String,
    /// Where it departs from its source.
    pub deviations: Vec<String>,
    /// The result to expect, with the protocol that measures it and the time it takes.
    pub expected: String,
    /// How far from that a run may end.
    pub tolerance: String,
}

/// The section `[model]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// An architecture that `visrep_models` knows, such as `resnet18_cifar_w16`.
    pub name: String,
}

/// The section `[loader]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoaderConfig {
    /// Images of a batch, each counted once however many views it has. A last, smaller batch is left out.
    pub batch_size: usize,
    /// What to do with a sample that cannot be read.
    #[serde(default)]
    pub on_bad_sample: BadSample,
}

/// What to do with a sample that cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BadSample {
    /// Stop with an error that names it.
    #[default]
    Fail,
    /// Leave it out.
    Skip,
}

/// The section `[gradient]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GradientConfig {
    /// Batches of the loader that make one step, by the mean of their losses. Normalisation, contrasts and queues see one
    /// batch at a time. What is left of an epoch's batches is left out.
    pub accumulate: usize,
    /// Shortens gradients that are too long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip: Option<Clip>,
}

impl Default for GradientConfig {
    fn default() -> Self {
        Self { accumulate: 1, clip: None }
    }
}

/// The section `[sam]`: the gradient of each step is taken where the loss is highest nearby (Foret et al. 2021,
/// arXiv:2010.01412), for twice the time. Clipping and the optimiser then see that gradient.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SamConfig {
    /// How far to go along the gradient, all parameters together.
    pub rho: f64,
}

/// The section `[probe]`: what is measured of the model, not of its average, while it is trained, on images with labels. The
/// crate itself measures nothing: [`Hooks::probe`](crate::Hooks::probe) does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeConfig {
    /// Measure when this much training has passed since the start, again and again, and at the end; 0: never.
    pub every: Length,
    /// Neighbours of the kNN classifier.
    #[serde(default = "neighbours")]
    pub k: usize,
    /// Its temperature.
    #[serde(default = "temperature")]
    pub temperature: f64,
    /// The most images of each part, evenly chosen.
    #[serde(default = "images")]
    pub images: usize,
}

/// The section `[online]`: a linear classifier, trained by SGD on the features of every batch's first views while the method
/// trains the network. Its accuracy on each batch, before it learns from that, is `online_top1` in `metrics.jsonl`; with a
/// section `[probe]` that on the probe's test images is measured too. The features cost a forward pass of one view; they are
/// normalised by the batch, without scale and shift.
///
/// What such a probe says differs from that of a linear evaluation afterwards in either direction, by a point or more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OnlineConfig {
    /// The highest learning rate for batches of 256 images, to which it is scaled in proportion; it follows the schedule.
    pub lr: f64,
    /// Momentum, 0..1.
    pub momentum: f64,
    /// L2 penalty.
    pub weight_decay: f64,
}

impl Default for OnlineConfig {
    /// A learning rate of 0.1, momentum 0.9, no decay, as lightly's benchmarks have it.
    fn default() -> Self {
        Self { lr: 0.1, momentum: 0.9, weight_decay: 0.0 }
    }
}

fn neighbours() -> usize {
    20
}

fn temperature() -> f64 {
    0.07
}

fn images() -> usize {
    10_000
}

/// The section `[checkpoint]`. The end of a run and a stop always save.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckpointConfig {
    /// Save when this much training has passed since the start of the run, again and again; 0: never.
    pub every: Length,
    /// Save when this many minutes have passed since the last time; 0: never.
    pub minutes: f64,
    /// How many checkpoints to keep.
    pub keep: usize,
    /// Which one to keep besides, as `best.safetensors`; left out, that of the best probe where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best: Option<Best>,
}

/// What makes a checkpoint the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Best {
    /// None is.
    None,
    /// The lowest loss, averaged over some fifty steps, of the moments of `checkpoint.every`.
    Loss,
    /// The highest first figure of the probe.
    Probe,
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        Self { every: Length::Epochs(5.0), minutes: 10.0, keep: 2, best: None }
    }
}

/// The section `[log]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// Write a line of metrics every so many steps, and at the last.
    pub every_steps: u64,
    /// Look for a collapse of the features every so many steps, and at the last; 0: never. It takes a forward pass of a
    /// part of the batch.
    pub watch_every_steps: u64,
    /// Write the metrics as TensorBoard's event files too, in the folder `tensorboard`.
    pub tensorboard: bool,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { every_steps: 10, watch_every_steps: 50, tensorboard: true }
    }
}

impl Recipe {
    /// Parses `text`; `origin` is its name in messages.
    pub fn parse(text: &str, origin: &str) -> Result<Self, Error> {
        let recipe: Self = toml::from_str(text)
            .map_err(|error| Error::Recipe { origin: origin.to_owned(), message: error.to_string() })?;
        recipe.check()?;
        Ok(recipe)
    }

    /// Reads the file at `path`.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(Error::io(path, "read the recipe"))?;
        Self::parse(&text, &path.display().to_string())
    }

    /// The recipe with every effective value, defaults included.
    pub fn to_toml(&self) -> Result<String, Error> {
        toml::to_string(self)
            .map_err(|error| Error::Recipe { origin: self.about.title.clone(), message: error.to_string() })
    }

    /// What makes a checkpoint the best one.
    pub(crate) fn best(&self) -> Best {
        let default = if self.probe.is_some() { Best::Probe } else { Best::None };
        self.checkpoint.best.unwrap_or(default)
    }
}

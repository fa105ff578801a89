//! Recipes: everything that decides a run's result, except the data and the seed, as one TOML file.

mod edit;
mod library;
mod views;

pub use views::{BlurConfig, CropConfig, JitterConfig, PositivesConfig, ViewChange, ViewsConfig};

use crate::optim::Decay;
use crate::{EmaConfig, Error, Length, OptimizerConfig, Schedule};
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
    /// How long, and with which learning rate.
    pub schedule: Schedule,
    /// A moving average of the weights, to export in their stead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ema: Option<EmaConfig>,
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
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        Self { every: Length::Epochs(5.0), minutes: 10.0, keep: 2 }
    }
}

/// The section `[log]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// Write a line of metrics every so many steps, and at the last.
    pub every_steps: u64,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { every_steps: 10 }
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

    /// Errs on values that no run can use, naming the key.
    pub fn check(&self) -> Result<(), Error> {
        let refuse = |key: &str, value: String, message: &str| {
            Err(Error::Value { key: key.to_owned(), value, message: message.to_owned() })
        };
        let rate = |x: f64| x.is_finite() && x >= 0.0;
        let schedule = &self.schedule;
        if self.loader.batch_size == 0 {
            return refuse("loader.batch_size", "0".to_owned(), "must be at least 1");
        }
        if self.log.every_steps == 0 {
            return refuse("log.every_steps", "0".to_owned(), "must be at least 1");
        }
        if self.checkpoint.keep == 0 {
            return refuse("checkpoint.keep", "0".to_owned(), "must be at least 1");
        }
        for (key, value) in [
            ("schedule.lr", schedule.lr),
            ("schedule.final_lr", schedule.final_lr),
            ("decay.rate", self.decay.rate),
            ("checkpoint.minutes", self.checkpoint.minutes),
        ] {
            if !rate(value) {
                return refuse(key, value.to_string(), "must be finite and not negative");
            }
        }
        if let Some(ema) = &self.ema
            && !(0.0..=1.0).contains(&ema.decay)
        {
            return refuse("ema.decay", ema.decay.to_string(), "must be within 0 and 1");
        }
        match &self.optimizer {
            OptimizerConfig::Sgd(sgd) if !(0.0..1.0).contains(&sgd.momentum) => {
                return refuse(
                    "optimizer.momentum",
                    sgd.momentum.to_string(),
                    "must be within 0 and 1, below 1",
                );
            }
            OptimizerConfig::Sgd(sgd) if sgd.nesterov && sgd.momentum == 0.0 => {
                return refuse("optimizer.nesterov", "true".to_owned(), "needs a momentum above 0");
            }
            OptimizerConfig::AdamW(adamw) if adamw.betas.iter().any(|beta| !(0.0..1.0).contains(beta)) => {
                return refuse(
                    "optimizer.betas",
                    format!("{:?}", adamw.betas),
                    "must be within 0 and 1, below 1",
                );
            }
            OptimizerConfig::AdamW(adamw) if !rate(adamw.eps) => {
                return refuse("optimizer.eps", adamw.eps.to_string(), "must be finite and not negative");
            }
            _ => {}
        }
        self.views.check()?;
        Ok(())
    }
}

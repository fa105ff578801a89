//! Training: recipes, optimisers, schedules, averages, exact-resume checkpoints, and the loop.
//!
//! ```no_run
//! use visrep_train::{Outcome, Recipe, RunOptions, stop_on_signals, train};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let data = visrep_data::open("images/train".as_ref())?;
//! let mut recipe = Recipe::named("simclr-digits")?;
//! recipe.set("schedule.length=10 epochs")?;
//! let options = RunOptions {
//!     seed: 0,
//!     device: tch::Device::Cpu,
//!     workers: 2,
//!     stop: stop_on_signals()?,
//!     progress: true,
//! };
//! match train(&recipe, data, "RUN".as_ref(), &options)? {
//!     Outcome::Finished => println!("RUN/model.safetensors is ready"),
//!     Outcome::Interrupted => println!("run it again to go on"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Where to add things: a method in `visrep-methods`; an optimiser is a file in `optim` that implements
//! [`Rule`]; a recipe is a TOML file in `recipes`. What does not fit [`train`] gets a loop of its own from
//! these parts, not another flag.
#![forbid(unsafe_code)]

mod checkpoint;
mod compute;
mod ema;
mod error;
mod length;
mod optim;
mod recipe;
mod run;
mod schedule;
mod signals;
mod telemetry;
mod tensors;

pub use compute::{Compute, ComputeConfig, Switch};
pub use ema::{Ema, EmaConfig};
pub use error::Error;
pub use length::Length;
pub use optim::{
    Adafactor, AdamW, Adapt, Clip, Decay, Group, GroupConfig, Lamb, Lars, LarsVariant, Optimizer,
    OptimizerConfig, ParameterOptions, ParametersConfig, Rates, Rule, Sgd, Which, layer_scales,
};
pub use recipe::{
    About, BadSample, Best, BlurConfig, CheckpointConfig, CropConfig, GradientConfig, JitterConfig,
    LoaderConfig, LogConfig, ModelConfig, OnlineConfig, PositivesConfig, ProbeConfig, ProgressiveConfig,
    Recipe, SamConfig, ViewChange, ViewsConfig,
};
pub use run::{
    Hooks, OnlineLinear, Outcome, ProbeError, RunOptions, StepReport, train, train_with, train_with_hooks,
};
pub use schedule::{BatchScaling, Curve, Every, Schedule, Shape, WarmupSteps};
pub use signals::stop_on_signals;
pub use telemetry::{Spread, spread};

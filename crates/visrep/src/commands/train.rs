//! `visrep train`: a recipe on someone's images.

use super::DeviceArg;
use crate::source::{self, Source};
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use visrep_train::{Outcome, Recipe, RunOptions, stop_on_signals, train};

/// What a shell takes for "try again later" (EX_TEMPFAIL): a signal stopped the run, and it can resume.
pub const INTERRUPTED: u8 = 75;

/// Train a backbone by a recipe
///
/// RUN will hold model.safetensors (the backbone, timm's names), metrics.jsonl, recipe.toml (every
/// effective value) and the checkpoints. The same command again resumes where it stopped, exactly. The exit
/// code is 0 when the recipe is finished, and 75 when SIGINT or SIGTERM stopped it.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    visrep train simclr-digits --data fixtures:digits --out runs/digits\n  \
    visrep train supervised-digits --data fixtures:digits --out runs/labels --set schedule.lr=0.05\n  \
    visrep train my-recipe.toml --data ~/images --out runs/mine --seed 1")]
pub struct Train {
    #[arg(value_name = "RECIPE", help = recipe_help())]
    recipe: String,
    #[arg(long, value_name = "SRC", help = source::HELP)]
    data: Source,
    /// The run's folder
    #[arg(long, value_name = "RUN")]
    out: PathBuf,
    /// Change a value of the recipe, by its key in RUN/recipe.toml (schedule.lr=0.05); may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    changes: Vec<String>,
    /// Seed of the initialisation, the order and the augmentations
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Threads that decode and augment
    #[arg(long, value_name = "N", default_value_t = crate::commands::default_workers())]
    workers: usize,
    #[command(flatten)]
    device: DeviceArg,
}

fn recipe_help() -> String {
    format!("A recipe's name ({}), or a TOML file", Recipe::names().join(", "))
}

impl Train {
    pub fn run(self) -> Result<ExitCode> {
        let mut recipe = if self.recipe.ends_with(".toml") {
            Recipe::read(&self.recipe)?
        } else {
            Recipe::named(&self.recipe)?
        };
        for change in &self.changes {
            recipe.set(change)?;
        }
        let options = RunOptions {
            seed: self.seed,
            device: self.device.resolve()?,
            workers: self.workers,
            stop: stop_on_signals()?,
            progress: true,
        };
        Ok(match train(&recipe, self.data.open_train()?, &self.out, &options)? {
            Outcome::Finished => ExitCode::SUCCESS,
            Outcome::Interrupted => ExitCode::from(INTERRUPTED),
        })
    }
}

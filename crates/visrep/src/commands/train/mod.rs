//! `visrep train`: a recipe on someone's images.

mod probe;

use super::{DeviceArg, recipes};
use crate::source::{self, Source};
use anyhow::Result;
use clap::Args;
use probe::OnlineKnn;
use std::path::PathBuf;
use std::process::ExitCode;
use visrep_train::{Outcome, Recipe, RunOptions, stop_on_signals, train_with_hooks};

/// What a shell takes for "try again later" (EX_TEMPFAIL): a signal stopped the run, and it can resume.
pub const INTERRUPTED: u8 = 75;

/// Train a backbone by a recipe
///
/// RUN will hold model.safetensors (the backbone, timm's names), metrics.jsonl, tensorboard (the same for
/// TensorBoard), recipe.toml (every effective value), run.json (what they come to here) and the checkpoints. The
/// same command again resumes where it stopped, exactly. The exit code is 0 when the recipe is finished, and 75
/// when SIGINT or SIGTERM stopped it. `visrep recipes` lists the recipes, `visrep plot RUN` draws the curves.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    visrep train simclr-digits --data fixtures:digits --out runs/digits\n  \
    visrep train supervised-digits --data fixtures:digits --out runs/labels --set schedule.lr=0.05\n  \
    visrep train simclr-digits --data fixtures:digits --out runs/probed --set 'probe.every=2 epochs' --set online.lr=0.1\n  \
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
    /// Images with labels for the recipe's [probe], of which one part is classified by the other [default: those of --data]
    #[arg(long, value_name = "SRC")]
    probe_data: Option<Source>,
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
        let recipe = recipes::read(&self.recipe, &self.changes)?;
        let probed = self.probe_data.unwrap_or_else(|| self.data.clone());
        let options = RunOptions {
            seed: self.seed,
            device: self.device.resolve()?,
            workers: self.workers,
            stop: stop_on_signals()?,
            progress: true,
        };
        let mut probe = OnlineKnn::new(probed, self.workers);
        let data = self.data.open_train()?;
        Ok(match train_with_hooks(&recipe, data, &self.out, &options, &mut probe)? {
            Outcome::Finished => ExitCode::SUCCESS,
            Outcome::Interrupted => ExitCode::from(INTERRUPTED),
        })
    }
}

//! `visrep bench`: the default comparison, or one's own model on one's own images.

mod compare;

use super::ComputeArgs;
use super::train::INTERRUPTED;
use crate::bench::{self, Interrupted, Own, Plan};
use crate::source::{self, Source};
use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use visrep_train::stop_on_signals;

/// Measure representations and write a report
///
/// Without options it trains a small backbone on the embedded images with SimCLR and one with labels, takes a
/// randomly initialised one as the floor, and measures all three: kNN, 5- and 10-shot ridge and a linear
/// probe; accuracy and calibration under ImageNet-C's corruptions; and whether distances between features grow
/// with distortion. With --model and --data it measures a model of your own beside a random one.
///
/// Writes results.json (every number with its protocol) and report.html (one self-contained page).
#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
    visrep bench\n  \
    visrep bench --model resnet50 --weights resnet50.safetensors --data ~/images\n  \
    visrep bench --model vit_small_patch16_224 --weights w.safetensors --data cifar10/ --limit 1000\n  \
    visrep bench compare a/results.json b/results.json\n\n\
    A folder with train/ and val/ (or test/) keeps its splits; anything else is split 80/20 by class.\n\
    Features and trained backbones are kept in the output folder: a second run is faster."
)]
pub struct Bench {
    #[command(subcommand)]
    command: Option<BenchCommand>,
    /// Your model's name (see `visrep models`)
    #[arg(long, value_name = "M", requires = "data")]
    model: Option<String>,
    /// Your model's weights [default: a random initialisation]
    #[arg(long, value_name = "W", requires = "model")]
    weights: Option<PathBuf>,
    #[arg(long, value_name = "SRC", requires = "model", help = source::HELP)]
    data: Option<Source>,
    /// Where results.json and report.html go
    #[arg(long, value_name = "DIR", default_value = "target/visrep/bench")]
    out: PathBuf,
    /// At most this many training and test images, for a trial
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Seed of everything random
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Images in one pass
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: u32,
    /// Threads that decode, augment and corrupt
    #[arg(long, value_name = "N", default_value_t = super::default_workers())]
    workers: usize,
    #[command(flatten)]
    compute: ComputeArgs,
}

#[derive(Subcommand)]
enum BenchCommand {
    Compare(compare::Compare),
}

impl Bench {
    pub fn run(self) -> Result<ExitCode> {
        if let Some(BenchCommand::Compare(command)) = self.command {
            return command.run().map(|()| ExitCode::SUCCESS);
        }
        let own = match (self.model, self.data) {
            (Some(model), Some(data)) => Some(Own { model, weights: self.weights, data }),
            (None, None) => None,
            _ => bail!("--model and --data go together"),
        };
        let plan = Plan {
            own,
            out: self.out,
            seed: self.seed,
            limit: self.limit.map(|limit| limit as usize),
            compute: self.compute.resolve()?,
            workers: self.workers,
            batch_size: self.batch_size as usize,
            stop: stop_on_signals()?,
            command: std::env::args().collect::<Vec<_>>().join(" "),
        };
        match bench::run(&plan) {
            Err(error) if error.is::<Interrupted>() => {
                eprintln!("{error}");
                Ok(ExitCode::from(INTERRUPTED))
            }
            other => other.map(|()| ExitCode::SUCCESS),
        }
    }
}

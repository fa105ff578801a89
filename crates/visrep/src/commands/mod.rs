//! The sub-commands, one file each: what they are called, what they take, and what they print.

mod bench;
pub mod compute;
mod corrupt;
mod data;
mod distance;
mod embed;
mod forward;
mod made;
mod models;
pub mod output;
mod plot;
mod preprocess;
mod recipes;
mod score;
mod train;
mod train_lpips;
mod weights;

use anyhow::{Result, bail};
use clap::{Args, Parser, Subcommand};
use compute::{Compute, ComputeArgs, DeviceArg};
use std::path::Path;
use std::process::ExitCode;
use visrep_models::{Model, ModelOptions, Preprocessing, StateDict, suggest_architectures};

/// Learn visual representations, and measure how good they are.
#[derive(Parser)]
#[command(
    name = "visrep",
    version,
    max_term_width = 100,
    after_help = "Start here:\n  \
        visrep bench                               train two small backbones and compare them with a random one\n  \
        visrep bench --model resnet50 --weights resnet50.safetensors --data DIR\n  \
        visrep train simclr-digits --data fixtures:digits --out runs/digits\n\n\
        `visrep COMMAND --help` explains each command with examples."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    global: Global,
}

/// Options that every command takes.
#[derive(Args)]
struct Global {
    /// CPU threads that LibTorch uses [default: one for each core]
    #[arg(long, global = true, value_name = "N", help_heading = "Global options")]
    threads: Option<std::num::NonZeroUsize>,
}

#[derive(Subcommand)]
enum Command {
    Bench(bench::Bench),
    Score(score::Score),
    Train(train::Train),
    TrainLpips(train_lpips::TrainLpips),
    Recipes(recipes::Recipes),
    Plot(plot::Plot),
    Embed(embed::Embed),
    Forward(forward::Forward),
    Distance(distance::Distance),
    Preprocess(preprocess::Preprocess),
    Corrupt(corrupt::Corrupt),
    Models(models::Models),
    Data(data::Data),
    Weights(weights::Weights),
}

impl Cli {
    /// Runs the command; the exit code is 75 when a signal stopped work that can be resumed.
    pub fn run(self) -> Result<ExitCode> {
        visrep_torch::keep_freed_memory();
        visrep_torch::set_threads(self.global.threads);
        match self.command {
            Command::Bench(command) => command.run(),
            Command::Score(command) => command.run().map(|()| ExitCode::SUCCESS),
            Command::Train(command) => command.run(),
            Command::TrainLpips(command) => command.run().map(|()| ExitCode::SUCCESS),
            Command::Recipes(command) => command.run().map(|()| ExitCode::SUCCESS),
            Command::Plot(command) => command.run().map(|()| ExitCode::SUCCESS),
            Command::Embed(command) => command.run().map(|()| ExitCode::SUCCESS),
            Command::Forward(command) => command.run().map(|()| ExitCode::SUCCESS),
            Command::Distance(command) => command.run().map(|()| ExitCode::SUCCESS),
            Command::Preprocess(command) => command.run().map(|()| ExitCode::SUCCESS),
            Command::Corrupt(command) => command.run().map(|()| ExitCode::SUCCESS),
            Command::Models(command) => command.run().map(|()| ExitCode::SUCCESS),
            Command::Data(command) => command.run().map(|()| ExitCode::SUCCESS),
            Command::Weights(command) => command.run(),
        }
    }
}

/// Threads that decode and augment, unless the user says otherwise: one for each core.
fn default_workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A model with a user's weights, laid out as `compute` says; what was done to them, or is odd about them, goes to standard error. A
/// folder of the Hugging Face hub says by itself which model it holds.
pub fn open_model(name: Option<&str>, weights: &Path, compute: &Compute) -> Result<Model> {
    let options = ModelOptions { device: compute.device, ..ModelOptions::default() };
    if weights.extension().is_some_and(|extension| extension == "pt2") {
        let Some(name) = name else {
            bail!("{} does not say which network it is: add --model", weights.display());
        };
        let mut model = Model::from_package(name, weights, &options)?;
        compute.prepare(&mut model)?;
        return Ok(model);
    }
    let (mut model, report) = match name {
        Some(name) => Model::from_weights(name, weights, &options)?,
        None if names_a_model(weights)? => Model::from_hub(weights, &options)?,
        None => {
            let fitting: Vec<_> =
                suggest_architectures(&StateDict::read(weights)?)?.iter().map(|near| near.name).collect();
            let (weights, names) = (weights.display(), fitting.join(", "));
            match fitting.first() {
                Some(best) => {
                    bail!("{weights} names no model; its tensors look like {names}: add --model {best}")
                }
                None => {
                    bail!("{weights} names no model: add --model, one of those that `visrep models` lists")
                }
            }
        }
    };
    if !report.non_finite.is_empty() || !report.notes.is_empty() {
        eprintln!("{report}");
    }
    compute.prepare(&mut model)?;
    Ok(model)
}

/// Whether `weights` is a folder with a `config.json` in timm's form: that of transformers names none.
fn names_a_model(weights: &Path) -> Result<bool> {
    Ok(weights.join("config.json").is_file()
        && Preprocessing::from_hub_config(weights)?.architecture.is_some())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}

//! `visrep bench`: the default comparison, one's own model on one's own images, or published suites by name.

mod compare;
mod spread;
mod study;

use super::ComputeArgs;
use super::train::INTERRUPTED;
use crate::bench::published::{self, registry};
use crate::bench::{self, Interrupted, Own, Plan, Settings};
use crate::commands::output::say;
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
/// With names of suites it measures one or several models on published test sets under --data: ImageNet-V2, ReaL, A, O, R, Sketch, C, P,
/// ObjectNet, cue conflict, SI-Score, CIFAR-10-C, attacks, BAPPS and more; VTAB and remote sensing; and by published protocols of
/// nearest neighbours, few-shot and linear evaluation and fine-tuning on ImageNet or images of your own. `visrep bench --list` tells
/// for each where its files must lie under --data and who publishes them; many come by `visrep data get`. Sets that are not there are
/// told and left out; what is finished is kept in the output folder and not run again.
///
/// Prints a table with a row for each suite's main figure in its unit and a column for each model. Writes results.json (every figure
/// with its protocol: fractions, whatever the table shows) and report.html (one self-contained page); for suites results.csv (every
/// figure, one to a line), results.md (the table) and accuracies.csv (a row for each model, for `visrep score effective-robustness`)
/// too.
#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
    visrep bench\n  \
    visrep bench --model resnet50 --weights resnet50.safetensors --data ~/images\n  \
    visrep bench --model vit_small_patch16_224 --weights w.safetensors --data cifar10/ --limit 1000\n  \
    visrep bench --list\n  \
    visrep bench imagenet-v2 imagenet-a imagenet-o --model resnet50 --weights resnet50.safetensors --data ~/datasets\n  \
    visrep bench all --model resnet50 --weights a.pth --model vit_base_patch16_224 --weights b.safetensors --data ~/datasets\n  \
    visrep bench knn-dino few-shot-10 linear-protocol/dino fine-tune/vtab --model resnet50 --weights W --data ~/images\n  \
    visrep bench vtab-linear vtab-sprites remote-sensing --model resnet50 --weights W --data ~/datasets\n  \
    visrep bench attacks/fgsm-linf-4 imagenet-c/fog --model resnet50 --weights W --data ~/datasets --limit 100\n  \
    visrep bench compare a/results.json b/results.json\n  \
    visrep bench spread seed0/results.json seed1/results.json seed2/results.json\n\n\
    `visrep bench imagenet-val imagenet-sketch --model resnet50 …` prints for instance:\n\n  \
    %                       resnet50\n  \
    imagenet-val: top-1         76.1\n  \
    imagenet-sketch: top-1      24.1\n\n\
    A task that is run alone (imagenet-c/fog) has its own row; a row of a trial says \"(at most N)\", and a mean over less than the \
    benchmark how many it is of.\n\n\
    A folder with train/ and val/ (or test/) keeps its splits; anything else is split 80/20 by class.\n\
    Features and trained backbones are kept in the output folder: a second run is faster."
)]
pub struct Bench {
    #[command(subcommand)]
    command: Option<BenchCommand>,
    /// Suites to measure on, SUITE/TASK for a part of one, or `all` but those that take long [default: the comparison above]
    #[arg(value_name = "SUITE")]
    suites: Vec<String>,
    /// List the suites with what each expects under --data, and where it is published
    #[arg(long, conflicts_with_all = ["suites", "model", "weights", "data"])]
    list: bool,
    /// Your model's name (see `visrep models`); may be repeated for suites
    #[arg(long, value_name = "M", requires = "data")]
    model: Vec<String>,
    /// Your model's weights: safetensors, .pth, .npz, a folder of the Hugging Face hub, or a compiled package (.pt2, which is a
    /// program). Suites need them, one for each --model in the same order [default: a random initialisation; not for suites]
    #[arg(long, value_name = "W", requires = "model")]
    weights: Vec<PathBuf>,
    /// Run suites again that are finished, and forget the rest of what --out has
    #[arg(long, requires = "suites")]
    fresh: bool,
    #[arg(long, value_name = "SRC", requires = "model", help = help())]
    data: Option<Source>,
    /// Where results.json and report.html go [default: target/visrep/bench, for suites target/visrep/suites]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// At most this many training and test images (of suites: of each set), for a trial
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

/// Where results go unless the user says otherwise.
const OUT: &str = "target/visrep/bench";
const SUITES_OUT: &str = "target/visrep/suites";

fn help() -> String {
    format!("{}. For suites, the folder with the published sets", source::HELP)
}

#[derive(Subcommand)]
enum BenchCommand {
    Compare(compare::Compare),
    Spread(spread::SpreadArgs),
    Study(study::StudyArgs),
}

impl Bench {
    pub fn run(self) -> Result<ExitCode> {
        match self.command {
            Some(BenchCommand::Compare(command)) => return command.run().map(|()| ExitCode::SUCCESS),
            Some(BenchCommand::Spread(command)) => return command.run().map(|()| ExitCode::SUCCESS),
            Some(BenchCommand::Study(command)) => return command.run().map(|()| ExitCode::SUCCESS),
            None => {}
        }
        if self.list {
            return say(&registry::list()).map(|()| ExitCode::SUCCESS);
        }
        let result = if self.suites.is_empty() { self.compare() } else { self.measure() };
        match result {
            Err(error) if is_interruption(&error) => {
                eprintln!("{Interrupted}");
                Ok(ExitCode::from(INTERRUPTED))
            }
            other => other.map(|()| ExitCode::SUCCESS),
        }
    }

    /// What both kinds of measurement are told alike; their folder is `out` where none was given.
    fn settings(&self, out: &str) -> Result<Settings> {
        Ok(Settings {
            out: self.out.clone().unwrap_or_else(|| out.into()),
            seed: self.seed,
            limit: self.limit.map(|limit| limit as usize),
            compute: self.compute.resolve()?,
            workers: self.workers,
            batch_size: self.batch_size as usize,
            stop: stop_on_signals()?,
            command: std::env::args().collect::<Vec<_>>().join(" "),
        })
    }

    /// The comparison with a random initialisation.
    fn compare(self) -> Result<()> {
        if self.model.len() > 1 || self.weights.len() > 1 {
            bail!("several models are measured on suites: name some (`visrep bench --list`)");
        }
        let settings = self.settings(OUT)?;
        let (model, weights) = (self.model.into_iter().next(), self.weights.into_iter().next());
        let own = match (model, self.data) {
            (Some(model), Some(data)) => Some(Own { model, weights, data }),
            (None, None) => None,
            _ => bail!("--model and --data go together"),
        };
        let plan = Plan { own, settings };
        bench::run(&plan)
    }

    /// Suites by name.
    fn measure(self) -> Result<()> {
        let units = registry::Unit::parse(&self.suites)?;
        let Some(data) = self.data.as_ref().filter(|_| !self.model.is_empty()) else {
            bail!("suites measure models on published sets: add --model M --weights W --data ROOT");
        };
        if self.model.len() != self.weights.len() {
            bail!(
                "there are {} --model and {} --weights: give each model its weights, in the same order",
                self.model.len(),
                self.weights.len()
            );
        }
        let settings = self.settings(SUITES_OUT)?;
        let plan = published::Plan {
            units,
            models: self.model.into_iter().zip(self.weights).collect(),
            root: PathBuf::from(data.to_string()),
            fresh: self.fresh,
            settings,
        };
        published::run(&plan)
    }
}

/// Whether a signal stopped the work, between measurements or within one.
fn is_interruption(error: &anyhow::Error) -> bool {
    use visrep_probe::Error::Interrupted as Stopped;
    let of_robustness = error.downcast_ref::<visrep_robustness::Error>();
    error.is::<Interrupted>()
        || matches!(error.downcast_ref(), Some(Stopped))
        || matches!(of_robustness, Some(visrep_robustness::Error::Probe(Stopped)))
}

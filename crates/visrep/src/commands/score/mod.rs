//! `visrep score`: figures from predictions, or images, made elsewhere, by fixed contracts: a file or folder in, JSON on standard output.

mod bapps;
mod calibration;
mod effective_robustness;
mod fid;
mod imagenet_c;
mod imagenet_real;
mod shape_bias;
pub mod table;
mod vtab;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde::Serialize;

/// Score predictions, or generated images, that were made elsewhere
///
/// Each suite but fid takes a small file of a fixed form; all print their figures as JSON. CSV files begin with a line that names
/// the columns; further columns are ignored, and rows may stand in any order. Accuracies, errors and 2AFC scores are
/// printed as fractions, corruption errors in percent of AlexNet's. What is wrong with a file is said with its line and
/// column, and the exit code is 1.
#[derive(Args)]
#[command(after_help = "`visrep score SUITE --help` shows an example of each suite's file.")]
pub struct Score {
    #[command(subcommand)]
    suite: Suite,
}

#[derive(Subcommand)]
enum Suite {
    ImagenetReal(imagenet_real::ImagenetReal),
    ImagenetC(imagenet_c::ImagenetC),
    #[command(name = "bapps-2afc")]
    Bapps2afc(bapps::Bapps2afc),
    ShapeBias(shape_bias::ShapeBias),
    EffectiveRobustness(effective_robustness::EffectiveRobustness),
    Calibration(calibration::Calibration),
    Vtab(vtab::Vtab),
    Fid(Box<fid::Fid>),
}

impl Score {
    pub fn run(self) -> Result<()> {
        match self.suite {
            Suite::ImagenetReal(suite) => suite.run(),
            Suite::ImagenetC(suite) => suite.run(),
            Suite::Bapps2afc(suite) => suite.run(),
            Suite::ShapeBias(suite) => suite.run(),
            Suite::EffectiveRobustness(suite) => suite.run(),
            Suite::Calibration(suite) => suite.run(),
            Suite::Vtab(suite) => suite.run(),
            Suite::Fid(suite) => suite.run(),
        }
    }
}

/// Prints figures as JSON.
fn print(figures: &impl Serialize) -> Result<()> {
    super::output::say(&format!("{}\n", serde_json::to_string_pretty(figures)?))
}

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
/// Your own code runs the model and writes down what it predicted; this command computes the published figure from it. Each suite but
/// fid takes a small file of a fixed form; all print their figures as one JSON object on standard output, so that
/// `visrep score … | jq .accuracy` gives a number. CSV files begin with a line that names the columns; further columns are ignored,
/// and rows may stand in any order. Accuracies, errors and 2AFC scores are printed as fractions from 0 to 1, corruption errors in
/// percent of AlexNet's. What is wrong with a file is said on standard error with its line and column, and the exit code is 1.
#[derive(Args)]
#[command(after_help = "Example:\n  \
    $ cat D.csv\n  \
    d0,d1,judge\n  \
    0.1415,0.6492,0.0\n  \
    0.0291,0.0026,0.8\n  \
    $ visrep score bapps-2afc --distances D.csv\n  \
    {\"score\": 0.9, \"human\": 0.84, \"oracle\": 0.9, \"n\": 2, …}\n\n\
    `visrep score SUITE --help` shows each suite's file, the range of every column, and what is printed. To run a model here \
    instead: `visrep bench`.")]
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

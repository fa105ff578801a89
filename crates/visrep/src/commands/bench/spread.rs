//! `visrep bench spread`.

use super::compare::read;
use crate::bench::spread::{IN_DISTRIBUTION, Spread};
use crate::commands::output::say;
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;

/// How far apart models are that differ by chance alone, under each shift
///
/// The stress test for underspecification (D'Amour et al. 2022): models trained alike but for their seed agree where they were trained
/// for, and may differ much more under a shift, which training then leaves to chance. For every figure that all models of the files
/// have: mean, standard deviation and range over the models, the standard deviation as a multiple of that of the in-distribution
/// accuracy, and the correlation with it. The table has the figures that stand for their suite; --json has all, with each model's
/// value and rank and the correlations between figures.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    visrep bench spread seed0/results.json seed1/results.json seed2/results.json\n  \
    visrep bench spread all-seeds/results.json --model resnet50 --model resnet50-2 --model resnet50-3\n  \
    visrep bench spread seed*/results.json --in-distribution imagenet-v2/matched-frequency --json\n\n\
    Such files come from `visrep bench imagenet-val imagenet-c imagenet-r ... --model M --weights SEED --data ROOT`, with one model a \
    file or several. A ratio of 1 is the spread that the models have anyway; where ratios are large, one model's figure says little of \
    what its recipe gives.")]
pub struct SpreadArgs {
    /// The files, of two models or more in all
    #[arg(value_name = "RESULTS.json", required = true)]
    files: Vec<PathBuf>,
    /// Only models of this id; may be repeated [default: every model of every file]
    #[arg(long, value_name = "ID")]
    model: Vec<String>,
    /// The accuracy that others are compared with: SUITE, or SUITE/TASK
    #[arg(long, value_name = "SUITE", default_value = IN_DISTRIBUTION)]
    in_distribution: String,
    /// Print every figure as JSON
    #[arg(long)]
    json: bool,
}

impl SpreadArgs {
    pub fn run(self) -> Result<()> {
        let sides = self.files.iter().map(|file| read(file)).collect::<Result<Vec<_>>>()?;
        let spread = Spread::new(&sides, &self.model, &self.in_distribution)?;
        if self.json {
            return say(&format!("{}\n", serde_json::to_string_pretty(&spread)?));
        }
        say(&spread.to_string())
    }
}

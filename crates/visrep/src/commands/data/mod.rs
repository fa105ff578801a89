//! `visrep data`: getting images, looking at them before anything is computed from them, keeping them as Parquet, and making SI-Score.

mod convert;
mod get;
mod inspect;
mod si_score;

use anyhow::Result;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

/// Get published datasets, look at a source of images, convert it, or make SI-Score of objects and backgrounds
#[derive(Args)]
pub struct Data {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Subcommand)]
enum DataCommand {
    Inspect(inspect::Inspect),
    Convert(convert::Convert),
    Get(get::Get),
    SiScore(si_score::SiScore),
}

impl Data {
    pub fn run(self) -> Result<()> {
        match self.command {
            DataCommand::Inspect(inspect) => inspect.run(),
            DataCommand::Convert(convert) => convert.run(),
            DataCommand::Get(get) => get.run(),
            DataCommand::SiScore(si_score) => si_score.run(),
        }
    }
}

/// A bar that counts images.
pub(super) fn progress_bar(images: usize) -> Result<ProgressBar> {
    let style =
        ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} images  {per_sec}  {eta} left")?;
    Ok(ProgressBar::new(images as u64).with_style(style))
}

//! `visrep data`: getting images, looking at them before anything is computed from them, and keeping them as Parquet.

mod convert;
mod get;
mod inspect;

use anyhow::Result;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

/// Get published datasets, look at a source of images, or convert it
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
}

impl Data {
    pub fn run(self) -> Result<()> {
        match self.command {
            DataCommand::Inspect(inspect) => inspect.run(),
            DataCommand::Convert(convert) => convert.run(),
            DataCommand::Get(get) => get.run(),
        }
    }
}

/// A bar that counts images.
pub(super) fn progress_bar(images: usize) -> Result<ProgressBar> {
    let style =
        ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} images  {per_sec}  {eta} left")?;
    Ok(ProgressBar::new(images as u64).with_style(style))
}

//! `visrep data`: looking at images before anything is computed from them, and keeping them as Parquet.

mod convert;
mod inspect;

use anyhow::Result;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

/// Look at a source of images, or convert it
#[derive(Args)]
pub struct Data {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Subcommand)]
enum DataCommand {
    Inspect(inspect::Inspect),
    Convert(convert::Convert),
}

impl Data {
    pub fn run(self) -> Result<()> {
        match self.command {
            DataCommand::Inspect(inspect) => inspect.run(),
            DataCommand::Convert(convert) => convert.run(),
        }
    }
}

/// A bar that counts images.
pub(super) fn progress_bar(images: usize) -> Result<ProgressBar> {
    let style =
        ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} images  {per_sec}  {eta} left")?;
    Ok(ProgressBar::new(images as u64).with_style(style))
}

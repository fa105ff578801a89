//! `visrep data convert`: any source as Parquet.

use super::progress_bar;
use crate::commands::output;
use crate::source::{self, Source};
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;
use visrep_data::{ConvertOptions, Reencode, convert};

/// JPEG quality where only a size is asked for.
const QUALITY: u8 = 90;
/// How many samples left out are printed one by one.
const SHOWN: usize = 20;

/// Write a source as Parquet files with Hugging Face's image schema
///
/// Images are kept as they are encoded; raw pixels become PNG. A run that was stopped goes on where it was when it is
/// started again.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    visrep data convert ~/images images.parquet\n  \
    visrep data convert 'shards/train-{000..099}.tar' train --longest 512 --quality 90")]
pub(super) struct Convert {
    #[arg(value_name = "SRC", help = source::HELP)]
    source: Source,
    /// A file that ends in .parquet, or a folder for several
    #[arg(value_name = "OUT")]
    out: PathBuf,
    /// Images in each file of a folder
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    rows_per_file: usize,
    /// Reduce images whose longest side has more than this many pixels, and encode all as JPEG
    #[arg(long, value_name = "PX")]
    longest: Option<u32>,
    /// Encode all images as JPEG of this quality, 1 to 100 [default: 90 with --longest]
    #[arg(long, value_name = "Q")]
    quality: Option<u8>,
    /// Leave out images that cannot be read, instead of stopping at the first
    #[arg(long)]
    skip_broken: bool,
}

impl Convert {
    pub(super) fn run(self) -> Result<()> {
        let data = self.source.open()?;
        let reencode = (self.longest.is_some() || self.quality.is_some())
            .then_some(Reencode { longest_side: self.longest, quality: self.quality.unwrap_or(QUALITY) });
        let options = ConvertOptions {
            rows_per_file: self.rows_per_file,
            reencode,
            skip_broken: self.skip_broken,
            ..ConvertOptions::default()
        };
        let bar = progress_bar(data.len())?;
        let converted = convert(&*data, &self.out, &options, |done| bar.set_position(done as u64))?;
        bar.finish_and_clear();
        let bytes: u64 =
            converted.files.iter().filter_map(|file| Some(std::fs::metadata(file).ok()?.len())).sum();
        let mut text = format!(
            "{}: {} images, {}, {} files",
            self.out.display(),
            converted.rows,
            output::size(bytes),
            converted.files.len()
        );
        if converted.kept > 0 {
            text += &format!(", {} of them from an earlier run", converted.kept);
        }
        text.push('\n');
        for message in converted.broken.iter().take(SHOWN) {
            text += &format!("left out: {message}\n");
        }
        if converted.broken.len() > SHOWN {
            text += &format!("and {} more left out\n", converted.broken.len() - SHOWN);
        }
        output::say(&text)
    }
}

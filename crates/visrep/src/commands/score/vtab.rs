//! `visrep score vtab`.

use super::table::{Table, Unique};
use anyhow::{Context, Result};
use clap::Args;
use std::path::PathBuf;
use visrep_metrics::vtab_means;

/// VTAB's two scores
///
/// Prints `mean_19`, the benchmark's own score; `mean_of_groups`, which papers on adapters report, some three points higher
/// for the same run; and the groups' means `natural`, `specialized` and `structured`. All are fractions from 0 to 1.
#[derive(Args)]
#[command(
    after_help = "R.csv has a row for each of the 19 tasks, each once, with accuracies in percent from 0 to 100:\n\n    \
    task,accuracy\n    \
    caltech101,90.95\n    \
    cifar100,57.03\n\n\
    The tasks: caltech101 cifar100 dtd flowers102 pets svhn sun397 | patch_camelyon eurosat resisc45 diabetic_retinopathy |\n\
    clevr_count clevr_distance dmlab kitti_distance dsprites_location dsprites_orientation smallnorb_azimuth \
    smallnorb_elevation\n\n\
    Example:\n  \
    visrep score vtab --results R.csv\n\n\
    prints:\n\n  \
    {\"mean_19\": 0.691, \"mean_of_groups\": 0.726, \"natural\": 0.758, \"specialized\": 0.834, \"structured\": 0.586}"
)]
pub struct Vtab {
    /// CSV with the columns task and accuracy
    #[arg(long, value_name = "R.csv")]
    results: PathBuf,
}

impl Vtab {
    pub fn run(self) -> Result<()> {
        let table = Table::read(&self.results)?;
        let mut unique = Unique::new();
        let mut accuracies = Vec::new();
        for [task, accuracy] in table.columns(["task", "accuracy"])? {
            unique.add(task.text, task)?;
            let percent = accuracy.number_in(0.0..=100.0, "an accuracy in percent, from 0 to 100")?;
            accuracies.push((task.text, percent / 100.0));
        }
        super::print(&vtab_means(&accuracies).with_context(|| self.results.display().to_string())?)
    }
}

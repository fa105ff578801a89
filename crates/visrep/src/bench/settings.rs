//! What every measurement shares: where its results go, what is drawn and how networks run.

use super::contestants::Interrupted;
use crate::commands::compute::Compute;
use anyhow::Result;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use visrep_probe::{Parts, SuiteContext};

/// How to measure.
pub struct Settings {
    /// The folder of the results and the report.
    pub out: PathBuf,
    /// The seed of everything random.
    pub seed: u64,
    /// At most so many images of each set.
    pub limit: Option<usize>,
    /// Where and how networks run.
    pub compute: Compute,
    /// Threads that decode, augment and corrupt.
    pub workers: usize,
    /// Images in one pass.
    pub batch_size: usize,
    /// Raised by a signal.
    pub stop: Arc<AtomicBool>,
    /// The command line, for the record.
    pub command: String,
}

impl Settings {
    /// Errs when a signal asked for the end. What is done so far is kept.
    pub fn go_on(&self) -> Result<()> {
        if self.stop.load(Ordering::Relaxed) { Err(Interrupted.into()) } else { Ok(()) }
    }

    /// The same for suites, of a model with weights from `weights`.
    pub fn context(&self, weights: &str) -> SuiteContext {
        SuiteContext {
            weights: weights.to_owned(),
            limit: self.limit,
            seed: self.seed,
            workers: self.workers,
            batch_size: self.batch_size,
            progress: true,
            precision: self.compute.precision,
            cache: Some(self.out.join("features")),
            parts: Parts::default(),
            stop: Arc::clone(&self.stop),
        }
    }
}

//! A progress bar that only long work shows.

use indicatif::{ProgressBar, ProgressStyle};
use std::time::{Duration, Instant};

/// Work shorter than this passes silently.
const PATIENCE: Duration = Duration::from_secs(2);

/// Counts samples, and draws a bar with rate and remaining time on standard error once the work has taken two
/// seconds.
#[derive(Debug)]
pub struct Progress {
    enabled: bool,
    what: String,
    total: u64,
    done: u64,
    start: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// For `total` samples of the work called `what`; never draws unless `enabled`.
    pub fn new(enabled: bool, what: impl Into<String>, total: usize) -> Self {
        Self { enabled, what: what.into(), total: total as u64, done: 0, start: Instant::now(), bar: None }
    }

    /// So many are done in all, counted one by one or not.
    pub fn reach(&mut self, done: usize) {
        self.done = done as u64;
    }

    /// Counts `samples` more as done.
    pub fn advance(&mut self, samples: usize) {
        self.done += samples as u64;
        if self.enabled && self.bar.is_none() && self.start.elapsed() >= PATIENCE {
            let style = "{msg} [{bar:30}] {pos}/{len} images, {per_sec}, {eta} left";
            let style = ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::new(self.total).with_elapsed(self.start.elapsed());
            self.bar = Some(bar.with_style(style).with_message(self.what.clone()));
        }
        if let Some(bar) = &self.bar {
            bar.set_position(self.done);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

//! What a run shows on standard error: a bar on a terminal, a line every few seconds elsewhere.

use crate::StepReport;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

/// Where progress goes.
pub(crate) enum Progress {
    /// Nowhere.
    Off,
    /// A bar on a terminal.
    Bar(ProgressBar),
    /// Plain lines.
    Lines {
        /// When the last was printed.
        last: Instant,
    },
}

impl Progress {
    /// Progress of a run of `total` steps that starts at `step`; nothing at all unless `on`.
    pub(crate) fn new(on: bool, step: u64, total: u64) -> Self {
        if !on {
            return Self::Off;
        }
        if !std::io::stderr().is_terminal() {
            return Self::Lines { last: Instant::now() };
        }
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(5));
        let template = "{bar:30.cyan/blue} {pos}/{len} steps  {elapsed} < {eta}  {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_position(step);
        bar.reset_eta();
        Self::Bar(bar)
    }

    /// Shows a finished step.
    pub(crate) fn step(&mut self, report: &StepReport, eta: Duration) {
        let speed = report.images_per_second;
        match self {
            Self::Off => {}
            Self::Bar(bar) => {
                bar.set_position(report.step);
                bar.set_message(format!(
                    "epoch {}  loss {:.4}  {speed:.0} images/s",
                    report.epoch, report.loss
                ));
            }
            Self::Lines { last } => {
                if last.elapsed() >= PLAIN_INTERVAL || report.step == report.total {
                    *last = Instant::now();
                    eprintln!(
                        "step {}/{}  epoch {}  loss {:.4}  lr {:.3e}  {speed:.0} images/s  {} s to go",
                        report.step,
                        report.total,
                        report.epoch,
                        report.loss,
                        report.lr,
                        eta.as_secs()
                    );
                }
            }
        }
    }

    /// Prints a line that must be seen, such as a warning, whether progress is on or not.
    pub(crate) fn warn(&self, message: &str) {
        match self {
            Self::Bar(bar) => bar.suspend(|| eprintln!("warning: {message}")),
            _ => eprintln!("warning: {message}"),
        }
    }

    /// Prints a line for those who watch.
    pub(crate) fn note(&self, message: &str) {
        match self {
            Self::Off => {}
            Self::Bar(bar) => bar.suspend(|| eprintln!("{message}")),
            Self::Lines { .. } => eprintln!("{message}"),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Self::Bar(bar) = self {
            bar.abandon();
        }
    }
}

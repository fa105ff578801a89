//! `cargo xtask ci`: what must pass before a change is taken; `.ci/run` calls it.

use std::path::Path;
use std::time::Instant;

use crate::error::Result;
use crate::{lint, test};

/// Runs the lints, then the tests.
#[derive(clap::Args)]
pub(crate) struct Args {}

/// Runs the command.
pub(crate) fn run(root: &Path, _args: &Args) -> Result<()> {
    let start = Instant::now();
    lint::run(root, &lint::Args {})?;
    let linted = start.elapsed();
    test::run(root, &test::Args::default())?;
    let total = start.elapsed();
    let minutes = |time: std::time::Duration| time.as_secs_f64() / 60.0;
    eprintln!("ci: lints {:.1} min, tests {:.1} min: all passed", minutes(linted), minutes(total - linted));
    Ok(())
}

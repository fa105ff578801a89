//! `cargo xtask lint`: everything that can be said against the code without running it.

use std::path::Path;

use crate::error::Result;
use crate::process::{cargo, run as run_command};
use crate::{setup, tidy};

/// Checks form: tidy, rustfmt, clippy and rustdoc, each warning an error.
#[derive(clap::Args)]
pub(crate) struct Args {}

/// Runs the command, the cheapest check first.
pub(crate) fn run(root: &Path, _args: &Args) -> Result<()> {
    tidy::check(root)?;
    run_command(cargo().args(["fmt", "--all", "--check"]))?;
    run_command(cargo().args(["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]))?;
    setup::ensure(root)?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"];
    run_command(cargo().args(clippy))?;
    run_command(cargo().args([
        "clippy",
        "--package",
        "visrep-data",
        "--no-default-features",
        "--",
        "--deny",
        "warnings",
    ]))?;
    run_command(cargo().args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "--deny warnings"))
}

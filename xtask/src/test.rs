//! `cargo xtask test`: every test of the workspace.

use std::path::Path;

use crate::error::{Error, Result};
use crate::process::{cargo, run as run_command, with_libtorch};
use crate::setup;

/// Features that are off by default, and need no LibTorch either.
const FEATURES: &[&str] = &["visrep-data/remote"];

/// The same for the whole workspace: one build for everything.
const ALL_FEATURES: &[&str] = &["visrep/remote"];

/// Crates that must build and test on a machine without LibTorch, with their default features and [`FEATURES`].
const WITHOUT_LIBTORCH: &[&str] =
    &["visrep-decode", "visrep-augment", "visrep-corrupt", "visrep-data", "visrep-metrics"];

/// Runs every test of the workspace, doctests included.
///
/// First the crates that do without LibTorch are tested by themselves; then LibTorch is provided if
/// need be, and everything is tested.
#[derive(clap::Args)]
pub(crate) struct Args {}

/// Runs the command.
pub(crate) fn run(root: &Path, _args: &Args) -> Result<()> {
    without_libtorch()?;
    let libtorch = setup::ensure(root)?;
    let mut test = cargo();
    test.args(["test", "--workspace", "--features", &ALL_FEATURES.join(",")]);
    run_command(with_libtorch(&mut test, &libtorch.lib)?)
}

/// Asks cargo what those crates depend on, then tests them, alone so that no other crate of the workspace
/// turns features of theirs on.
fn without_libtorch() -> Result<()> {
    for package in WITHOUT_LIBTORCH {
        let output = cargo()
            .args(["tree", "--package", package, "--edges", "normal,build,dev", "--prefix", "none"])
            .output()
            .map_err(|e| Error::io("cannot start cargo", &e))?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr);
            return Err(Error::new(format!("`cargo tree --package {package}` failed: {message}")));
        }
        let tree = String::from_utf8_lossy(&output.stdout);
        if let Some(line) = tree.lines().find(|line| needs_libtorch(line)) {
            return Err(Error::new(format!("{package} depends on {line}, and must do without LibTorch"))
                .fix("put what needs it behind the `tensor` feature"));
        }
    }
    let mut test = cargo();
    test.arg("test");
    test.args(WITHOUT_LIBTORCH.iter().flat_map(|package| ["--package", package]));
    test.args(["--features", &FEATURES.join(",")]);
    // Nothing may look for it either.
    run_command(test.env("LIBTORCH", "/nonexistent").env_remove("LIBTORCH_USE_PYTORCH"))
}

fn needs_libtorch(tree_line: &str) -> bool {
    matches!(tree_line.split_whitespace().next(), Some("tch" | "torch-sys"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_bindings_need_libtorch() {
        assert!(needs_libtorch("torch-sys v0.24.0"));
        assert!(needs_libtorch("tch v0.24.0 (*)"));
        assert!(!needs_libtorch("torchish v1.0.0"));
        assert!(!needs_libtorch(""));
    }
}

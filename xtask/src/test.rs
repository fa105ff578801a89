//! `cargo xtask test`: every test of the workspace.

use std::path::Path;
use std::process::Command;

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

/// Crates whose readers must build there without their default features.
const READERS_WITHOUT_LIBTORCH: &[&str] = &["visrep-vtab"];

/// Tests that are ignored because they take minutes: package and test.
const SLOW: &[(&str, &str)] = &[("visrep-train", "kills"), ("visrep", "learning"), ("visrep", "suites")];

/// Runs every test of the workspace, doctests included.
///
/// First the crates that do without LibTorch are tested by themselves; then LibTorch is provided if
/// need be, and everything is tested.
#[derive(Default, clap::Args)]
pub(crate) struct Args {
    /// The slow tests instead: 30 killed runs, whole fine-tunings, and every recipe for the built-in digits
    /// with all the seeds whose figures it states (an hour on two cores)
    #[arg(long)]
    slow: bool,
}

/// Runs the command.
pub(crate) fn run(root: &Path, args: &Args) -> Result<()> {
    if args.slow {
        return slow(root);
    }
    without_libtorch()?;
    let libtorch = setup::ensure(root)?;
    let mut test = cargo();
    test.args(["test", "--workspace", "--features", &ALL_FEATURES.join(",")]);
    run_command(with_libtorch(&mut test, &libtorch.lib)?)
}

fn slow(root: &Path) -> Result<()> {
    let libtorch = setup::ensure(root)?;
    for (package, name) in SLOW {
        let mut test = cargo();
        test.args(["test", "--package", package, "--test", name, "--", "--ignored", "--nocapture"]);
        run_command(with_libtorch(&mut test, &libtorch.lib)?)?;
    }
    Ok(())
}

/// Asks cargo what those crates depend on, then tests them, or checks what can do without, alone so that no other
/// crate of the workspace turns features of theirs on.
fn without_libtorch() -> Result<()> {
    for package in WITHOUT_LIBTORCH {
        must_do_without(&["--package", package, "--edges", "normal,build,dev"])?;
    }
    for package in READERS_WITHOUT_LIBTORCH {
        must_do_without(&["--package", package, "--no-default-features", "--edges", "normal,build"])?;
    }
    let mut test = cargo();
    test.arg("test");
    test.args(WITHOUT_LIBTORCH.iter().flat_map(|package| ["--package", package]));
    test.args(["--features", &FEATURES.join(",")]);
    run_command(hide_libtorch(&mut test))?;
    // The type checker sees all that there is to see: a library is not linked.
    let mut check = cargo();
    check.args(["check", "--no-default-features"]);
    check.args(READERS_WITHOUT_LIBTORCH.iter().flat_map(|package| ["--package", package]));
    run_command(hide_libtorch(&mut check))
}

/// Nothing may look for it either.
fn hide_libtorch(command: &mut Command) -> &mut Command {
    command.env("LIBTORCH", "/nonexistent").env_remove("LIBTORCH_USE_PYTORCH")
}

/// Asks cargo what is built of a package that is chosen by these arguments.
fn must_do_without(chosen: &[&str]) -> Result<()> {
    let chosen_text = chosen.join(" ");
    let output = cargo()
        .args(["tree", "--prefix", "none"])
        .args(chosen)
        .output()
        .map_err(|e| Error::io("cannot start cargo", &e))?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        return Err(Error::new(format!("`cargo tree {chosen_text}` failed: {message}")));
    }
    let tree = String::from_utf8_lossy(&output.stdout);
    if let Some(line) = tree.lines().find(|line| needs_libtorch(line)) {
        return Err(Error::new(format!(
            "`cargo tree {chosen_text}` has {line}, and must do without LibTorch"
        ))
        .fix("put what needs it behind a feature"));
    }
    Ok(())
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

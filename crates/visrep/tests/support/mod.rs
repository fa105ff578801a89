//! Runs the `visrep` binary in a folder.

use std::path::Path;
use std::process::{Command, Output};

pub(crate) fn visrep(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_visrep")).args(arguments).current_dir(folder).output().unwrap()
}

#[track_caller]
pub(crate) fn succeed(folder: &Path, arguments: &[&str]) -> String {
    let output = visrep(folder, arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "visrep {arguments:?} failed: {stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs a command that must fail with one clear error, and returns it.
#[track_caller]
pub(crate) fn fail(folder: &Path, arguments: &[&str]) -> String {
    let output = visrep(folder, arguments);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "visrep {arguments:?} succeeded");
    assert!(!stderr.contains("panicked"), "{stderr}");
    assert!(stderr.contains("error: "), "{stderr}");
    stderr
}

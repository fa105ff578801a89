//! Running other programs: cargo with the right environment, and short questions to system tools.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::{Error, Result};

/// The cargo that started us.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// What programs on LibTorch are started with. `folder` goes in front of the loader's search path, for what
/// rpath does not cover: doctests, and a LibTorch outside `target`. And OpenMP's threads sleep while they wait,
/// unless the user says otherwise: spinning, they take the cores from the threads that load images.
pub(crate) fn with_libtorch<'a>(command: &'a mut Command, folder: &Path) -> Result<&'a mut Command> {
    let old = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let paths = std::iter::once(folder.to_path_buf())
        .chain(std::env::split_paths(&old).filter(|path| !path.as_os_str().is_empty()));
    let joined = std::env::join_paths(paths).map_err(|e| {
        Error::new(format!("LibTorch's folder {} cannot stand in LD_LIBRARY_PATH: {e}", folder.display()))
            .fix("use a path without a colon")
    })?;
    if std::env::var_os("OMP_WAIT_POLICY").is_none() {
        command.env("OMP_WAIT_POLICY", "passive");
    }
    Ok(command.env("LD_LIBRARY_PATH", joined))
}

/// Prints the command, runs it, and fails if it does.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    eprintln!("$ {shown}");
    let status = command.status().map_err(|e| Error::io(format_args!("cannot start `{shown}`"), &e))?;
    if status.success() { Ok(()) } else { Err(Error::new(format!("`{shown}` failed ({status})"))) }
}

/// What a program prints on its standard output, trimmed; `None` if it is missing or fails.
pub(crate) fn ask<S: AsRef<OsStr>>(program: impl AsRef<OsStr>, args: &[S]) -> Option<String> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    std::iter::once(program)
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

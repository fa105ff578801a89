//! `cargo xtask bench`: set up, build, and run `visrep bench`; or, with `peers`, measure speed beside other libraries.

mod peers;

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode};

use crate::error::{Error, Result};
use crate::process::{cargo, run as run_command, with_libtorch};
use crate::setup;

const EXAMPLES: &str = "\
Examples:
  cargo xtask bench                        train and evaluate small backbones on the built-in images
  cargo xtask bench --model vit_base_patch16_224 --weights w.safetensors --data DIR
                                           evaluate weights of your own on images of your own
  cargo xtask bench peers                  the speed of everything beside its Python peers
  cargo xtask bench -- --help              every option of `visrep bench`, once it is built";

/// Sets up, builds, and runs `visrep bench`: from a fresh clone to the report.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    other: Option<Other>,
    /// What `visrep bench` gets
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

#[derive(clap::Subcommand)]
enum Other {
    Peers(peers::Args),
}

impl Args {
    pub(crate) fn passed_on(&self) -> &[OsString] {
        &self.args
    }

    fn names_an_output(&self) -> bool {
        self.args.iter().any(|arg| arg.to_string_lossy().split('=').next() == Some("--out"))
    }
}

/// Runs the command; the exit code is that of `visrep bench`. It works from the folder `here`, where the user
/// stands, so that paths mean what they say; results go to the project's `target` all the same.
pub(crate) fn run(root: &Path, here: &Path, args: &Args) -> Result<ExitCode> {
    if let Some(Other::Peers(peers)) = &args.other {
        return peers::run(root, here, peers);
    }
    let libtorch = setup::ensure(root)?;
    run_command(with_libtorch(cargo().args(["build", "--package", "visrep"]), &libtorch.lib)?)?;
    let mut visrep = cargo();
    visrep
        .args(["run", "--quiet", "--package", "visrep", "--bin", "visrep", "--", "bench"])
        .args(args.passed_on())
        .current_dir(here);
    if here != root && !args.names_an_output() {
        visrep.arg("--out").arg(root.join("target/visrep/bench"));
    }
    with_libtorch(&mut visrep, &libtorch.lib)?;
    become_program(&mut visrep)
}

/// Replaces this process, as cargo then does itself, so that signals and the exit code are the program's.
#[cfg(unix)]
fn become_program(command: &mut Command) -> Result<ExitCode> {
    use std::os::unix::process::CommandExt;
    Err(Error::io("cannot run visrep", &command.exec()))
}

#[cfg(not(unix))]
fn become_program(command: &mut Command) -> Result<ExitCode> {
    let status = command.status().map_err(|e| Error::io("cannot run visrep", &e))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

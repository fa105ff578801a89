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

/// What `visrep bench` does beside measuring: commands that have no `--out`, or another folder.
const COMMANDS: &[&str] = &["compare", "spread", "study", "help"];

/// Its options that take no value.
const FLAGS: &[&str] = &["--list", "--fresh", "--help", "-h"];

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

    /// The folder of the results, within the project's, as `visrep bench` has it from there; none where nothing is measured.
    fn output(&self) -> Option<&'static str> {
        match self.first_word().as_deref() {
            None => Some("target/visrep/bench"),
            Some(word) if COMMANDS.contains(&word) => None,
            Some(_) => Some("target/visrep/suites"),
        }
    }

    /// The first argument that is neither an option nor the value of one: a suite, or a command.
    fn first_word(&self) -> Option<String> {
        let mut args = self.args.iter().map(|arg| arg.to_string_lossy());
        while let Some(arg) = args.next() {
            if arg == "--" {
                return args.next().map(Into::into);
            }
            if !arg.starts_with('-') {
                return Some(arg.into());
            }
            if !arg.contains('=') && !FLAGS.contains(&arg.as_ref()) {
                args.next();
            }
        }
        None
    }
}

/// Runs the command; the exit code is that of `visrep bench`. It works from the folder `here`, where the user
/// stands, so that paths mean what they say; measurements go to the project's `target` all the same.
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
    if here != root
        && !args.names_an_output()
        && let Some(folder) = args.output()
    {
        visrep.arg("--out").arg(root.join(folder));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Args {
        Args { other: None, args: line.split_whitespace().map(OsString::from).collect() }
    }

    #[test]
    fn results_go_where_visrep_bench_puts_them() {
        let of = |line: &str| args(line).output();
        for line in ["", "--model resnet50 --weights W --data DIR --limit=100", "--threads 2"] {
            assert_eq!(of(line), Some("target/visrep/bench"), "{line}");
        }
        for line in
            ["vtab knn --model M --weights W --data ROOT", "--fresh --model M --weights=W --data ROOT all"]
        {
            assert_eq!(of(line), Some("target/visrep/suites"), "{line}");
        }
        for line in [
            "compare a.json b.json",
            "spread *.json --model M",
            "study perceptual a.json",
            "--threads 2 compare",
        ] {
            assert_eq!(of(line), None, "{line}");
        }
    }

    #[test]
    fn an_output_that_is_named_stays() {
        assert!(args("vtab --out DIR").names_an_output() && args("--out=DIR").names_an_output());
        assert!(!args("vtab --data out").names_an_output());
    }
}

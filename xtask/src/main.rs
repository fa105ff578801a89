//! `cargo xtask`: everything a person or CI does with this repository, one file per command.
//!
//! It depends on no other crate of the workspace and not on LibTorch, so that it builds in seconds on
//! a machine where nothing is set up yet.

#![forbid(unsafe_code)]

mod bench;
mod ci;
mod doctor;
mod error;
mod fuzz;
mod libtorch;
mod lint;
mod process;
mod setup;
mod test;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::{Error, Result};

const EXAMPLES: &str = "\
Examples:
  cargo xtask bench                        set up, build, train and evaluate on the built-in images
  cargo xtask bench peers --list           what can be measured beside other libraries
  cargo xtask bench --help                 what `bench` can do with your own weights and data
  cargo xtask test                         every test, doctests included
  cargo xtask fuzz jpeg --minutes 1        libFuzzer on a decoder or container; all of them without a name
  cargo xtask setup                        only fetch LibTorch; then plain `cargo build` works
  cargo xtask setup --cuda                 also what an NVIDIA GPU needs (2.5 GB to download)
  cargo xtask doctor                       what this machine has, and what to fix
  LIBTORCH=/opt/libtorch cargo xtask test  with a LibTorch of your own";

/// Sets up, builds, tests and benches visrep.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = EXAMPLES, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Setup(setup::Args),
    Doctor(doctor::Args),
    Bench(bench::Args),
    Test(test::Args),
    Fuzz(fuzz::Args),
    Lint(lint::Args),
    Ci(ci::Args),
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    let root = project_root()?;
    let here = std::env::current_dir().unwrap_or_else(|_| root.clone());
    std::env::set_current_dir(&root)
        .map_err(|e| Error::new(format!("cannot enter the project folder {}: {e}", root.display())))?;
    match cli.command {
        Command::Setup(args) => setup::run(&root, &args).map(|_| ExitCode::SUCCESS),
        Command::Doctor(args) => doctor::run(&root, &args),
        Command::Bench(args) => bench::run(&root, &here, &args),
        Command::Test(args) => test::run(&root, &args).map(|()| ExitCode::SUCCESS),
        Command::Fuzz(args) => fuzz::run(&root, &args),
        Command::Lint(args) => lint::run(&root, &args).map(|()| ExitCode::SUCCESS),
        Command::Ci(args) => ci::run(&root, &args).map(|()| ExitCode::SUCCESS),
    }
}

/// The workspace's folder. Cargo names the package's folder when it starts us; the compiled-in one is
/// for a binary that was started by hand.
fn project_root() -> Result<PathBuf> {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&package).parent().map(Path::to_path_buf).ok_or_else(|| {
        Error::new("cannot find the project folder").fix("run `cargo xtask` inside the repository")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn bench_passes_everything_on() {
        for (given, passed) in [
            (vec!["--model", "resnet50", "--data", "DIR"], vec!["--model", "resnet50", "--data", "DIR"]),
            (vec!["--", "--help"], vec!["--help"]),
            (vec!["--data", "peers"], vec!["--data", "peers"]),
            (vec![], vec![]),
        ] {
            let line = ["cargo xtask", "bench"].into_iter().chain(given);
            let Command::Bench(args) = Cli::try_parse_from(line).unwrap().command else {
                panic!("not parsed as bench")
            };
            assert_eq!(args.passed_on(), passed);
        }
    }
}

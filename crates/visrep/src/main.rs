//! The `visrep` command line.
#![forbid(unsafe_code)]
// Nothing outside a binary can reach its modules: `pub` here means "for the other modules".
#![allow(unreachable_pub)]

mod bench;
mod commands;
mod fixtures;
mod report;
mod source;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match commands::Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

//! `visrep weights`: what weight files hold.

mod get;
mod list;

use anyhow::Result;
use clap::{Args, Subcommand};
use std::process::ExitCode;

/// Look for published weights and download them
#[derive(Args)]
pub struct Weights {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Get(get::Get),
    List(list::List),
}

impl Weights {
    pub fn run(self) -> Result<ExitCode> {
        match self.command {
            Command::Get(command) => command.run().map(|()| ExitCode::SUCCESS),
            Command::List(command) => command.run().map(|()| ExitCode::SUCCESS),
        }
    }
}

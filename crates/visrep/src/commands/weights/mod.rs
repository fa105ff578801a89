//! `visrep weights`: published weights, and what weight files hold.

mod convert;
mod diff;
mod get;
mod inspect;
mod list;

use anyhow::Result;
use clap::{Args, Subcommand};
use std::process::ExitCode;

/// List and download published weights; look into weight files, convert and compare them
///
/// Every format is read that models load: safetensors, PyTorch checkpoints (.pth, .pt, .ckpt, .bin), NumPy archives
/// (.npz) and folders of the Hugging Face hub. Nothing in a file is ever run.
#[derive(Args)]
pub struct Weights {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Get(get::Get),
    List(list::List),
    Inspect(inspect::Inspect),
    Convert(convert::Convert),
    Diff(diff::Diff),
}

impl Weights {
    pub fn run(self) -> Result<ExitCode> {
        match self.command {
            Command::Get(command) => command.run().map(|()| ExitCode::SUCCESS),
            Command::List(command) => command.run().map(|()| ExitCode::SUCCESS),
            Command::Inspect(command) => command.run().map(|()| ExitCode::SUCCESS),
            Command::Convert(command) => command.run().map(|()| ExitCode::SUCCESS),
            Command::Diff(command) => Ok(command.run()),
        }
    }
}

/// A shape as PyTorch prints it.
fn shape(shape: &[i64]) -> String {
    format!("{shape:?}")
}

//! The `visrep` command line.
#![forbid(unsafe_code)]
// Nothing outside a binary can reach its modules: `pub` here means "for the other modules".
#![allow(unreachable_pub)]

mod bench;
mod commands;
mod downloads;
mod fixtures;
mod font;
mod report;
mod source;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match commands::Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", message(&error));
            ExitCode::FAILURE
        }
    }
}

/// The error and its causes on one line, leaving out causes that an outer message already quotes.
fn message(error: &anyhow::Error) -> String {
    error.chain().skip(1).map(ToString::to_string).fold(error.to_string(), |text, cause| {
        if text.contains(&cause) { text } else { format!("{text}: {cause}") }
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_cause_is_told_once() {
        let error = anyhow::anyhow!("disk full").context("cannot write a.txt: disk full").context("training");
        assert_eq!(super::message(&error), "training: cannot write a.txt: disk full");
    }
}

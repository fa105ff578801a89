//! `visrep weights diff`: how two weight files differ.

use super::super::output;
use super::shape;
use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use visrep_models::{Difference, StateDict, TensorDiff, diff};

/// Compare two weight files tensor by tensor
///
/// The exit status is 0 when names, shapes, types and values are the same, 1 when anything differs, and 2 when they
/// cannot be compared.
#[derive(Args)]
#[command(after_help = "Example:\n  visrep weights diff before.safetensors after.pth --json")]
pub struct Diff {
    /// Weight file, or folder of the Hugging Face hub
    #[arg(value_name = "A")]
    first: PathBuf,
    /// The one to compare it with
    #[arg(value_name = "B")]
    second: PathBuf,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

impl Diff {
    /// An error has a status of its own, as with diff(1): a script must not take it for a difference.
    pub fn run(self) -> ExitCode {
        self.compare().unwrap_or_else(|error| {
            eprintln!("error: {}", crate::message(&error));
            ExitCode::from(2)
        })
    }

    fn compare(self) -> Result<ExitCode> {
        let (first, second) = (StateDict::read(&self.first)?, StateDict::read(&self.second)?);
        let compared = diff(&first, &second)?;
        let differing: Vec<_> = compared.iter().filter(|tensor| !tensor.difference.is_none()).collect();
        let same = compared.len() - differing.len();
        let text = match self.json {
            true => {
                let tensors: Vec<_> = differing.iter().map(|tensor| as_json(tensor)).collect();
                format!("{:#}\n", json!({"same": same, "differing": tensors}))
            }
            false => {
                let lines: String = differing.iter().map(|tensor| as_text(tensor)).collect();
                format!("{lines}{same} tensors are the same, {} differ\n", differing.len())
            }
        };
        output::say(&text)?;
        Ok(if differing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn as_text(tensor: &TensorDiff) -> String {
    let name = &tensor.name;
    match &tensor.difference {
        Difference::OnlyInFirst(sizes) => format!("- {name} {}\n", shape(sizes)),
        Difference::OnlyInSecond(sizes) => format!("+ {name} {}\n", shape(sizes)),
        Difference::Shape(first, second) => format!("~ {name}: {} and {}\n", shape(first), shape(second)),
        Difference::Values { first, second, max_abs, relative } => {
            let types = if first == second { String::new() } else { format!("{first} and {second}, ") };
            format!("~ {name}: {types}greatest difference {max_abs:.3e}, relative norm {relative:.3e}\n")
        }
    }
}

fn as_json(tensor: &TensorDiff) -> Value {
    let (name, difference) = (&tensor.name, &tensor.difference);
    match difference {
        Difference::OnlyInFirst(shape) => json!({"name": name, "only_in": "first", "shape": shape}),
        Difference::OnlyInSecond(shape) => json!({"name": name, "only_in": "second", "shape": shape}),
        Difference::Shape(first, second) => json!({"name": name, "shapes": [first, second]}),
        Difference::Values { first, second, max_abs, relative } => json!({
            "name": name,
            "dtypes": [first, second],
            "max_abs": max_abs,
            "relative": relative,
        }),
    }
}

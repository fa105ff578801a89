//! `visrep weights inspect`: what a weight file holds.

use super::super::output;
use super::shape;
use anyhow::{Result, anyhow};
use clap::Args;
use serde_json::json;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use visrep_models::{Error, StateDict, Suggestion, dtype_name, suggest_architectures};

/// List a weight file's tensors and the architectures that they fit
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    visrep weights inspect resnet50.safetensors\n  \
    visrep weights inspect resnet50.safetensors --model resnet101\n  \
    visrep weights inspect dino_vitbase16_pretrain.pth --json | jq '.tensors[].name'")]
pub struct Inspect {
    /// Weight file, or folder of the Hugging Face hub
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Show the tensors as this model takes them, or, with status 1, everything that keeps them from fitting
    #[arg(long, value_name = "M")]
    model: Option<String>,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// One line of the table.
struct Row {
    name: String,
    shape: Vec<i64>,
    dtype: String,
    /// `None` where the values cannot be read.
    bytes: Option<usize>,
    /// Whether it holds a NaN or an infinity.
    non_finite: bool,
}

impl Inspect {
    pub fn run(self) -> Result<()> {
        let mut state = StateDict::read(&self.file)?;
        if let Some(model) = &self.model {
            state.adapt_to(model).map_err(|error| match error {
                Error::Mismatch(mismatch) => anyhow!("{mismatch:#}"),
                other => other.into(),
            })?;
        }
        let suggestions = suggest_architectures(&state)?;
        let rows = rows(&state)?;
        let text = match self.json {
            true => format!("{:#}\n", as_json(&state, &rows, &suggestions)),
            false => as_text(&state, &rows, &suggestions),
        };
        output::say(&text)
    }
}

fn rows(state: &StateDict) -> Result<Vec<Row>> {
    let non_finite: HashSet<&str> = state.non_finite(None)?.into_iter().collect();
    let read = state.tensors().iter().map(|(name, tensor)| Row {
        name: name.clone(),
        shape: tensor.size(),
        dtype: dtype_name(tensor.kind()).into(),
        bytes: Some(tensor.numel() * tensor.kind().elt_size_in_bytes()),
        non_finite: non_finite.contains(name.as_str()),
    });
    let unread = state.unread().iter().map(|(name, tensor)| Row {
        name: name.clone(),
        shape: tensor.shape.clone(),
        dtype: tensor.dtype.clone(),
        bytes: None,
        non_finite: false,
    });
    let mut rows: Vec<_> = read.chain(unread).collect();
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(rows)
}

fn values(rows: &[Row]) -> i64 {
    rows.iter()
        .map(|row| row.shape.iter().fold(1, |n: i64, &size| n.saturating_mul(size)))
        .fold(0, i64::saturating_add)
}

fn bytes(rows: &[Row]) -> usize {
    rows.iter().filter_map(|row| row.bytes).sum()
}

fn as_json(state: &StateDict, rows: &[Row], suggestions: &[Suggestion]) -> serde_json::Value {
    json!({
        "file": state.path(),
        "format": state.format().to_string(),
        "tensors": rows.iter().map(|row| json!({
            "name": row.name,
            "shape": row.shape,
            "dtype": row.dtype,
            "bytes": row.bytes,
            "non_finite": row.non_finite,
        })).collect::<Vec<_>>(),
        "values": values(rows),
        "bytes": bytes(rows),
        "metadata": state.metadata(),
        "notes": state.notes(),
        "architectures": suggestions.iter().map(|near| json!({
            "name": near.name,
            "fits": near.fits,
            "agreement": near.agreement,
        })).collect::<Vec<_>>(),
    })
}

fn as_text(state: &StateDict, rows: &[Row], suggestions: &[Suggestion]) -> String {
    let width = |column: fn(&Row) -> usize| rows.iter().map(column).max().unwrap_or_default();
    let (names, dtypes) = (width(|row| row.name.chars().count()), width(|row| row.dtype.len()));
    let mut text = String::new();
    for row in rows {
        let note = match row {
            Row { bytes: None, .. } => "  (cannot be read)",
            Row { non_finite: true, .. } => "  (WARNING: NaN or infinite values)",
            _ => "",
        };
        let (name, dtype, shape) = (printable(&row.name), &row.dtype, shape(&row.shape));
        let _ = writeln!(text, "{name:names$}  {dtype:dtypes$}  {shape}{note}");
    }
    let mebibytes = bytes(rows) as f64 / (1 << 20) as f64;
    let (count, values) = (rows.len(), values(rows) as f64 / 1e6);
    let _ = writeln!(text, "\n{}: {count} tensors, {values:.2} M values, {mebibytes:.1} MiB", state.format());
    for (key, value) in state.metadata() {
        let _ = writeln!(text, "metadata: {} = {}", printable(key), printable(value));
    }
    for note in state.notes() {
        let _ = writeln!(text, "note: {}", printable(note));
    }
    for near in suggestions {
        let _ = match near.fits {
            true => writeln!(text, "fits: {}", near.name),
            false => {
                writeln!(text, "near: {} ({:.0} % of names and shapes)", near.name, 100.0 * near.agreement)
            }
        };
    }
    text
}

/// Text from a file, without what would steer a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}

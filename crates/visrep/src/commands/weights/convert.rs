//! `visrep weights convert`: any weight file to safetensors.

use super::super::output;
use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use tch::Kind;
use visrep_models::StateDict;

/// Write a weight file of any format as safetensors
///
/// Wrappers such as `state_dict` and prefixes such as `module.` are taken off, and told.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    visrep weights convert mae_pretrain_vit_base.pth mae.safetensors\n  \
    visrep weights convert R50x1.npz bit.safetensors --model resnetv2_50x1_bit\n  \
    visrep weights convert vit.safetensors small.safetensors --dtype bf16")]
pub struct Convert {
    /// Weight file, or folder of the Hugging Face hub
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// The safetensors file to write
    #[arg(value_name = "OUT")]
    output: PathBuf,
    /// Type of the floating-point tensors [default: as they are]
    #[arg(long, value_name = "T")]
    dtype: Option<Dtype>,
    /// Give the tensors the names and layouts of this model, as loading them into it does
    #[arg(long, value_name = "M")]
    model: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Dtype {
    F32,
    F16,
    Bf16,
}

impl Convert {
    pub fn run(self) -> Result<()> {
        output::check(&self.output)?;
        let mut state = StateDict::read(&self.input)?;
        if let Some(model) = &self.model {
            state.adapt_to(model)?;
        }
        if state.tensors().is_empty() {
            bail!("{} holds no tensor that can be read", self.input.display());
        }
        let kind = self.dtype.map(|dtype| match dtype {
            Dtype::F32 => Kind::Float,
            Dtype::F16 => Kind::Half,
            Dtype::Bf16 => Kind::BFloat16,
        });
        state.save(&self.output, kind)?;
        for name in state.non_finite(kind)? {
            eprintln!("WARNING: {name} holds NaN or infinite values");
        }
        for note in state.notes() {
            eprintln!("{note}");
        }
        for (name, tensor) in state.unread() {
            eprintln!("left out {name}: {} cannot be read", tensor.dtype);
        }
        output::say(&format!("{} tensors in {}\n", state.tensors().len(), self.output.display()))
    }
}

//! Weight files: safetensors in and out, checked as a whole before a single parameter changes.

mod mismatch;
mod read;
mod write;

pub use mismatch::{Mismatch, Misshaped};
pub use read::LoadReport;
pub(crate) use read::{Target, WeightFile, load};
pub(crate) use write::save;

/// PyTorch's counter beside a batch normalisation: of no use at a fixed momentum, so neither missed nor kept.
const COUNTER: &str = ".num_batches_tracked";

//! Weight files: safetensors, PyTorch's checkpoints, NumPy's archives and the hub's folders in, safetensors out; checked as a
//! whole before a single parameter changes.
//!
//! A file is read into a [`StateDict`], which a family may adapt to timm's names, and which is then fitted to a model.

mod diff;
mod dtype;
mod fit;
mod hub;
mod mismatch;
mod npz;
mod pickle;
mod safetensors;
mod source;
mod state;
mod strip;
mod suggest;
mod write;
mod zip;

pub use diff::{Difference, TensorDiff, diff};
pub use dtype::dtype_name;
pub use fit::LoadReport;
pub(crate) use fit::{Target, adapt, fit};
pub use mismatch::{Mismatch, Misshaped};
use state::Contents;
pub use state::{Format, StateDict, Unread};
pub use suggest::{Suggestion, suggest, suggest_architectures};
pub(crate) use write::save;

/// PyTorch's counter beside a batch normalisation: of no use at a fixed momentum, so neither missed nor kept.
const COUNTER: &str = ".num_batches_tracked";

/// Names for a sentence: the first few, and how many there are besides.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 5;
    match names.len() > SHOWN {
        true => format!("{} and {} more", names[..SHOWN].join(", "), names.len() - SHOWN),
        false => names.join(", "),
    }
}

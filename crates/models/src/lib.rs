//! Backbones, heads, weight files, and the preprocessing that travels with the weights.
#![forbid(unsafe_code)]

mod backbone;
mod error;

pub use backbone::{Backbone, Features, Taps};
pub use error::Error;

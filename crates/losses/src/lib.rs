//! Objectives for representation learning: pure functions over tensors.
//!
//! One file per objective. Every function checks the shapes and parameters it is given, returns a scalar
//! that can be differentiated, and documents which published convention it follows: sums or means, one
//! direction or both, halved or not.
#![forbid(unsafe_code)]

mod cross_entropy;
mod error;
mod nt_xent;

pub use cross_entropy::cross_entropy;
pub use error::Error;
pub use nt_xent::nt_xent;

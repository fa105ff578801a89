//! Sources (where samples are), samplers, and the threaded loader.
#![forbid(unsafe_code)]

mod batch;
mod dataset;
mod error;

pub use batch::{Batch, ImageBatch};
pub use dataset::{Dataset, Sample, SampleImage};
pub use error::Error;

//! Transforms on images and batches, and the published augmentation recipes.
#![forbid(unsafe_code)]

mod rng;
mod transform;

pub use rng::{Rng, view_rng};
pub use transform::{Compose, Transform};
pub use visrep_decode::RgbImage;

//! What hides parts of an image, or all of it: erased boxes, grids, noise.

mod cutout;
mod erase;
mod erasing;
mod grid;
mod noise;
mod normal;

pub use cutout::Cutout;
pub use erase::{EraseFill, erase};
pub use erasing::{ErasingValue, RandomErasing};
pub use grid::{GridMask, GridMode, grid_mask};
pub use noise::{GaussianNoise, PureNoise, gaussian_noise, noise_image, open_probability};

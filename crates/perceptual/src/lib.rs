//! Perceptual distances from any backbone's taps, and 2AFC scoring.
//!
//! [`PerceptualDistance`] is the "baseline" distance of LPIPS (Zhang et al. 2018) on a network of one's choice.
//! [`score_triplets`] asks of any [`ImageDistance`] which of two images it finds nearer to a reference;
//! [`PixelDistance`] is what every learned distance should beat.
#![forbid(unsafe_code)]

mod distance;
mod error;
mod pixel;
mod triplets;

pub use distance::PerceptualDistance;
pub use error::Error;
pub use pixel::{PixelDistance, ms_ssim, mse, psnr, ssim};
pub use triplets::{ImageDistance, Triplet, TripletScores, score_triplets, strength_triplets};

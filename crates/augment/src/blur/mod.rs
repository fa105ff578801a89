//! Gaussian blur, in the two forms that the published methods use, which differ visibly.

mod boxes;
mod kernel;

pub use boxes::pillow_blur;
pub use kernel::{Border, gaussian_blur};
pub(crate) use kernel::{half_kernel, reflected};

use crate::error::{check_odd, check_range};
use crate::{Error, Op, Rng, Transform, View};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use visrep_decode::RgbImage;

/// How a Gaussian blur is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlurMethod {
    /// Three box filters each way, as Pillow's `GaussianBlur(radius=sigma)`: MoCo v2 and v3, SimSiam, DINO,
    /// Barlow Twins, VICReg. See [`pillow_blur`].
    Pillow,
    /// A sampled Gaussian cut off after `size` taps (odd). With [`Border::Zero`] as SimCLR and BYOL, where `size` is
    /// a tenth of the image; with [`Border::Reflect`] as torchvision. See [`gaussian_blur`].
    Kernel {
        /// Taps of the kernel, an odd number.
        size: u32,
        /// What lies beyond the edges.
        border: Border,
    },
}

/// Blurs with a standard deviation of `sigma` pixels.
pub(crate) fn blur(image: &mut RgbImage, method: BlurMethod, sigma: f64) {
    match method {
        BlurMethod::Pillow => pillow_blur(image, sigma),
        BlurMethod::Kernel { size, border } => gaussian_blur(image, size, sigma, border),
    }
}

/// Blurs with a standard deviation drawn uniformly from a range.
#[derive(Clone, Debug, PartialEq)]
pub struct GaussianBlur {
    method: BlurMethod,
    sigma: RangeInclusive<f64>,
}

impl GaussianBlur {
    /// `sigma` is in pixels. Errs unless it runs from low to high within 0..=1000, and above 0 for a
    /// kernel, whose size must be odd.
    pub fn new(method: BlurMethod, sigma: RangeInclusive<f64>) -> Result<Self, Error> {
        let lowest = match method {
            BlurMethod::Pillow => 0.0,
            BlurMethod::Kernel { size, .. } => {
                check_odd("GaussianBlur kernel size", size)?;
                1e-6
            }
        };
        check_range("GaussianBlur sigma", &sigma, lowest..=1000.0)?;
        Ok(Self { method, sigma })
    }
}

impl Transform for GaussianBlur {
    fn draw(&self, view: &mut View, rng: &mut Rng) {
        view.push(Op::GaussianBlur { method: self.method, sigma: rng.random_range(self.sigma.clone()) });
    }
}

//! Pixel differences: the reference that a perceptual distance should beat.

use crate::Error;
use crate::distance::{check_count, check_size};
use crate::triplets::ImageDistance;
use visrep_augment::RgbImage;

/// The mean squared difference of two images of one size over all channel values, in levels squared (0 to 65,025).
pub fn mse(a: &RgbImage, b: &RgbImage) -> Result<f64, Error> {
    check_size(a, b)?;
    let squared = |(&a, &b): (&u8, &u8)| u64::from(a.abs_diff(b)).pow(2);
    let sum: u64 = a.data().iter().zip(b.data()).map(squared).sum();
    Ok(sum as f64 / a.data().len() as f64)
}

/// The peak signal-to-noise ratio in decibels, 10 log₁₀(255² / MSE); infinite for equal images.
pub fn psnr(a: &RgbImage, b: &RgbImage) -> Result<f64, Error> {
    Ok(10.0 * (255.0 * 255.0 / mse(a, b)?).log10())
}

/// The mean squared pixel difference as a distance. It orders images exactly as L2 and as PSNR, reversed, do.
#[derive(Clone, Copy, Debug, Default)]
pub struct PixelDistance;

impl ImageDistance for PixelDistance {
    fn name(&self) -> String {
        "pixels (L2, PSNR)".into()
    }

    fn distances(&self, references: &[&RgbImage], others: &[&[&RgbImage]]) -> Result<Vec<Vec<f64>>, Error> {
        let of = |images: &&[&RgbImage]| -> Result<Vec<f64>, Error> {
            check_count(references, images)?;
            references.iter().zip(*images).map(|(reference, image)| mse(reference, image)).collect()
        };
        others.iter().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mse_and_psnr_by_hand() {
        let (a, b) = (RgbImage::filled(2, 2, [10; 3]), RgbImage::filled(2, 2, [20, 10, 10]));
        assert!((mse(&a, &b).unwrap() - 100.0 / 3.0).abs() < 1e-12);
        assert!((psnr(&a, &b).unwrap() - 32.902).abs() < 1e-3);
        assert_eq!(psnr(&a, &a).unwrap(), f64::INFINITY);
        assert!(mse(&a, &RgbImage::filled(4, 1, [0; 3])).is_err());
    }
}

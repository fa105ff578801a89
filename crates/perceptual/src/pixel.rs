//! Pixel differences: the reference that a perceptual distance should beat.

use crate::Error;
use crate::distance::{check_count, check_size};
use crate::triplets::ImageDistance;
use visrep_augment::RgbImage;
use visrep_metrics::Plane;

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

/// Structural similarity, the mean over channels of [`visrep_metrics::ssim`] of 8-bit levels. Errs on images below 11 pixels a side.
pub fn ssim(a: &RgbImage, b: &RgbImage) -> Result<f64, Error> {
    over_channels(a, b, visrep_metrics::ssim)
}

/// Multi-scale structural similarity, the mean over channels of [`visrep_metrics::ms_ssim`] of 8-bit levels. Errs on images
/// below 176 pixels a side.
pub fn ms_ssim(a: &RgbImage, b: &RgbImage) -> Result<f64, Error> {
    over_channels(a, b, visrep_metrics::ms_ssim)
}

/// [`ms_ssim`] over as many of its five scales as fit, so that smaller images have one too: [`visrep_metrics::ms_ssim_fitted`].
pub fn ms_ssim_fitted(a: &RgbImage, b: &RgbImage) -> Result<f64, Error> {
    over_channels(a, b, visrep_metrics::ms_ssim_fitted)
}

/// The mean over channels of a similarity of two planes with values up to 255.
fn over_channels(
    a: &RgbImage,
    b: &RgbImage,
    similarity: fn(&Plane<'_>, &Plane<'_>, f64) -> Result<f64, visrep_metrics::Error>,
) -> Result<f64, Error> {
    check_size(a, b)?;
    let mut sum = 0.0;
    for channel in 0..3 {
        let plane = |image: &RgbImage| -> Vec<f64> {
            image.data().iter().skip(channel).step_by(3).map(|&level| f64::from(level)).collect()
        };
        let (a, b, width) = (plane(a), plane(b), a.width() as usize);
        sum += similarity(&Plane::new(&a, width)?, &Plane::new(&b, width)?, 255.0)?;
    }
    Ok(sum / 3.0)
}

/// The mean squared pixel difference as a distance. It orders images exactly as L2 and as PSNR, reversed, do.
#[derive(Clone, Copy, Debug, Default)]
pub struct PixelDistance;

impl ImageDistance for PixelDistance {
    fn name(&self) -> String {
        "pixels (L2, PSNR)".into()
    }

    fn distances(&self, references: &[&RgbImage], others: &[&[&RgbImage]]) -> Result<Vec<Vec<f64>>, Error> {
        one_to_one(references, others, mse)
    }
}

/// How little of the structure two images share, 1 − similarity: classic references beside [`PixelDistance`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StructuralDistance {
    /// By [`ssim`].
    Ssim,
    /// By [`ms_ssim_fitted`]: images below 176 pixels a side have fewer than the five published scales.
    MsSsim,
}

impl ImageDistance for StructuralDistance {
    fn name(&self) -> String {
        match self {
            Self::Ssim => "1 - SSIM".into(),
            Self::MsSsim => "1 - MS-SSIM (as many of the five scales as fit)".into(),
        }
    }

    fn distances(&self, references: &[&RgbImage], others: &[&[&RgbImage]]) -> Result<Vec<Vec<f64>>, Error> {
        let similarity = match self {
            Self::Ssim => ssim,
            Self::MsSsim => ms_ssim_fitted,
        };
        one_to_one(references, others, |a, b| Ok(1.0 - similarity(a, b)?))
    }
}

/// The distances of images to their references, one at a time.
fn one_to_one(
    references: &[&RgbImage],
    others: &[&[&RgbImage]],
    distance: impl Fn(&RgbImage, &RgbImage) -> Result<f64, Error>,
) -> Result<Vec<Vec<f64>>, Error> {
    let of = |images: &&[&RgbImage]| -> Result<Vec<f64>, Error> {
        check_count(references, images)?;
        references.iter().zip(*images).map(|(reference, image)| distance(reference, image)).collect()
    };
    others.iter().map(of).collect()
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

    #[test]
    fn structural_similarity_is_the_mean_over_channels() {
        let (a, b) = (RgbImage::filled(176, 180, [200; 3]), RgbImage::filled(176, 180, [100, 200, 200]));
        // Of two constants only the term of the means is not 1.
        let c = 2.55_f64.powi(2);
        let red = (40_000.0 + c) / (50_000.0 + c);
        assert!((ssim(&a, &b).unwrap() - (red + 2.0) / 3.0).abs() < 1e-9);
        assert!((ms_ssim(&a, &b).unwrap() - (red.powf(0.1333) + 2.0) / 3.0).abs() < 1e-9);
        assert!(ssim(&a, &RgbImage::filled(180, 176, [0; 3])).is_err());
        let small = RgbImage::filled(100, 100, [0; 3]);
        assert!(ssim(&small, &small).is_ok() && ms_ssim(&small, &small).is_err());
    }

    #[test]
    fn structure_is_a_distance_of_patches_too() {
        let patch =
            |by: u32| RgbImage::from_fn(64, 64, move |x, y| [(x * 3 + by * (x % 2)) as u8, y as u8, 7]);
        let (a, near, far) = (patch(0), patch(4), patch(20));
        for distance in [StructuralDistance::Ssim, StructuralDistance::MsSsim] {
            let found = distance.distances(&[&a, &a], &[&[&a, &near], &[&near, &far]]).unwrap();
            assert!(found[0][0].abs() < 1e-12 && found[0][1] == found[1][0], "{found:?}");
            assert!(0.0 < found[1][0] && found[1][0] < found[1][1] && found[1][1] < 1.0, "{found:?}");
            assert!(distance.distances(&[&a], &[&[&a, &a]]).is_err());
        }
        let expected = 1.0 - ms_ssim_fitted(&a, &far).unwrap();
        assert_eq!(StructuralDistance::MsSsim.distances(&[&a], &[&[&far]]).unwrap(), [[expected]]);
    }
}

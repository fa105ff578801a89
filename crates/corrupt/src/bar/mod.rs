//! ImageNet-C-bar and CIFAR-10-C-bar (Mintun, Kirillov & Xie, *On Interaction Between Augmentations and Corruptions
//! in Natural Corruption Robustness*, 2021): ten corruptions each that are unlike those of ImageNet-C, at the
//! severities of facebookresearch/augmentation-corruption (`imagenet_c_bar.csv`, `cifar10_c_bar.csv`).
//!
//! The published code draws its parameters for a square of 224 or 32 pixels. Here lengths follow the image: a length
//! common to both axes is a share of the shorter side, a place is drawn along each axis, and frequencies are counted
//! along each axis. On a square that is what the published code does.

mod cutout;
#[cfg(test)]
mod golden;
mod perlin;
mod refraction;
mod sparkle;
mod spectral;
mod spline;
mod warp;
mod waves;

pub(crate) use cutout::{checkerboard_cutout, lines};
pub(crate) use perlin::perlin_noise;
pub(crate) use refraction::caustic_refraction;
pub(crate) use sparkle::{inverse_sparkles, sparkles};
pub(crate) use spectral::{blue_noise_sample, brownish_noise};
pub(crate) use spline::{circular_motion_blur, transverse_chromatic_abberation};
pub(crate) use warp::{pinch_and_twirl, ripple};
pub(crate) use waves::{cocentric_sine_waves, plasma_noise, single_frequency_greyscale};

use visrep_decode::RgbImage;

use crate::random::Random;
use crate::{Corruption, Error, Scale, Severity};

/// Where corruptions take their random numbers from, in the order in which the published code draws them.
pub(crate) trait Draws {
    /// Uniform in [0, 1).
    fn unit(&mut self) -> f64;

    /// A standard normal.
    fn normal(&mut self) -> f64;

    /// Uniform in `low..high`.
    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A whole number in `0..bound`.
    fn below(&mut self, bound: usize) -> usize {
        (self.unit() * bound as f64) as usize
    }
}

impl Draws for Random {
    fn unit(&mut self) -> f64 {
        self.unit_f64()
    }

    fn normal(&mut self) -> f64 {
        f64::from(Random::normal(self))
    }
}

/// The published strengths, weakest first, for ImageNet and for CIFAR-10. Each set has ten; a corruption that only one of
/// them has takes that one's strengths at every size.
struct Strengths {
    imagenet: Option<[f64; 5]>,
    cifar: Option<[f64; 5]>,
}

const fn both(imagenet: [f64; 5], cifar: [f64; 5]) -> Strengths {
    Strengths { imagenet: Some(imagenet), cifar: Some(cifar) }
}

const fn imagenet(strengths: [f64; 5]) -> Strengths {
    Strengths { imagenet: Some(strengths), cifar: None }
}

const fn cifar(strengths: [f64; 5]) -> Strengths {
    Strengths { imagenet: None, cifar: Some(strengths) }
}

/// The published strengths of `corruption`; none for those of ImageNet-C.
fn strengths(corruption: Corruption) -> Option<Strengths> {
    use Corruption::*;
    Some(match corruption {
        BlueNoiseSample => both([0.8, 1.6, 2.4, 4.0, 5.6], [0.7, 1.4, 2.1, 3.5, 4.2]),
        BrownishNoise => both([1.0, 2.0, 3.0, 4.0, 5.0], [2.5, 4.0, 5.5, 6.5, 7.0]),
        CheckerboardCutout => both([2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 2.0, 3.0, 4.0, 5.0]),
        InverseSparkles => both([1.0, 2.0, 4.0, 9.0, 10.0], [1.0, 1.5, 2.5, 4.5, 5.0]),
        Sparkles => both([1.0, 2.0, 3.0, 5.0, 6.0], [0.7, 3.5, 5.6, 6.3, 7.0]),
        CausticRefraction => imagenet([2.35, 3.2, 4.9, 6.6, 9.15]),
        CocentricSineWaves => imagenet([3.0, 5.0, 8.0, 9.0, 10.0]),
        PerlinNoise => imagenet([4.6, 5.2, 5.8, 7.6, 8.8]),
        PlasmaNoise => imagenet([4.75, 7.0, 8.5, 9.25, 10.0]),
        SingleFrequencyGreyscale => imagenet([1.0, 1.5, 2.0, 4.5, 5.0]),
        CircularMotionBlur => cifar([2.8, 3.6, 4.4, 5.2, 6.0]),
        Lines => cifar([0.5, 1.0, 1.5, 2.0, 2.5]),
        PinchAndTwirl => cifar([5.5, 6.0, 6.5, 8.5, 10.0]),
        Ripple => cifar([5.5, 6.0, 6.5, 7.5, 8.0]),
        TransverseChromaticAbberation => cifar([1.0, 2.0, 5.0, 9.0, 10.0]),
        _ => return None,
    })
}

/// Whether `scale` takes ImageNet's constants, and not CIFAR's.
fn of_imagenet(scale: Scale) -> bool {
    matches!(scale, Scale::ImageNet224 | Scale::Inception299)
}

/// Cells along each side that are pinched and twirled.
pub(crate) fn cells(scale: Scale) -> usize {
    if of_imagenet(scale) { 5 } else { 3 }
}

/// The number that stands for `severity` in the published files: the name of a folder of ImageNet-C-bar.
pub(crate) fn strength(corruption: Corruption, severity: Severity, scale: Scale) -> Option<f64> {
    let Strengths { imagenet, cifar } = strengths(corruption)?;
    let row = if of_imagenet(scale) { imagenet.or(cifar) } else { cifar.or(imagenet) };
    row.map(|row| row[severity.index()])
}

/// The shorter side, which lengths are shares of.
fn shorter_side(image: &RgbImage) -> f64 {
    f64::from(image.width().min(image.height()))
}

/// Clips to 0..=255 and truncates, as NumPy's `clip(…).astype(np.uint8)`.
fn truncated(value: f64) -> u8 {
    value as u8
}

/// A new image of the size of `image`, from each pixel's place and value.
fn map_pixels(
    image: &RgbImage,
    mut f: impl FnMut(usize, usize, [f64; 3]) -> [f64; 3],
) -> Result<RgbImage, Error> {
    let mut data = Vec::with_capacity(image.data().len());
    let width = image.width().max(1) as usize;
    for (i, pixel) in image.data().as_chunks::<3>().0.iter().enumerate() {
        data.extend(f(i % width, i / width, pixel.map(f64::from)).map(truncated));
    }
    Ok(RgbImage::new(image.width(), image.height(), data)?)
}

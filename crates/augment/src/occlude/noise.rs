//! Gaussian noise on an image, and images of nothing but noise.

use super::erase::PixelNoise;
use super::normal::DiscreteNormal;
use crate::error::check_within;
use crate::{Error, Op, Rng, Transform, View};
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use visrep_decode::RgbImage;

/// Adds a normally distributed number of standard deviation `std`, on the scale 0 to 1, to every value; the sums are
/// rounded and held within 0..=255. What is added to a value is held within one turn of the scale.
///
/// `torchvision.transforms.v2.GaussianNoise` with a mean of 0, but for rounding where that has floats.
pub fn gaussian_noise(image: &mut RgbImage, std: f64, seed: u64) {
    let table = DiscreteNormal::new(0.0, std * 255.0, -255, 255);
    let mut rng = Rng::seed_from_u64(seed);
    let add = |value: &mut u8, noise: i16| *value = (i16::from(*value) + noise).clamp(0, 255) as u8;
    let (pairs, rest) = image.data_mut().as_chunks_mut::<2>();
    for [a, b] in pairs {
        let [first, second] = table.pair(&mut rng);
        add(a, first);
        add(b, second);
    }
    rest.iter_mut().for_each(|value| add(value, table.pair(&mut rng)[0]));
}

/// An image of noise: every value of every pixel from a normal distribution of its channel's `mean` and `std` (on the
/// scale 0 to 1), rounded and held within 0..=255.
pub fn noise_image(width: u32, height: u32, mean: [f64; 3], std: [f64; 3], seed: u64) -> RgbImage {
    let mut image = RgbImage::filled(width, height, [0; 3]);
    PixelNoise::new(mean, std, seed).fill(image.data_mut());
    image
}

/// The probability with which OPeN (Zada, Benou and Irani 2022) makes an image of a class with `count` training images
/// one of noise: `delta * (1 - count / largest)`, where `largest` is the count of the largest class. The paper's
/// `delta` is a third.
#[must_use]
pub fn open_probability(count: u64, largest: u64, delta: f64) -> f64 {
    if largest == 0 {
        return 0.0;
    }
    (delta * (1.0 - count as f64 / largest as f64)).clamp(0.0, 1.0)
}

/// Replaces the image by one of noise with probability `p`: the noise images of OPeN, of [`noise_image`]. The
/// label stays, and `p` is [`open_probability`] of the label's class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PureNoise {
    mean: [f64; 3],
    std: [f64; 3],
    p: f64,
}

impl PureNoise {
    /// `mean` and `std` are those of the training set's channels, on the scale 0 to 1. Errs unless they and `p` are
    /// within 0..=1.
    pub fn new(mean: [f64; 3], std: [f64; 3], p: f64) -> Result<Self, Error> {
        mean.into_iter().try_for_each(|value| check_within("PureNoise mean", value, 0.0..=1.0))?;
        std.into_iter().try_for_each(|value| check_within("PureNoise std", value, 0.0..=1.0))?;
        check_within("PureNoise p", p, 0.0..=1.0)?;
        Ok(Self { mean, std, p })
    }
}

impl Transform for PureNoise {
    fn draw(&self, view: &mut View, rng: &mut Rng) {
        if rng.random_bool(self.p) {
            view.push(Op::NoiseImage { mean: self.mean, std: self.std, seed: rng.next_u64() });
        }
    }
}

/// Gaussian noise on every image; see [`gaussian_noise`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GaussianNoise {
    std: f64,
}

impl GaussianNoise {
    /// Errs unless `std`, on the scale 0 to 1, is within 0..=1.
    pub fn new(std: f64) -> Result<Self, Error> {
        check_within("GaussianNoise std", std, 0.0..=1.0)?;
        Ok(Self { std })
    }
}

impl Transform for GaussianNoise {
    fn draw(&self, view: &mut View, rng: &mut Rng) {
        view.push(Op::GaussianNoise { std: self.std, seed: rng.next_u64() });
    }
}

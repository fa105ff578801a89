//! Random convolution.

use crate::error::{check_odd, check_range, check_within};
use crate::simd::vectorised;
use crate::{Error, Op, Rng, Transform, View};
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_distr::{Distribution as _, StandardNormal};
use std::ops::RangeInclusive;
use visrep_decode::RgbImage;

/// The largest kernel.
const MAX_SIZE: u32 = 15;

/// The weights of a convolution of three channels into three.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvKernel {
    size: usize,
    weights: Vec<f32>,
}

impl ConvKernel {
    /// `weights` are `[out][in][y][x]`, as in PyTorch. Errs unless `size` is odd, at most 15, and the number of weights
    /// is `9 * size * size`.
    pub fn new(size: u32, weights: Vec<f32>) -> Result<Self, Error> {
        check_odd("ConvKernel size", size)?;
        check_within("ConvKernel size", f64::from(size), 1.0..=f64::from(MAX_SIZE))?;
        let count = f64::from(9 * size * size);
        check_within("ConvKernel number of weights", weights.len() as f64, count..=count)?;
        Ok(Self { size: size as usize, weights })
    }

    /// Independent normal weights of variance `1 / (3 size²)`: Xavier's and Kaiming's (linear) normal initialisation,
    /// which are the same where as many channels come out as go in. A size that [`Self::new`] refuses is brought into
    /// its range.
    pub fn normal(size: u32, seed: u64) -> Self {
        let size = size.clamp(1, MAX_SIZE) | 1;
        let mut rng = Rng::seed_from_u64(seed);
        let std = 1.0 / (3.0 * f64::from(size * size)).sqrt();
        let mut weight = || -> f64 { StandardNormal.sample(&mut rng) };
        let weights = (0..9 * size * size).map(|_| (weight() * std) as f32).collect();
        Self { size: size as usize, weights }
    }
}

/// Replaces the share `alpha` of an image by its convolution, as random convolution does (Lee et al. 2020, RAD of Laskin
/// et al. 2020; mixing and clamping of Xu et al. 2021).
///
/// Values are normalised by `mean` and `std` (on the scale 0 to 1), convolved with zeros beyond the edges, mixed as
/// `alpha * convolved + (1 - alpha) * image`, brought back, rounded and held within 0..=255: RandConv's clamping. RAD
/// does not clamp, as its images stay floats.
pub fn random_conv(image: &mut RgbImage, kernel: &ConvKernel, alpha: f64, mean: [f64; 3], std: [f64; 3]) {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let border = kernel.size / 2;
    let normalisation = [0, 1, 2].map(|channel| normalisation(mean[channel], std[channel]));
    // Room for whole runs behind each row.
    let mut planes = Planes::new(width.next_multiple_of(RUN) + 2 * border, height + 2 * border);
    let alpha = alpha as f32;
    vectorised(
        #[inline(always)]
        || {
            for (y, row) in image.data().chunks_exact(width * 3).enumerate() {
                for channel in 0..3 {
                    let (scale, shift) = normalisation[channel];
                    let line = &mut planes.values_at_mut(channel, border, y + border)[..width];
                    for (value, pixel) in line.iter_mut().zip(row.as_chunks::<3>().0) {
                        *value = f32::from(pixel[channel]) * scale + shift;
                    }
                }
            }
            for (y, row) in image.data_mut().chunks_exact_mut(width * 3).enumerate() {
                for (run, pixels) in row.chunks_mut(RUN * 3).enumerate() {
                    let x = run * RUN;
                    let sums = kernel.sums(&planes, x, y);
                    let mut bytes = [[0; RUN]; 3];
                    for channel in 0..3 {
                        let (scale, shift) = normalisation[channel];
                        let own = &planes.values_at(channel, x + border, y + border)[..RUN];
                        for i in 0..RUN {
                            let mixed = alpha * sums[channel][i] + (1.0 - alpha) * own[i];
                            bytes[channel][i] = byte((mixed - shift) / scale + 0.5);
                        }
                    }
                    for (i, pixel) in pixels.as_chunks_mut::<3>().0.iter_mut().enumerate() {
                        *pixel = [bytes[0][i], bytes[1][i], bytes[2][i]];
                    }
                }
            }
        },
    );
}

/// How many pixels are worked on together.
const RUN: usize = 32;

/// The three channels of an image with a border of zeros.
struct Planes {
    values: Vec<f32>,
    stride: usize,
    size: usize,
}

impl Planes {
    fn new(stride: usize, height: usize) -> Self {
        let size = stride * height;
        Self { values: vec![0.0; 3 * size], stride, size }
    }

    /// The values of a channel from a place on.
    #[inline(always)]
    fn values_at(&self, channel: usize, x: usize, y: usize) -> &[f32] {
        &self.values[channel * self.size + y * self.stride + x..]
    }

    /// The same, to be filled.
    #[inline(always)]
    fn values_at_mut(&mut self, channel: usize, x: usize, y: usize) -> &mut [f32] {
        &mut self.values[channel * self.size + y * self.stride + x..]
    }
}

impl ConvKernel {
    /// The weighted sums of a run of pixels, from `x`, `y` on, one array for each channel that comes out.
    #[inline(always)]
    fn sums(&self, planes: &Planes, x: usize, y: usize) -> [[f32; RUN]; 3] {
        let mut sums = [[0.0; RUN]; 3];
        let taps = self.size * self.size;
        let (red, rest) = self.weights.split_at(3 * taps);
        let (green, blue) = rest.split_at(3 * taps);
        for i in 0..3 * taps {
            let (plane, tap) = (i / taps, i % taps);
            let values = planes.values_at(plane, x + tap % self.size, y + tap / self.size);
            let Some(values) = values.first_chunk::<RUN>() else { continue };
            let weights = [red[i], green[i], blue[i]];
            for channel in 0..3 {
                for j in 0..RUN {
                    sums[channel][j] += weights[channel] * values[j];
                }
            }
        }
        sums
    }
}

/// The whole part of a number, held within 0..=255; added to 2^23 it lies in the lowest bits.
#[inline(always)]
fn byte(value: f32) -> u8 {
    (value.clamp(0.0, 255.0).floor() + (1 << 23) as f32).to_bits() as u8
}

/// `value * scale + shift` is the normalised value of an 8-bit one. A deviation of nothing counts as 1.
fn normalisation(mean: f64, std: f64) -> (f32, f32) {
    let std = if std.is_finite() && std.abs() > 1e-6 { std } else { 1.0 };
    ((1.0 / (255.0 * std)) as f32, (-mean / std) as f32)
}

/// Random convolution of every image, drawn anew each time; see [`random_conv`].
#[derive(Clone, Debug, PartialEq)]
pub struct RandomConv {
    sizes: Vec<u32>,
    alpha: RangeInclusive<f64>,
    mean: [f64; 3],
    std: [f64; 3],
}

impl RandomConv {
    /// A kernel of 3x3 in place of the whole image, which is not normalised: RAD's.
    #[must_use]
    pub fn new() -> Self {
        Self { sizes: vec![3], alpha: 1.0..=1.0, mean: [0.0; 3], std: [1.0; 3] }
    }

    /// Kernel sizes to choose from: odd numbers up to 15. RandConv's are 1, 3, 5 and 7.
    pub fn sizes(self, sizes: &[u32]) -> Result<Self, Error> {
        check_within("RandomConv number of sizes", sizes.len() as f64, 1.0..=8.0)?;
        for &size in sizes {
            check_odd("RandomConv size", size)?;
            check_within("RandomConv size", f64::from(size), 1.0..=f64::from(MAX_SIZE))?;
        }
        Ok(Self { sizes: sizes.to_vec(), ..self })
    }

    /// The range that the share of the convolved image is drawn from, within 0..=1. RandConv's mixing has 0..=1.
    pub fn alpha(self, alpha: RangeInclusive<f64>) -> Result<Self, Error> {
        check_range("RandomConv alpha", &alpha, 0.0..=1.0)?;
        Ok(Self { alpha, ..self })
    }

    /// What values are normalised by before they are convolved, on the scale 0 to 1. Errs unless means are within 0..=1
    /// and deviations within 0.001..=1.
    pub fn normalization(self, mean: [f64; 3], std: [f64; 3]) -> Result<Self, Error> {
        mean.into_iter().try_for_each(|value| check_within("RandomConv mean", value, 0.0..=1.0))?;
        std.into_iter().try_for_each(|value| check_within("RandomConv std", value, 0.001..=1.0))?;
        Ok(Self { mean, std, ..self })
    }
}

impl Default for RandomConv {
    fn default() -> Self {
        Self::new()
    }
}

impl Transform for RandomConv {
    fn draw(&self, view: &mut View, rng: &mut Rng) {
        let size = self.sizes.choose(rng).copied().unwrap_or(3);
        let alpha = rng.random_range(self.alpha.clone());
        view.push(Op::RandomConv { size, alpha, mean: self.mean, std: self.std, seed: rng.next_u64() });
    }
}

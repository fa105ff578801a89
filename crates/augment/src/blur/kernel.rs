//! The Gaussian blur with a sampled, truncated kernel.

use crate::error::MAX_SIDE;
use crate::simd::vectorised;
use serde::{Deserialize, Serialize};
use visrep_decode::RgbImage;

/// What a kernel sees beyond the edges of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Border {
    /// The image mirrored at its outermost pixels, which are not repeated: torchvision's `gaussian_blur`.
    Reflect,
    /// Black, which darkens the edges: `padding="SAME"` in SimCLR's and BYOL's TensorFlow and JAX code.
    Zero,
}

/// Blurs with a sampled Gaussian of `size` taps and standard deviation `sigma` in pixels.
///
/// Weights are `exp(-x^2 / (2 sigma^2))` over whole `x`, normalised to a sum of 1; results are rounded to the
/// nearest level. An even `size` counts as the next odd one; a `sigma` that is not above 0 changes nothing.
/// Taps too light to change a level by more than 0.001 are skipped.
pub fn gaussian_blur(image: &mut RgbImage, size: u32, sigma: f64, border: Border) {
    let kernel = half_kernel(size, sigma);
    if kernel.len() == 1 {
        return;
    }
    let source = image.clone();
    vectorised(
        #[inline(always)]
        || convolve(&source, image, &kernel, border),
    );
}

/// The centre of the kernel and one half of it, outwards.
pub(crate) fn half_kernel(size: u32, sigma: f64) -> Vec<f32> {
    let radius = size.min(MAX_SIDE) / 2;
    if sigma.is_nan() || sigma <= 0.0 {
        return vec![1.0];
    }
    let weight = |x: u32| (-0.5 * (f64::from(x) / sigma).powi(2)).exp();
    let sum = 1.0 + 2.0 * (1..=radius).map(weight).sum::<f64>();
    let negligible = 1e-3 / 255.0 / f64::from(size.max(1));
    (0..=radius).map(|x| weight(x) / sum).take_while(|&w| w > negligible).map(|w| w as f32).collect()
}

/// Vertically into one padded row of floats, then horizontally out of it, row by row.
#[inline(always)]
fn convolve(source: &RgbImage, target: &mut RgbImage, kernel: &[f32], border: Border) {
    let (width, height) = (source.width() as usize, source.height() as usize);
    let (stride, radius) = (width * 3, kernel.len() - 1);
    let padding = radius * 3;
    let black = vec![0; stride];
    let mut padded = vec![0.0f32; stride + 2 * padding];
    let mut sums = vec![0.0f32; stride];
    for (y, result) in target.data_mut().chunks_exact_mut(stride).enumerate() {
        let row = |offset: isize| match place(y as isize + offset, height, border) {
            Some(y) => source.row(y as u32),
            None => &black[..],
        };
        let middle = &mut padded[padding..padding + stride];
        for (sum, &value) in middle.iter_mut().zip(row(0)) {
            *sum = kernel[0] * f32::from(value);
        }
        for (offset, &weight) in (1..).zip(&kernel[1..]) {
            for ((sum, &above), &below) in middle.iter_mut().zip(row(-offset)).zip(row(offset)) {
                *sum += weight * f32::from(u16::from(above) + u16::from(below));
            }
        }
        for x in (0..radius).map(|x| x as isize) {
            for (to, from) in [(x, x - radius as isize), (x + (width + radius) as isize, x + width as isize)]
            {
                let to = to as usize * 3;
                match place(from, width, border) {
                    Some(from) => padded.copy_within(padding + from * 3..padding + from * 3 + 3, to),
                    None => padded[to..to + 3].fill(0.0),
                }
            }
        }
        for (sum, &value) in sums.iter_mut().zip(&padded[padding..]) {
            *sum = kernel[0] * value;
        }
        for (offset, &weight) in (1..).zip(&kernel[1..]) {
            let (left, right) = (&padded[padding - offset * 3..], &padded[padding + offset * 3..]);
            for ((sum, &left), &right) in sums.iter_mut().zip(left).zip(right) {
                *sum += weight * (left + right);
            }
        }
        for (result, &sum) in result.iter_mut().zip(&sums) {
            *result = (sum + 0.5).clamp(0.0, 255.0) as i32 as u8;
        }
    }
}

/// The index that stands for `index`, which may lie outside `0..len`; `None` for black.
#[inline(always)]
fn place(index: isize, len: usize, border: Border) -> Option<usize> {
    let last = len as isize - 1;
    if (0..=last).contains(&index) {
        return Some(index as usize);
    }
    match border {
        Border::Zero => None,
        Border::Reflect => Some(reflected(index, len)),
    }
}

/// The index of `0..len` that stands for `index` where the outermost values mirror and are not repeated.
#[inline(always)]
pub(crate) fn reflected(index: isize, len: usize) -> usize {
    let last = len as isize - 1;
    if last == 0 {
        return 0;
    }
    let period = index.rem_euclid(2 * last);
    period.min(2 * last - period) as usize
}

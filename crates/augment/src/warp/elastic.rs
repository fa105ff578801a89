//! Elastic deformation: every pixel is looked up where a smooth random field says.

use super::sample::{RUN, eight};
use crate::blur::{half_kernel, reflected};
use crate::error::{check_within, wrong};
use crate::simd::vectorised;
use crate::{Error, Filter, Op, Rng, Transform, View};
use rand::{Rng as _, SeedableRng as _};
use visrep_decode::RgbImage;

/// The widest smoothing of a random displacement, as a standard deviation in pixels.
const MAX_SIGMA: f64 = 1000.0;

/// How far from itself each output pixel looks, to the right and down, in pixels.
///
/// torchvision's displacement, a tensor of `1 x height x width x 2`, is the same in units of half the width and half the height.
#[derive(Clone, Debug, PartialEq)]
pub struct Displacement {
    width: u32,
    height: u32,
    right: Vec<f32>,
    down: Vec<f32>,
}

impl Displacement {
    /// `right` and `down` hold a value for each pixel, row by row. Errs unless both have `width * height` values, of which there
    /// is one at least.
    pub fn new(width: u32, height: u32, right: Vec<f32>, down: Vec<f32>) -> Result<Self, Error> {
        let pixels = width as usize * height as usize;
        for (parameter, values) in [("Displacement right", &right), ("Displacement down", &down)] {
            if values.len() != pixels || pixels == 0 {
                return Err(wrong(parameter, format!("{width}x{height} values, at least one"), values.len()));
            }
        }
        Ok(Self { width, height, right, down })
    }

    /// The field that `torchvision.transforms.v2.ElasticTransform` draws: numbers uniform within -1 to 1, smoothed by a Gaussian of
    /// standard deviation `sigma` (x and y, pixels; cut off at four deviations, mirrored at the edges), times half of `alpha` (to
    /// the right and down, pixels).
    ///
    /// As there, the kernel of the field to the right is as long as `sigma.0` asks for along both axes, and that of the other as
    /// `sigma.1` does. A sigma that is not above 0 smoothes nothing, one above 1000 counts as 1000.
    #[must_use]
    pub fn random(width: u32, height: u32, alpha: (f64, f64), sigma: (f64, f64), seed: u64) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        let mut rng = Rng::seed_from_u64(seed);
        let mut field = |alpha: f64, extent: f64| {
            let mut values = noise(width as usize * height as usize, &mut rng);
            let size = (8.0 * extent.clamp(0.0, MAX_SIGMA) + 1.0) as u32 | 1;
            let kernel = |sigma: f64| half_kernel(size, sigma.min(MAX_SIGMA));
            if extent > 0.0 {
                smooth(&mut values, width as usize, &kernel(sigma.0), &kernel(sigma.1));
            }
            let half = (alpha / 2.0) as f32;
            values.iter_mut().for_each(|value| *value *= half);
            values
        };
        let (right, down) = (field(alpha.0, sigma.0), field(alpha.1, sigma.1));
        Self { width, height, right, down }
    }
}

/// Numbers uniform within -1 to 1, two from each draw.
fn noise(count: usize, rng: &mut Rng) -> Vec<f32> {
    let number = |bits: u32| bits as i32 as f32 * (1.0 / (1u32 << 31) as f32);
    let mut values = vec![0.0; count];
    for pair in values.chunks_mut(2) {
        let bits = rng.next_u64();
        pair[0] = number(bits as u32);
        if let Some(second) = pair.get_mut(1) {
            *second = number((bits >> 32) as u32);
        }
    }
    values
}

/// How many values [`smooth`] works on together.
const WIDE: usize = 64;

/// Convolves rows of `width` values with half kernels, from the middle outwards, along x and along y.
fn smooth(values: &mut [f32], width: usize, along_x: &[f32], along_y: &[f32]) {
    let height = values.len() / width;
    let (radius, stride) = (along_x.len() - 1, width.next_multiple_of(WIDE));
    let mut source = vec![0.0f32; stride * height];
    for (to, from) in source.chunks_exact_mut(stride).zip(values.chunks_exact(width)) {
        to[..width].copy_from_slice(from);
    }
    let mut padded = vec![0.0f32; stride + 2 * radius];
    vectorised(
        #[inline(always)]
        || {
            for (y, target) in values.chunks_exact_mut(width).enumerate() {
                let row = |offset: isize| reflected(y as isize + offset, height) * stride;
                for x in (0..stride).step_by(WIDE) {
                    let sums = taps(
                        along_y,
                        &source,
                        #[inline(always)]
                        |offset| (row(-(offset as isize)) + x, row(offset as isize) + x),
                    );
                    padded[radius + x..][..WIDE].copy_from_slice(&sums);
                }
                for x in 0..radius {
                    padded[x] = padded[radius + reflected(x as isize - radius as isize, width)];
                    padded[radius + width + x] = padded[radius + reflected((width + x) as isize, width)];
                }
                for (run, target) in target.chunks_mut(WIDE).enumerate() {
                    let middle = radius + run * WIDE;
                    let sums = taps(
                        along_x,
                        &padded,
                        #[inline(always)]
                        |offset| (middle - offset, middle + offset),
                    );
                    let len = target.len();
                    target.copy_from_slice(&sums[..len]);
                }
            }
        },
    );
}

/// The weighted sums of values that lie at both sides of the middle, at the places that `sides` gives for each offset.
///
/// Four offsets at a time: sums to which each is added by itself would go through memory as often.
#[inline(always)]
fn taps(kernel: &[f32], values: &[f32], sides: impl Fn(usize) -> (usize, usize)) -> [f32; WIDE] {
    let from = |start: usize| values[start..].first_chunk::<WIDE>().unwrap_or(&[0.0; WIDE]);
    let middle = from(sides(0).0);
    let mut sums = [0.0; WIDE];
    for i in 0..WIDE {
        sums[i] = kernel[0] * middle[i];
    }
    let (fours, rest) = kernel[1..].as_chunks::<4>();
    for (group, weights) in fours.iter().enumerate() {
        let mut pairs = [(&[0.0; WIDE], &[0.0; WIDE]); 4];
        for (t, pair) in pairs.iter_mut().enumerate() {
            let (a, b) = sides(1 + group * 4 + t);
            *pair = (from(a), from(b));
        }
        for (i, sum) in sums.iter_mut().enumerate() {
            let mut total = *sum;
            for t in 0..4 {
                total += weights[t] * (pairs[t].0[i] + pairs[t].1[i]);
            }
            *sum = total;
        }
    }
    for (offset, &weight) in (1 + fours.len() * 4..).zip(rest) {
        let (a, b) = sides(offset);
        let (a, b) = (from(a), from(b));
        for i in 0..WIDE {
            sums[i] += weight * (a[i] + b[i]);
        }
    }
    sums
}

/// Moves every pixel by a field of displacements: torchvision v2's `elastic` on PIL images.
///
/// There are two interpolations, `Nearest` (which `Box` means too) and `Bilinear` (all others). Beyond the edges lies black; what
/// it is blended with is blended with `fill` by the same share once more, and rounded, as there. Errs when the image is not of
/// the displacement's size.
pub fn elastic(
    image: &RgbImage,
    displacement: &Displacement,
    interpolation: Filter,
    fill: [u8; 3],
) -> Result<RgbImage, Error> {
    let Displacement { width, height, .. } = *displacement;
    if (image.width(), image.height()) != (width, height) {
        let found = format!("{}x{}", image.width(), image.height());
        return Err(wrong(
            "elastic image size",
            format!("that of the displacement, {width}x{height}"),
            found,
        ));
    }
    Ok(displaced(image, displacement, interpolation, fill))
}

/// [`elastic`] with the field that a seed gives.
pub(crate) fn elastic_from_seed(
    image: &RgbImage,
    alpha: (f64, f64),
    sigma: (f64, f64),
    seed: u64,
    interpolation: Filter,
    fill: [u8; 3],
) -> RgbImage {
    let displacement = Displacement::random(image.width(), image.height(), alpha, sigma, seed);
    displaced(image, &displacement, interpolation, fill)
}

fn displaced(image: &RgbImage, field: &Displacement, interpolation: Filter, fill: [u8; 3]) -> RgbImage {
    let mut result = RgbImage::filled(image.width(), image.height(), fill);
    let nearest = matches!(interpolation, Filter::Nearest | Filter::Box);
    vectorised(
        #[inline(always)]
        || {
            if nearest {
                look_up(image, field, &mut result);
            } else {
                blend(image, field, fill, &mut result);
            }
        },
    );
    result
}

#[inline(always)]
fn look_up(image: &RgbImage, field: &Displacement, result: &mut RgbImage) {
    let width = image.width() as usize;
    let source = image.data().as_chunks::<3>().0;
    let index = |position: f32, len: u32| {
        let nearest = position.round_ties_even();
        (nearest >= 0.0 && nearest < len as f32).then_some(nearest as usize)
    };
    for (i, pixel) in result.data_mut().as_chunks_mut::<3>().0.iter_mut().enumerate() {
        let x = index((i % width) as f32 + field.right[i], image.width());
        let y = index((i / width) as f32 + field.down[i], image.height());
        if let (Some(x), Some(y)) = (x, y) {
            *pixel = source[y * width + x];
        }
    }
}

#[inline(always)]
fn blend(image: &RgbImage, field: &Displacement, fill: [u8; 3], result: &mut RgbImage) {
    let width = image.width() as usize;
    let (last_x, last_y) = (image.width() as f32 - 1.0, image.height() as f32 - 1.0);
    let data = image.data();
    let rows = field.right.chunks_exact(width).zip(field.down.chunks_exact(width));
    for (y, ((right, down), row)) in rows.zip(result.data_mut().chunks_exact_mut(width * 3)).enumerate() {
        for (run, pixels) in row.chunks_mut(RUN * 3).enumerate() {
            let start = run * RUN;
            let count = pixels.len() / 3;
            let (mut xs, mut ys) = ([-1.0; RUN], [-1.0; RUN]);
            for i in 0..count {
                xs[i] = (start + i) as f32 + right[start + i];
                ys[i] = y as f32 + down[start + i];
            }
            let mut outside = count < RUN;
            for i in 0..RUN {
                outside |= !((xs[i] >= 0.0) & (xs[i] < last_x) & (ys[i] >= 0.0) & (ys[i] < last_y));
            }
            if outside {
                for (pixel, (&x, &y)) in pixels.as_chunks_mut::<3>().0.iter_mut().zip(xs.iter().zip(&ys)) {
                    *pixel = at_edge(image, x, y, fill);
                }
                continue;
            }
            let (mut upper, mut lower) = ([0; RUN], [0; RUN]);
            for i in 0..RUN {
                let (left, top) = (xs[i].floor(), ys[i].floor());
                upper[i] = (top as i32 as u64 * width as u64 + left as i32 as u64) * 3;
                lower[i] = upper[i] + width as u64 * 3;
                (xs[i], ys[i]) = (xs[i] - left, ys[i] - top);
            }
            for i in 0..RUN {
                upper[i] = eight(data, upper[i]);
                lower[i] = eight(data, lower[i]);
            }
            let mut values = [[0; RUN]; 3];
            for (channel, values) in values.iter_mut().enumerate() {
                let corners = [
                    bytes(&upper, channel),
                    bytes(&upper, channel + 3),
                    bytes(&lower, channel),
                    bytes(&lower, channel + 3),
                ];
                for i in 0..RUN {
                    let (x, y) = (xs[i], ys[i]);
                    let upper = corners[0][i] * ((1.0 - x) * (1.0 - y)) + corners[1][i] * (x * (1.0 - y));
                    let lower = corners[2][i] * ((1.0 - x) * y) + corners[3][i] * (x * y);
                    // Added to 2^23, a number is rounded, ties to even, and lies in the lowest bits.
                    values[i] = (upper + lower + (1 << 23) as f32).to_bits() as u8;
                }
            }
            for (i, pixel) in pixels.as_chunks_mut::<3>().0.iter_mut().enumerate() {
                *pixel = [values[0][i], values[1][i], values[2][i]];
            }
        }
    }
}

/// One byte of each number.
#[inline(always)]
fn bytes(words: &[u64; RUN], byte: usize) -> [f32; RUN] {
    let mut result = [0.0; RUN];
    for i in 0..RUN {
        result[i] = f32::from((words[i] >> (8 * byte)) as u8);
    }
    result
}

/// One pixel, of whose four neighbours some may lie outside the image.
#[inline(always)]
fn at_edge(image: &RgbImage, x: f32, y: f32, fill: [u8; 3]) -> [u8; 3] {
    let (left, top) = (x.floor(), y.floor());
    let (mut sums, mut inside) = ([0.0f32; 3], 0.0f32);
    for (row, share_y) in [(top, 1.0 - (y - top)), (top + 1.0, y - top)] {
        for (column, share_x) in [(left, 1.0 - (x - left)), (left + 1.0, x - left)] {
            let within = |value: f32, len: u32| value >= 0.0 && value < len as f32;
            if within(column, image.width()) && within(row, image.height()) {
                let weight = share_x * share_y;
                inside += weight;
                let pixel = image.pixel(column as u32, row as u32);
                sums.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += weight * f32::from(value));
            }
        }
    }
    let mut result = fill;
    for (value, sum) in result.iter_mut().zip(sums) {
        let fill = f32::from(*value);
        *value = ((sum - fill) * inside + fill).round_ties_even() as u8;
    }
    result
}

/// Elastic deformation drawn at random: `torchvision.transforms.v2.ElasticTransform`, after Simard et al. 2003.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ElasticTransform {
    alpha: (f64, f64),
    sigma: (f64, f64),
    interpolation: Filter,
    fill: [u8; 3],
}

impl ElasticTransform {
    /// `alpha` is how strong the displacement is, `sigma` how smooth, both in pixels along x and y; see
    /// [`Displacement::random`]. torchvision's defaults are 50 and 5. Bilinear, black outside.
    ///
    /// Errs unless `alpha` is within 0..=100,000 and `sigma` within 0..=1000.
    pub fn new(alpha: (f64, f64), sigma: (f64, f64)) -> Result<Self, Error> {
        check_within("ElasticTransform alpha x", alpha.0, 0.0..=1e5)?;
        check_within("ElasticTransform alpha y", alpha.1, 0.0..=1e5)?;
        check_within("ElasticTransform sigma x", sigma.0, 0.0..=MAX_SIGMA)?;
        check_within("ElasticTransform sigma y", sigma.1, 0.0..=MAX_SIGMA)?;
        Ok(Self { alpha, sigma, interpolation: Filter::Bilinear, fill: [0; 3] })
    }

    /// Sets the interpolation, `Nearest` or `Bilinear`, and the colour outside the image; see [`elastic`].
    #[must_use]
    pub fn filter(mut self, interpolation: Filter, fill: [u8; 3]) -> Self {
        (self.interpolation, self.fill) = (interpolation, fill);
        self
    }
}

impl Transform for ElasticTransform {
    fn draw(&self, view: &mut View, rng: &mut Rng) {
        let Self { alpha, sigma, interpolation, fill } = *self;
        view.push(Op::Elastic { alpha, sigma, seed: rng.next_u64(), interpolation, fill });
    }
}

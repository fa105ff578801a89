//! Interpolation at arbitrary positions, for any map from output to input positions.
//!
//! Runs of pixels are worked on together: their positions and weights in vectors, the look-ups one by one, the
//! arithmetic in vectors again.

use crate::Filter;
use crate::simd::vectorised;
use visrep_decode::RgbImage;

/// How many pixels are worked on together.
pub(super) const RUN: usize = 16;

/// From an output to an input position.
pub(super) trait Map {
    /// The input position (x, y) that the output position (`x`, `y`) shows.
    fn at(&self, x: f64, y: f64) -> (f64, f64);
}

/// The matrix of [`crate::affine`].
pub(super) struct Affine(pub [f64; 6]);

impl Map for Affine {
    #[inline(always)]
    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let [a, b, c, d, e, f] = self.0;
        (a * x + b * y + c, d * x + e * y + f)
    }
}

/// The coefficients of [`crate::perspective`].
pub(super) struct Perspective(pub [f64; 8]);

impl Map for Perspective {
    #[inline(always)]
    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let [a, b, c, d, e, f, g, h] = self.0;
        let depth = g * x + h * y + 1.0;
        ((a * x + b * y + c) / depth, (d * x + e * y + f) / depth)
    }
}

/// What is drawn on: its size, and the colour of what no pixel of the input falls on.
#[derive(Clone, Copy)]
pub(super) struct Canvas {
    pub width: u32,
    pub height: u32,
    pub fill: [u8; 3],
}

impl Canvas {
    /// Of the size of an image.
    pub(super) fn like(image: &RgbImage, fill: [u8; 3]) -> Self {
        Self { width: image.width(), height: image.height(), fill }
    }
}

/// Interpolates where `map` says; `Bicubic` and `Lanczos` with sixteen neighbours, the others with four.
pub(super) fn interpolate(image: &RgbImage, filter: Filter, canvas: Canvas, map: &impl Map) -> RgbImage {
    if !matches!(filter, Filter::Bicubic | Filter::Lanczos) {
        return vectorised(
            #[inline(always)]
            || bilinear(image, canvas, map),
        );
    }
    let padded = Padded::new(image);
    vectorised(
        #[inline(always)]
        || bicubic(image, &padded, canvas, map),
    )
}

/// Positions of a run of output pixels in the input.
struct Positions {
    x: [f64; RUN],
    y: [f64; RUN],
    /// 255 where the position lies in the image, else 0.
    inside: [u8; RUN],
}

impl Positions {
    /// Of the run that starts at pixel `start` of the row whose centre is at `y`.
    #[inline(always)]
    fn new(start: usize, y: f64, size: (f64, f64), map: &impl Map) -> Self {
        let mut positions = Self { x: [0.0; RUN], y: [0.0; RUN], inside: [0; RUN] };
        let start = start as f64;
        for i in 0..RUN {
            let (x, y) = map.at(start + i as f64 + 0.5, y);
            let inside = (x >= 0.0) & (x < size.0) & (y >= 0.0) & (y < size.1);
            positions.inside[i] = if inside { 255 } else { 0 };
            // Half a pixel less: from the corner of the first pixel to its centre.
            (positions.x[i], positions.y[i]) = (x - 0.5, y - 0.5);
        }
        positions
    }
}

/// `value` held within `low..=high`, `low` for what is no number.
#[inline(always)]
fn hold(value: f64, low: f64, high: f64) -> f64 {
    let value = if value > low { value } else { low };
    if value < high { value } else { high }
}

/// The bits of 2^52, in front of which a whole number below 2^52 stands as it is: the conversion that every instruction set has.
const WHOLE: f64 = 4_503_599_627_370_496.0;

/// A whole number from 0 to 2^52 - 1 as an index.
#[inline(always)]
pub(super) fn whole(value: f64) -> u64 {
    (value + WHOLE).to_bits() & 0xF_FFFF_FFFF_FFFF
}

/// The eight bytes from `at` on, zeros behind the end.
#[inline(always)]
pub(super) fn eight(data: &[u8], at: u64) -> u64 {
    let at = at as usize;
    match data.get(at..at + 8).and_then(<[u8]>::first_chunk) {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => last_bytes(data, at),
    }
}

#[cold]
fn last_bytes(data: &[u8], at: usize) -> u64 {
    let rest = data.get(at..).unwrap_or_default();
    rest.iter().take(8).rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
}

/// One byte of each number.
#[inline(always)]
fn bytes(words: &[u64; RUN], byte: usize) -> [f64; RUN] {
    let mut result = [0.0; RUN];
    for i in 0..RUN {
        result[i] = f64::from((words[i] >> (8 * byte)) as u8);
    }
    result
}

/// Calls `f` for each run of the image that has a pixel inside, with its positions, and writes what it returns, one array per
/// channel, where the positions are inside.
#[inline(always)]
fn for_runs(
    image: &RgbImage,
    Canvas { width, height, fill }: Canvas,
    map: &impl Map,
    mut f: impl FnMut(&Positions) -> [[u8; RUN]; 3],
) -> RgbImage {
    let mut result = RgbImage::filled(width, height, fill);
    let size = (f64::from(image.width()), f64::from(image.height()));
    let stride = result.width() as usize * 3;
    let mut y = 0.5;
    for row in result.data_mut().chunks_exact_mut(stride) {
        for (run, pixels) in row.chunks_mut(RUN * 3).enumerate() {
            let positions = Positions::new(run * RUN, y, size, map);
            if positions.inside == [0; RUN] {
                continue;
            }
            let values = f(&positions);
            let mut interleaved = [0; RUN * 3];
            for i in 0..RUN {
                for channel in 0..3 {
                    let inside = positions.inside[i];
                    interleaved[i * 3 + channel] = values[channel][i] & inside | fill[channel] & !inside;
                }
            }
            let len = pixels.len();
            pixels.copy_from_slice(&interleaved[..len]);
        }
        y += 1.0;
    }
    result
}

/// The whole part of numbers from 0 to 255.
#[inline(always)]
fn cut_off(values: [f64; RUN]) -> [u8; RUN] {
    let mut result = [0; RUN];
    for i in 0..RUN {
        result[i] = (values[i].floor() + WHOLE).to_bits() as u8;
    }
    result
}

#[inline(always)]
fn blend(a: &[f64; RUN], b: &[f64; RUN], share: &[f64; RUN]) -> [f64; RUN] {
    let mut result = [0.0; RUN];
    for i in 0..RUN {
        result[i] = a[i] + (b[i] - a[i]) * share[i];
    }
    result
}

/// The mean of the four pixels around the position, weighted by how near they are.
#[inline(always)]
fn bilinear(image: &RgbImage, canvas: Canvas, map: &impl Map) -> RgbImage {
    let data = image.data();
    let (last_x, last_y) = (f64::from(image.width() - 1), f64::from(image.height() - 1));
    // The left one of two neighbours; at the right edge the right one has all the weight.
    let last_left = if last_x > 1.0 { last_x - 1.0 } else { 0.0 };
    let stride = f64::from(image.width()) * 3.0;
    for_runs(
        image,
        canvas,
        map,
        #[inline(always)]
        |positions| {
            let (mut upper, mut lower) = ([0; RUN], [0; RUN]);
            let (mut dx, mut dy) = ([0.0; RUN], [0.0; RUN]);
            for i in 0..RUN {
                let x = hold(positions.x[i], 0.0, last_x);
                let left = hold(x.floor(), 0.0, last_left);
                let top = positions.y[i].floor();
                dx[i] = x - left;
                dy[i] = positions.y[i] - top;
                upper[i] = whole(hold(top, 0.0, last_y) * stride + left * 3.0);
                lower[i] = whole(hold(top + 1.0, 0.0, last_y) * stride + left * 3.0);
            }
            for i in 0..RUN {
                upper[i] = eight(data, upper[i]);
                lower[i] = eight(data, lower[i]);
            }
            let mut values = [[0; RUN]; 3];
            for (channel, values) in values.iter_mut().enumerate() {
                let upper = blend(&bytes(&upper, channel), &bytes(&upper, channel + 3), &dx);
                let lower = blend(&bytes(&lower, channel), &bytes(&lower, channel + 3), &dx);
                *values = cut_off(blend(&upper, &lower, &dy));
            }
            values
        },
    )
}

/// The image with its outermost columns repeated twice to each side, four bytes for a pixel.
struct Padded {
    data: Vec<u8>,
    /// Bytes of a row.
    stride: usize,
}

impl Padded {
    #[inline(always)]
    fn new(image: &RgbImage) -> Self {
        let stride = (image.width() as usize + 4) * 4;
        let mut data = vec![0; stride * image.height() as usize];
        for (y, target) in (0..image.height()).zip(data.chunks_exact_mut(stride)) {
            let target = target.as_chunks_mut::<4>().0;
            let row = image.row(y).as_chunks::<3>().0;
            for (to, from) in target[2..].iter_mut().zip(row) {
                to[..3].copy_from_slice(from);
            }
            let last = target.len() - 3;
            for i in 0..2 {
                (target[i], target[last + 1 + i]) = (target[2], target[last]);
            }
        }
        Self { data, stride }
    }
}

/// Four neighbouring pixels of a run of positions: the bytes of the first two, and those of the others.
struct Neighbours {
    left: [u64; RUN],
    right: [u64; RUN],
}

impl Neighbours {
    /// From where they begin.
    #[inline(always)]
    fn new(starts: &[u64; RUN], padded: &Padded) -> Self {
        let mut four = Self { left: [0; RUN], right: [0; RUN] };
        for (i, &start) in starts.iter().enumerate() {
            let at = start as usize;
            if let Some(bytes) = padded.data.get(at..at + 16).and_then(<[u8]>::first_chunk) {
                let pixels = u128::from_le_bytes(*bytes);
                (four.left[i], four.right[i]) = (pixels as u64, (pixels >> 64) as u64);
            }
        }
        four
    }

    /// One channel of the four.
    #[inline(always)]
    fn channel(&self, channel: usize) -> [[f64; RUN]; 4] {
        [
            bytes(&self.left, channel),
            bytes(&self.left, channel + 4),
            bytes(&self.right, channel),
            bytes(&self.right, channel + 4),
        ]
    }
}

#[inline(always)]
fn cubic([v1, v2, v3, v4]: &[[f64; RUN]; 4], d: &[f64; RUN]) -> [f64; RUN] {
    let mut result = [0.0; RUN];
    for i in 0..RUN {
        let slope = -v1[i] + v3[i];
        let square = 2.0 * (v1[i] - v2[i]) + v3[i] - v4[i];
        let cube = -v1[i] + v2[i] - v3[i] + v4[i];
        result[i] = v2[i] + d[i] * (slope + d[i] * (square + d[i] * cube));
    }
    result
}

/// The cubic convolution of the sixteen pixels around the position.
#[inline(always)]
fn bicubic(image: &RgbImage, padded: &Padded, canvas: Canvas, map: &impl Map) -> RgbImage {
    let (last_x, last_y) = (f64::from(image.width() - 1), f64::from(image.height() - 1));
    let stride = padded.stride as f64;
    for_runs(
        image,
        canvas,
        map,
        #[inline(always)]
        |positions| {
            let (mut dx, mut dy) = ([0.0; RUN], [0.0; RUN]);
            let mut rows = [[0; RUN]; 4];
            for i in 0..RUN {
                let (left, top) = (positions.x[i].floor(), positions.y[i].floor());
                dx[i] = positions.x[i] - left;
                dy[i] = positions.y[i] - top;
                // The column before `left`, behind the two of padding.
                let column = (hold(left, -1.0, last_x) + 1.0) * 4.0;
                for (row, starts) in rows.iter_mut().enumerate() {
                    starts[i] = whole(hold(top + row as f64 - 1.0, 0.0, last_y) * stride + column);
                }
            }
            let neighbours = rows.map(
                #[inline(always)]
                |starts| Neighbours::new(&starts, padded),
            );
            let mut values = [[0; RUN]; 3];
            for (channel, values) in values.iter_mut().enumerate() {
                let mut columns = [[0.0; RUN]; 4];
                for (column, row) in columns.iter_mut().zip(&neighbours) {
                    *column = cubic(&row.channel(channel), &dx);
                }
                let mut result = cubic(&columns, &dy);
                result.iter_mut().for_each(|value| *value = hold(*value, 0.0, 255.0));
                *values = cut_off(result);
            }
            values
        },
    )
}

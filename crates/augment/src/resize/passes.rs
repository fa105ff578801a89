//! The two passes of a resize: weighted sums of pixels along the rows, and of whole rows.

use super::weights::{BITS, Weights};
use crate::simd::vectorised;

/// Rows of interleaved RGB: `width` pixels each, which start `stride` bytes apart.
pub(super) struct Rows<'a> {
    pub(super) data: &'a [u8],
    pub(super) stride: usize,
    pub(super) width: usize,
}

impl<'a> Rows<'a> {
    #[inline(always)]
    pub(super) fn row(&self, y: usize) -> &'a [u8] {
        &self.data[y * self.stride..][..self.width * 3]
    }
}

/// How many rows the horizontal pass works on together.
const BAND: usize = 8;

/// One column of a band: four bytes of each row, of which the last belongs to the next pixel.
type Column = [u8; BAND * 4];

/// How many bytes of a row the vertical pass works on together.
const RUN: usize = 64;

/// A sum of weighted values, rounded to 8 bits.
#[inline(always)]
fn rounded<const N: usize>(sums: [i32; N]) -> [u8; N] {
    let mut result = [0; N];
    for i in 0..N {
        result[i] = (sums[i] >> BITS).clamp(0, 255) as u8;
    }
    result
}

/// Adds `values` times `weight`. What overflows wraps around, as in Pillow.
#[inline(always)]
fn add<const N: usize>(sums: &mut [i32; N], values: &[u8; N], weight: i32) {
    for i in 0..N {
        sums[i] = sums[i].wrapping_add(i32::from(values[i]).wrapping_mul(weight));
    }
}

const HALF: i32 = 1 << (BITS - 1);

/// Resizes the rows `from..to` to as many pixels as there are windows in `weights`.
pub(super) fn horizontal(source: &Rows<'_>, (from, to): (usize, usize), weights: &Weights) -> Vec<u8> {
    let width = weights.iter().count();
    let (first, end) = weights.source();
    let mut result = vec![0; width * 3 * (to - from)];
    let mut band = vec![[0; BAND * 4]; end - first];
    vectorised(
        #[inline(always)]
        || {
            for (i, rows) in result.chunks_mut(width * 3 * BAND).enumerate() {
                let start = from + i * BAND;
                load_band(source, start, to, first, &mut band);
                for (x, (column, weights)) in weights.iter().enumerate() {
                    let mut sums = [HALF; BAND * 4];
                    for (column, &weight) in band[column - first..].iter().zip(weights) {
                        add(&mut sums, column, weight);
                    }
                    let pixels = rounded(sums);
                    for (row, pixel) in rows.chunks_exact_mut(width * 3).zip(pixels.as_chunks::<4>().0) {
                        row[x * 3..x * 3 + 3].copy_from_slice(&pixel[..3]);
                    }
                }
            }
        },
    );
    result
}

/// Copies the pixels from `first` on of up to eight rows from `start` on into columns.
#[inline(always)]
fn load_band(source: &Rows<'_>, start: usize, end: usize, first: usize, band: &mut [Column]) {
    for (r, y) in (start..end).take(BAND).enumerate() {
        let row = &source.row(y)[first * 3..][..band.len() * 3];
        let Some((last, others)) = band.split_last_mut() else { return };
        for (x, column) in others.iter_mut().enumerate() {
            column[r * 4..r * 4 + 4].copy_from_slice(&row[x * 3..x * 3 + 4]);
        }
        last[r * 4..r * 4 + 3].copy_from_slice(&row[row.len() - 3..]);
    }
}

/// Makes as many rows as there are windows in `weights`; the first row of `source` is the one of index `first`.
pub(super) fn vertical(source: &Rows<'_>, first: usize, weights: &Weights) -> Vec<u8> {
    let stride = source.width * 3;
    let row = |y: usize| source.row(y - first);
    let height = weights.iter().count();
    let mut result = vec![0; stride * height];
    vectorised(
        #[inline(always)]
        || {
            for (target, (start, weights)) in result.chunks_exact_mut(stride).zip(weights.iter()) {
                let (runs, rest) = target.as_chunks_mut::<RUN>();
                for (i, run) in runs.iter_mut().enumerate() {
                    let mut sums = [HALF; RUN];
                    for (y, &weight) in (start..).zip(weights) {
                        if let Some(values) = row(y)[i * RUN..].first_chunk() {
                            add(&mut sums, values, weight);
                        }
                    }
                    *run = rounded(sums);
                }
                if rest.is_empty() {
                    continue;
                }
                let mut sums = [HALF; RUN];
                for (y, &weight) in (start..).zip(weights) {
                    let mut values = [0; RUN];
                    values[..rest.len()].copy_from_slice(&row(y)[stride - rest.len()..]);
                    add(&mut sums, &values, weight);
                }
                let len = rest.len();
                rest.copy_from_slice(&rounded(sums)[..len]);
            }
        },
    );
    result
}

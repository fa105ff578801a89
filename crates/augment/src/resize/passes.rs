//! The arithmetic of a resize, weighted sums of bytes, and the vertical pass, which sums whole rows.

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

/// Where a sum starts, so that it is rounded.
const HALF: i32 = 1 << (BITS - 1);

#[inline(always)]
fn rounded(sum: i32) -> u8 {
    (sum >> BITS).clamp(0, 255) as u8
}

/// The sums of `N` bytes at a time, `taps` of them for each, rounded to 8 bits. What overflows wraps around, as in Pillow.
///
/// Taps are added up to eight at a time: sums to which they are added one by one would go through memory each time.
#[inline(always)]
pub(super) fn sums<'a, const N: usize>(weights: &[i32], tap: impl Fn(usize) -> &'a [u8; N]) -> [u8; N] {
    macro_rules! unrolled {
        ($($count:literal)*) => {
            match weights.len() {
                $($count => few::<$count, N>(weights, tap),)*
                _ => many(weights, tap),
            }
        };
    }
    unrolled!(1 2 3 4 5 6 7 8)
}

#[inline(always)]
fn few<'a, const TAPS: usize, const N: usize>(
    weights: &[i32],
    tap: impl Fn(usize) -> &'a [u8; N],
) -> [u8; N] {
    let mut taps = [&[0; N]; TAPS];
    let mut factors = [0; TAPS];
    for t in 0..TAPS {
        (taps[t], factors[t]) = (tap(t), weights[t]);
    }
    let mut result = [0; N];
    for i in 0..N {
        let mut sum = HALF;
        for t in 0..TAPS {
            sum = sum.wrapping_add(i32::from(taps[t][i]).wrapping_mul(factors[t]));
        }
        result[i] = rounded(sum);
    }
    result
}

#[inline(always)]
fn many<'a, const N: usize>(weights: &[i32], tap: impl Fn(usize) -> &'a [u8; N]) -> [u8; N] {
    let mut sums = [HALF; N];
    let (eights, rest) = weights.as_chunks::<8>();
    for (group, weights) in eights.iter().enumerate() {
        let mut taps = [&[0; N]; 8];
        for (t, values) in taps.iter_mut().enumerate() {
            *values = tap(group * 8 + t);
        }
        for i in 0..N {
            let mut sum = sums[i];
            for t in 0..8 {
                sum = sum.wrapping_add(i32::from(taps[t][i]).wrapping_mul(weights[t]));
            }
            sums[i] = sum;
        }
    }
    for (t, &weight) in (eights.len() * 8..).zip(rest) {
        let values = tap(t);
        for i in 0..N {
            sums[i] = sums[i].wrapping_add(i32::from(values[i]).wrapping_mul(weight));
        }
    }
    let mut result = [0; N];
    for i in 0..N {
        result[i] = rounded(sums[i]);
    }
    result
}

/// How many bytes of a row the vertical pass works on together.
const RUN: usize = 96;

/// Makes as many rows as there are windows in `weights`; the first row of `source` is the one of index `first`.
pub(super) fn vertical(source: &Rows<'_>, first: usize, weights: &Weights, result: &mut [u8]) {
    let (len, stride) = (source.width * 3, source.stride);
    // What is shorter than a run is copied to where there is room for one.
    let padded = if len < RUN { padded(source) } else { Vec::new() };
    let (data, stride) = if len < RUN { (&padded[..], RUN) } else { (source.data, stride) };
    vectorised(
        #[inline(always)]
        || {
            for (target, (start, weights)) in result.chunks_exact_mut(len).zip(weights.iter()) {
                let rows = &data[(start - first) * stride..];
                let mut at = 0;
                while at < len {
                    // The last run overlaps the one before it.
                    at = at.min(len.saturating_sub(RUN));
                    let run = sums(
                        weights,
                        #[inline(always)]
                        |y| rows[y * stride + at..].first_chunk::<RUN>().unwrap_or(&[0; RUN]),
                    );
                    let room = &mut target[at..];
                    let count = room.len().min(RUN);
                    room[..count].copy_from_slice(&run[..count]);
                    at += RUN;
                }
            }
        },
    );
}

/// All rows, one behind the other, [`RUN`] bytes apart.
fn padded(source: &Rows<'_>) -> Vec<u8> {
    let len = source.width * 3;
    let rows = source.data.len().saturating_sub(len) / source.stride + 1;
    let mut padded = vec![0; rows * RUN];
    for (y, row) in padded.chunks_exact_mut(RUN).enumerate() {
        row[..len].copy_from_slice(source.row(y));
    }
    padded
}

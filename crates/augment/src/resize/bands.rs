//! The horizontal pass, on bands of rows laid out so that a pixel of all of them is one vector.

use super::passes::{Rows, sums};
use super::weights::Weights;
use crate::simd::{GROUP, Pixels, vectorised};

/// How many rows are worked on together.
const BAND: usize = 2 * GROUP;

/// One pixel of a band: four bytes of each row, of which the last does not matter.
type Column = [u8; BAND * 4];

/// How many bytes of scratch [`horizontal`] needs.
pub(super) fn scratch_len(weights: &Weights) -> usize {
    let (first, end) = weights.source();
    (end - first + weights.count()) * BAND * 4
}

/// Resizes the rows `from..to` to as many pixels as there are windows in `weights`.
pub(super) fn horizontal(
    source: &Rows<'_>,
    (from, to): (usize, usize),
    weights: &Weights,
    result: &mut [u8],
    scratch: &mut [u8],
) {
    let width = weights.count();
    let (first, end) = weights.source();
    let pixels = Pixels::detect();
    let (band, made) = scratch.as_chunks_mut::<{ BAND * 4 }>().0.split_at_mut(end - first);
    vectorised(
        #[inline(always)]
        || {
            for (i, target) in result.chunks_mut(width * 3 * BAND).enumerate() {
                load(pixels, source, (first, end), (from + i * BAND, to), band);
                for (made, (column, weights)) in made.iter_mut().zip(weights.iter()) {
                    let columns = &band[column - first..][..weights.len()];
                    *made = sums(
                        weights,
                        #[inline(always)]
                        |x| &columns[x],
                    );
                }
                store(pixels, &made[..width], target);
            }
        },
    );
}

/// Copies the pixels `first..end` of the rows `from..to`, a band of them at most, into columns.
#[inline(always)]
fn load(
    pixels: Pixels,
    source: &Rows<'_>,
    (first, end): (usize, usize),
    (from, to): (usize, usize),
    band: &mut [Column],
) {
    for group in 0..BAND / GROUP {
        let mut rows = [&[][..]; GROUP];
        for (r, row) in rows.iter_mut().enumerate() {
            // Behind the last row it is taken again.
            *row = &source.row((from + group * GROUP + r).min(to - 1))[first * 3..end * 3];
        }
        let mut done = 0;
        while done * 3 + 16 <= rows[0].len() {
            let mut quads = [&[0; 16]; GROUP];
            for r in 0..GROUP {
                if let Some(quad) = rows[r][done * 3..].first_chunk() {
                    quads[r] = quad;
                }
            }
            let columns = pixels.columns(quads);
            for i in 0..4 {
                band[done + i][group * GROUP * 4..][..GROUP * 4].copy_from_slice(&columns[i]);
            }
            done += 4;
        }
        for (x, column) in band.iter_mut().enumerate().skip(done) {
            for (r, row) in rows.iter().enumerate() {
                let at = (group * GROUP + r) * 4;
                column[at..at + 3].copy_from_slice(&row[x * 3..x * 3 + 3]);
            }
        }
    }
}

/// Copies columns into as many rows as `target` has room for.
#[inline(always)]
fn store(pixels: Pixels, columns: &[Column], target: &mut [u8]) {
    let stride = columns.len() * 3;
    for (group, target) in target.chunks_mut(stride * GROUP).enumerate() {
        let at = group * GROUP * 4;
        let (quads, rest) = columns.as_chunks::<4>();
        for (x, quad) in quads.iter().enumerate() {
            let mut four = [&[0; GROUP * 4]; 4];
            for i in 0..4 {
                if let Some(part) = quad[i][at..].first_chunk() {
                    four[i] = part;
                }
            }
            let rows = pixels.rows(four);
            for (target, row) in target.chunks_exact_mut(stride).zip(&rows) {
                target[x * 12..x * 12 + 12].copy_from_slice(&row[..12]);
            }
        }
        for (x, column) in (quads.len() * 4..).zip(rest) {
            for (target, pixel) in target.chunks_exact_mut(stride).zip(column[at..].as_chunks::<4>().0) {
                target[x * 3..x * 3 + 3].copy_from_slice(&pixel[..3]);
            }
        }
    }
}

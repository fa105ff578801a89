//! Mirroring.

use crate::error::check_within;
use crate::simd::vectorised;
use crate::{Error, Op, Rng, Transform, View};
use rand::RngExt as _;
use visrep_decode::RgbImage;

/// Mirrors left and right in place.
pub fn flip_horizontal(image: &mut RgbImage) {
    let stride = image.width() as usize * 3;
    vectorised(
        #[inline(always)]
        || {
            for row in image.data_mut().chunks_exact_mut(stride) {
                mirror(row);
            }
        },
    );
}

/// How many pixels [`mirror`] swaps at a time.
const RUN: usize = 16;

#[inline(always)]
fn mirror(row: &mut [u8]) {
    let middle = row.len() / 6 * 3;
    let (left, rest) = row.split_at_mut(middle);
    let right_start = rest.len() - middle;
    let right = &mut rest[right_start..];
    let (left_runs, left_rest) = left.as_chunks_mut::<{ RUN * 3 }>();
    let (right_rest, right_runs) = right.as_rchunks_mut::<{ RUN * 3 }>();
    for (a, b) in left_runs.iter_mut().zip(right_runs.iter_mut().rev()) {
        (*a, *b) = (mirrored(b), mirrored(a));
    }
    let (a, b) = (left_rest.as_chunks_mut::<3>().0, right_rest.as_chunks_mut::<3>().0);
    for (a, b) in a.iter_mut().zip(b.iter_mut().rev()) {
        std::mem::swap(a, b);
    }
}

#[inline(always)]
fn mirrored(run: &[u8; RUN * 3]) -> [u8; RUN * 3] {
    let mut result = [0; RUN * 3];
    for i in 0..RUN {
        for channel in 0..3 {
            result[i * 3 + channel] = run[(RUN - 1 - i) * 3 + channel];
        }
    }
    result
}

/// Mirrors left and right with probability `p`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RandomHorizontalFlip {
    p: f64,
}

impl RandomHorizontalFlip {
    /// Errs unless `p` is within 0..=1.
    pub fn new(p: f64) -> Result<Self, Error> {
        check_within("RandomHorizontalFlip p", p, 0.0..=1.0)?;
        Ok(Self { p })
    }
}

impl Transform for RandomHorizontalFlip {
    fn draw(&self, view: &mut View, rng: &mut Rng) {
        if rng.random_bool(self.p) {
            view.push(Op::FlipHorizontal);
        }
    }
}

//! Mirroring.

use crate::error::check_within;
use crate::simd::{Pixels, vectorised};
use crate::{Error, Op, Rng, Transform, View};
use rand::RngExt as _;
use visrep_decode::RgbImage;

/// Mirrors left and right in place.
pub fn flip_horizontal(image: &mut RgbImage) {
    let stride = image.width() as usize * 3;
    let pixels = Pixels::detect();
    vectorised(
        #[inline(always)]
        || {
            for row in image.data_mut().chunks_exact_mut(stride) {
                mirror(pixels, row);
            }
        },
    );
}

/// Turns the image upside down in place: mirrored along both axes.
pub(crate) fn turn_around(image: &mut RgbImage) {
    let pixels = Pixels::detect();
    vectorised(
        #[inline(always)]
        || mirror(pixels, image.data_mut()),
    );
}

/// Mirrors top and bottom in place.
pub fn flip_vertical(image: &mut RgbImage) {
    let stride = image.width() as usize * 3;
    let half = image.height() as usize / 2 * stride;
    let (upper, lower) = image.data_mut().split_at_mut(half);
    vectorised(
        #[inline(always)]
        || {
            for (a, b) in upper.chunks_exact_mut(stride).zip(lower.rchunks_exact_mut(stride)) {
                let (runs, rest) = a.as_chunks_mut::<64>();
                let (other_runs, other_rest) = b.as_chunks_mut::<64>();
                for (a, b) in runs.iter_mut().zip(other_runs) {
                    (*a, *b) = (*b, *a);
                }
                rest.swap_with_slice(other_rest);
            }
        },
    );
}

/// Sixteen bytes from `done` on, and as many at the same distance from the end.
#[inline(always)]
fn ends(left: &[u8], right: &[u8], done: usize) -> Option<([u8; 16], [u8; 16])> {
    Some((*left.get(done..)?.first_chunk()?, *right.get(..right.len() - done)?.last_chunk()?))
}

/// Puts the pixels of `row` in the opposite order.
#[inline(always)]
fn mirror(pixels: Pixels, row: &mut [u8]) {
    let half = row.len() / 6 * 3;
    let (left, rest) = row.split_at_mut(half);
    let right_start = rest.len() - half;
    let right = &mut rest[right_start..];
    // Five pixels from either end, and the byte next to them, which stays. The next ones are read before these are written:
    // reading what has just been written in part takes long.
    let mut done = 0;
    let mut next = ends(left, right, done);
    while let Some((a, b)) = next {
        next = if half - done > 30 { ends(left, right, done + 15) } else { None };
        left[done..done + 16].copy_from_slice(&pixels.last_five_reversed(&b, &a));
        right[half - done - 16..half - done].copy_from_slice(&pixels.first_five_reversed(&a, &b));
        done += 15;
    }
    let (a, b) = (left[done..].as_chunks_mut::<3>().0, right[..half - done].as_chunks_mut::<3>().0);
    for (a, b) in a.iter_mut().zip(b.iter_mut().rev()) {
        std::mem::swap(a, b);
    }
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

/// Mirrors top and bottom with probability `p`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RandomVerticalFlip {
    p: f64,
}

impl RandomVerticalFlip {
    /// Errs unless `p` is within 0..=1.
    pub fn new(p: f64) -> Result<Self, Error> {
        check_within("RandomVerticalFlip p", p, 0.0..=1.0)?;
        Ok(Self { p })
    }
}

impl Transform for RandomVerticalFlip {
    fn draw(&self, view: &mut View, rng: &mut Rng) {
        if rng.random_bool(self.p) {
            view.push(Op::FlipVertical);
        }
    }
}

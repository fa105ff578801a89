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

/// A new image, mirrored left and right: [`flip_horizontal`] for where the old one is still needed.
pub fn flipped_horizontal(image: &RgbImage) -> RgbImage {
    mirrored(image, image.width() as usize * 3)
}

/// A new image, mirrored top and bottom: [`flip_vertical`] for where the old one is still needed.
pub fn flipped_vertical(image: &RgbImage) -> RgbImage {
    let mut data = Vec::with_capacity(image.data().len());
    (0..image.height()).rev().for_each(|y| data.extend_from_slice(image.row(y)));
    with_data(image, data)
}

/// A new image, mirrored along both axes.
pub(crate) fn turned_around(image: &RgbImage) -> RgbImage {
    mirrored(image, image.data().len())
}

/// A new image in which each part of `length` bytes has its pixels in the opposite order.
fn mirrored(image: &RgbImage, length: usize) -> RgbImage {
    let mut data = Vec::with_capacity(image.data().len());
    let pixels = Pixels::detect();
    vectorised(
        #[inline(always)]
        || {
            for part in image.data().chunks_exact(length) {
                if !pixels.push_reversed(part, &mut data) {
                    let start = data.len();
                    data.extend_from_slice(part);
                    mirror(pixels, &mut data[start..]);
                }
            }
        },
    );
    with_data(image, data)
}

fn with_data(image: &RgbImage, data: Vec<u8>) -> RgbImage {
    RgbImage::new(image.width(), image.height(), data).expect("as many bytes as before")
}

/// Sixteen bytes from `done` on, and as many at the same distance from the end.
#[inline(always)]
fn ends(left: &[u8], right: &[u8], done: usize) -> Option<([u8; 16], [u8; 16])> {
    Some((*left.get(done..)?.first_chunk()?, *right.get(..right.len() - done)?.last_chunk()?))
}

/// Puts the pixels of `row` in the opposite order.
#[inline(always)]
fn mirror(pixels: Pixels, row: &mut [u8]) {
    let ends_done = pixels.swap_ends(row);
    let len = row.len();
    let row = &mut row[ends_done..len - ends_done];
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

#[cfg(test)]
mod tests {
    use super::*;

    /// In place and into a new image, pixel by pixel, for widths on every side of a run of vectors.
    #[test]
    fn every_size_is_mirrored() {
        for (width, height) in (1..70).map(|width| (width, 1 + width % 4)).chain([(224, 3), (1, 1), (32, 5)])
        {
            let pixel = |x: u32, y: u32| [x as u8, (y * 7) as u8, (x * 5 + y) as u8];
            let image = RgbImage::from_fn(width, height, pixel);
            let across = RgbImage::from_fn(width, height, |x, y| pixel(width - 1 - x, y));
            let down = RgbImage::from_fn(width, height, |x, y| pixel(x, height - 1 - y));
            let both = RgbImage::from_fn(width, height, |x, y| pixel(width - 1 - x, height - 1 - y));
            let changed = |change: fn(&mut RgbImage)| {
                let mut image = image.clone();
                change(&mut image);
                image
            };
            assert_eq!(changed(flip_horizontal), across, "{width} x {height}");
            assert_eq!(flipped_horizontal(&image), across, "{width} x {height}");
            assert_eq!(changed(flip_vertical), down, "{width} x {height}");
            assert_eq!(flipped_vertical(&image), down, "{width} x {height}");
            assert_eq!(turned_around(&image), both, "{width} x {height}");
        }
    }
}

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
    let mut original = Vec::with_capacity(stride);
    vectorised(
        #[inline(always)]
        || {
            for row in image.data_mut().chunks_exact_mut(stride) {
                original.clear();
                original.extend_from_slice(row);
                mirror_into(pixels, &original, row);
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
    let mut data = vec![0; image.data().len()];
    let pixels = Pixels::detect();
    vectorised(
        #[inline(always)]
        || {
            for (to, from) in data.chunks_exact_mut(length).zip(image.data().chunks_exact(length)) {
                mirror_into(pixels, from, to);
            }
        },
    );
    with_data(image, data)
}

/// Writes the pixels of `from` to `to` in the opposite order.
#[inline(always)]
fn mirror_into(pixels: Pixels, from: &[u8], to: &mut [u8]) {
    let len = from.len();
    let mut done = 0;
    // Twenty pixels, five at a time, each time with a byte too many that is written again.
    while let (Some(twenty), Some(target)) =
        (from[..len - done].last_chunk::<64>(), to[done..].first_chunk_mut::<61>())
    {
        for i in 0..4 {
            let (end, start) = (64 - i * 15, i * 15);
            if let Some(five) = twenty[..end].last_chunk() {
                target[start..start + 16].copy_from_slice(&pixels.last_five_reversed(five));
            }
        }
        done += 60;
    }
    let rest = from[..len - done].as_chunks::<3>().0;
    let target = to[done..].as_chunks_mut::<3>().0;
    target.iter_mut().zip(rest.iter().rev()).for_each(|(to, from)| *to = *from);
}

fn with_data(image: &RgbImage, data: Vec<u8>) -> RgbImage {
    RgbImage::new(image.width(), image.height(), data).expect("as many bytes as before")
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

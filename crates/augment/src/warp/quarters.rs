//! Turns by 90 degrees: rows become columns.

use crate::simd::{GROUP, Pixels, vectorised};
use visrep_decode::RgbImage;

/// Turned by 90 degrees, counter-clockwise or clockwise.
pub(super) fn turned(image: &RgbImage, counter_clockwise: bool) -> RgbImage {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let mut data = vec![0; image.data().len()];
    let pixels = Pixels::detect();
    vectorised(
        #[inline(always)]
        || {
            // Four columns become four rows; counter-clockwise the last column becomes the first row.
            for (i, rows) in data.chunks_mut(4 * height * 3).enumerate() {
                let count = rows.len() / (height * 3);
                let first = if counter_clockwise { width - i * 4 - count } else { i * 4 };
                let mut targets: [&mut [u8]; 4] = Default::default();
                for (j, row) in rows.chunks_exact_mut(height * 3).enumerate() {
                    targets[if counter_clockwise { count - 1 - j } else { j }] = row;
                }
                let done = if count == 4 {
                    groups(pixels, image, first, counter_clockwise, &mut targets)
                } else {
                    0
                };
                for (x, target) in (first..).zip(&mut targets[..count]) {
                    for (at, pixel) in target.as_chunks_mut::<3>().0.iter_mut().enumerate().skip(done) {
                        let y = if counter_clockwise { at } else { height - 1 - at };
                        pixel.copy_from_slice(&image.data()[(y * width + x) * 3..][..3]);
                    }
                }
            }
        },
    );
    RgbImage::new(image.height(), image.width(), data).expect("as many bytes as before")
}

/// Writes the columns from `first` on to `targets`, a group of pixels at a time; returns how many pixels of each are written.
#[inline(always)]
fn groups(
    pixels: Pixels,
    image: &RgbImage,
    first: usize,
    top_first: bool,
    targets: &mut [&mut [u8]; 4],
) -> usize {
    let stride = image.width() as usize * 3;
    let [a, b, c, d] = targets.each_mut().map(|target| target.as_chunks_mut::<{ 3 * GROUP }>().0);
    let runs = a.iter_mut().zip(b).zip(c).zip(d);
    let band = stride * GROUP;
    if top_first {
        for (band, (((a, b), c), d)) in image.data().chunks_exact(band).zip(runs) {
            [*a, *b, *c, *d] = turned_group(pixels, band.chunks_exact(stride), first);
        }
    } else {
        for (band, (((a, b), c), d)) in image.data().rchunks_exact(band).zip(runs) {
            [*a, *b, *c, *d] = turned_group(pixels, band.rchunks_exact(stride), first);
        }
    }
    image.height() as usize / GROUP * GROUP
}

/// The four columns of the rows from `first` on.
#[inline(always)]
fn turned_group<'a>(
    pixels: Pixels,
    rows: impl Iterator<Item = &'a [u8]>,
    first: usize,
) -> [[u8; 3 * GROUP]; 4] {
    let mut quads = [[0; 16]; GROUP];
    for (quad, row) in quads.iter_mut().zip(rows) {
        let bytes = &row[first * 3..];
        match bytes.first_chunk() {
            Some(sixteen) => *quad = *sixteen,
            None => quad[..12].copy_from_slice(&bytes[..12]),
        }
    }
    let [a, b, c, d] = pixels.columns(quads.each_ref());
    [pixels.packed(&a), pixels.packed(&b), pixels.packed(&c), pixels.packed(&d)]
}

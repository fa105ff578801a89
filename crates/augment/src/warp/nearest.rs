//! The pixel that a position falls on, without interpolation.
//!
//! Pillow (`src/libImaging/Geometry.c`) has three ways for affine maps, which differ where a position lies on the edge of
//! two pixels: sums of doubles along an axis for scaling, 16.16 fixed point for the rest, and sums of doubles again
//! where fixed point would overflow.

use super::sample::{Map, RUN, whole};
use visrep_decode::RgbImage;

/// Looks up every output pixel; see [`crate::affine`].
#[inline(always)]
pub(super) fn affine(image: &RgbImage, matrix: [f64; 6], fill: [u8; 3]) -> RgbImage {
    let [_, b, _, d, _, _] = matrix;
    let mut result = RgbImage::filled(image.width(), image.height(), fill);
    if b == 0.0 && d == 0.0 {
        scale(image, matrix, &mut result);
    } else if fits_fixed_point(image, matrix) {
        fixed_point(image, matrix, &mut result);
    } else {
        running_sums(image, matrix, &mut result);
    }
    result
}

/// Looks up every output pixel where `map` says: the positions of a run in vectors, its pixels one by one.
#[inline(always)]
pub(super) fn mapped(image: &RgbImage, map: &impl Map, fill: [u8; 3]) -> RgbImage {
    let mut result = RgbImage::filled(image.width(), image.height(), fill);
    let (width, height) = (f64::from(image.width()), f64::from(image.height()));
    let source = image.data().as_chunks::<3>().0;
    for (y, row) in result.data_mut().chunks_exact_mut(image.width() as usize * 3).enumerate() {
        for (run, pixels) in row.as_chunks_mut::<3>().0.chunks_mut(RUN).enumerate() {
            let start = (run * RUN) as f64;
            // Behind the last pixel of the source for what lies outside.
            let mut places = [0; RUN];
            for (i, slot) in places.iter_mut().enumerate() {
                let (x, y) = map.at(start + i as f64 + 0.5, y as f64 + 0.5);
                let inside = (x >= 0.0) & (x < width) & (y >= 0.0) & (y < height);
                let place = y.floor() * width + x.floor();
                *slot = whole(if inside { place } else { width * height });
            }
            for (pixel, &place) in pixels.iter_mut().zip(&places) {
                if let Some(value) = source.get(place as usize) {
                    *pixel = *value;
                }
            }
        }
    }
    result
}

/// The pixel that a coordinate falls on, if it is one of `len`.
#[inline(always)]
fn index(position: f64, len: u32) -> Option<usize> {
    (position >= 0.0 && position < f64::from(len)).then_some(position as usize)
}

#[inline(always)]
fn scale(image: &RgbImage, [a, _, c, _, e, f]: [f64; 6], result: &mut RgbImage) {
    let columns: Vec<Option<usize>> = std::iter::successors(Some(c + a * 0.5), |x| Some(x + a))
        .take(image.width() as usize)
        .map(|x| index(x, image.width()))
        .collect();
    let stride = image.width() as usize * 3;
    let mut y = f + e * 0.5;
    for row in result.data_mut().chunks_exact_mut(stride) {
        if let Some(from) = index(y, image.height()) {
            let from = image.row(from as u32).as_chunks::<3>().0;
            for (pixel, column) in row.as_chunks_mut::<3>().0.iter_mut().zip(&columns) {
                if let Some(column) = *column {
                    *pixel = from[column];
                }
            }
        }
        y += e;
    }
}

/// Whether all corners of the output lie within 32,768 pixels of the input's corner.
fn fits_fixed_point(image: &RgbImage, [a, b, c, d, e, f]: [f64; 6]) -> bool {
    let (width, height) = (f64::from(image.width()), f64::from(image.height()));
    [(0.0, 0.0), (width, height), (0.0, height), (width, 0.0)]
        .iter()
        .all(|(x, y)| (x * a + y * b + c).abs() < 32768.0 && (x * d + y * e + f).abs() < 32768.0)
}

#[inline(always)]
fn fixed_point(image: &RgbImage, [a, b, c, d, e, f]: [f64; 6], result: &mut RgbImage) {
    let fixed = |value: f64| (value * 65536.0 + 0.5).floor() as i64;
    let [step_x, row_x, step_y, row_y] = [a, b, d, e].map(fixed);
    let mut start_x = fixed(c + a * 0.5 + b * 0.5);
    let mut start_y = fixed(f + d * 0.5 + e * 0.5);
    let (width, height) = (i64::from(image.width()), i64::from(image.height()));
    let source = image.data().as_chunks::<3>().0;
    let row_len = image.width() as usize;
    for row in result.data_mut().chunks_exact_mut(row_len * 3) {
        let (from_x, to_x) = inside(start_x, step_x, width, width);
        let (from_y, to_y) = inside(start_y, step_y, height, width);
        let (from, to) = (from_x.max(from_y), to_x.min(to_y));
        if from < to {
            let (mut x, mut y) = (start_x + from * step_x, start_y + from * step_y);
            for pixel in &mut row.as_chunks_mut::<3>().0[from as usize..to as usize] {
                *pixel = source[(y >> 16) as usize * row_len + (x >> 16) as usize];
                x += step_x;
                y += step_y;
            }
        }
        start_x += row_x;
        start_y += row_y;
    }
}

/// The steps `from..to` of `0..count` for which `start + i * step`, in 16.16, lies within `0..len`.
#[inline(always)]
fn inside(start: i64, step: i64, len: i64, count: i64) -> (i64, i64) {
    let end = len << 16;
    // The first i with `start + i * step >= bound`, for a rising line.
    let reach = |start: i64, step: i64, bound: i64| (bound - start + step - 1).div_euclid(step);
    let (from, to) = match step {
        0 if (0..end).contains(&start) => (0, count),
        0 => (0, 0),
        1.. => (reach(start, step, 0), reach(start, step, end)),
        // Falling: mirrored, `end - 1 - value` rises.
        _ => (reach(end - 1 - start, -step, 0), reach(end - 1 - start, -step, end)),
    };
    (from.clamp(0, count), to.clamp(0, count))
}

fn running_sums(image: &RgbImage, [a, b, c, d, e, f]: [f64; 6], result: &mut RgbImage) {
    let (mut row_x, mut row_y) = (c + b * 0.5 + a * 0.5, f + e * 0.5 + d * 0.5);
    let row_len = image.width() as usize;
    for row in result.data_mut().chunks_exact_mut(row_len * 3) {
        let (mut x, mut y) = (row_x, row_y);
        for pixel in row.as_chunks_mut::<3>().0 {
            if let (Some(x), Some(y)) = (index(x, image.width()), index(y, image.height())) {
                *pixel = image.pixel(x as u32, y as u32);
            }
            x += a;
            y += d;
        }
        row_x += b;
        row_y += e;
    }
}

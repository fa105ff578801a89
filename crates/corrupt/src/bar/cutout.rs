//! Grey over parts of the image: squares of a turned checkerboard, and lines.

use std::f64::consts::TAU;

use visrep_decode::RgbImage;

use super::{Draws, map_pixels, shorter_side};
use crate::Error;

/// The grey that parts are covered with.
const GREY: f64 = 128.0;

/// Covers a share `fraction` of every other square of a turned checkerboard.
pub(crate) fn checkerboard_cutout(
    image: &RgbImage,
    fraction: f64,
    draws: &mut impl Draws,
) -> Result<RgbImage, Error> {
    let (sin, cos) = draws.between(0.0, TAU).sin_cos();
    let square = (draws.between(0.1, 0.25) * shorter_side(image)).max(1.0);
    // A turned image reaches as far as its diagonal either way; four sides hold that of a square.
    let longer = f64::from(image.width().max(image.height()));
    let count = (4.0 * longer / square) as usize;
    let covered: Vec<bool> = (0..count * count).map(|_| draws.unit() < fraction).collect();
    // Negative indices count from the end, as NumPy's.
    let cell = |n: f64| (n as i64).rem_euclid(count as i64) as usize;
    map_pixels(image, |x, y, pixel| {
        let (p, q) = (y as f64, x as f64);
        let (nx, ny) = ((cos * p + sin * q) / square, (-sin * p + cos * q) / square);
        let white = nx.rem_euclid(2.0) as i64 != ny.rem_euclid(2.0) as i64;
        if white || !covered[cell(nx) * count + cell(ny)] { pixel } else { [GREY; 3] }
    })
}

/// Draws smooth grey lines, `density` times the side of them, most of them right across the image.
pub(crate) fn lines(image: &RgbImage, density: f64, draws: &mut impl Draws) -> Result<RgbImage, Error> {
    let length = shorter_side(image);
    let angle = draws.between(0.0, TAU);
    let variation = draws.between(0.1, 1.0);
    let mut out = image.clone();
    let (width, height) = (i64::from(image.width()), i64::from(image.height()));
    for _ in 0..(density * length) as usize {
        // As published, the first coordinate is the row.
        let row = height as f64 * draws.unit();
        let column = width as f64 * draws.unit();
        let (sin, cos) = (angle + TAU * variation * (draws.unit() - 0.5)).sin_cos();
        let from = [(row - cos * length) as i64, (column - sin * length) as i64];
        let to = [(row + cos * length) as i64, (column + sin * length) as i64];
        let points = smooth_line(from, to);
        // All values are read before the first is written: of a pixel that is met twice, the last counts.
        let before = out.clone();
        for (row, column, cover) in points {
            if (0..height).contains(&row) && (0..width).contains(&column) {
                let at = 3 * (row * width + column) as usize;
                for (to, from) in out.data_mut()[at..at + 3].iter_mut().zip(&before.data()[at..at + 3]) {
                    *to = ((1.0 - cover) * f64::from(*from) + cover * GREY) as u8;
                }
            }
        }
    }
    Ok(out)
}

/// An anti-aliased line (Zingl, *A Rasterizing Algorithm for Drawing Curves*, 2012): rows, columns and how much of each
/// pixel it covers.
fn smooth_line([row0, column0]: [i64; 2], [row1, column1]: [i64; 2]) -> Vec<(i64, i64, f64)> {
    let (across, down) = ((column0 - column1).abs(), (row0 - row1).abs());
    let (right, below) = (if column0 < column1 { 1 } else { -1 }, if row0 < row1 { 1 } else { -1 });
    let length = if across + down == 0 { 1.0 } else { ((across * across + down * down) as f64).sqrt() };
    let mut error = across - down;
    let (mut row, mut column) = (row0, column0);
    let mut points = Vec::new();
    let mut add =
        |row, column, distance: i64| points.push((row, column, 1.0 - distance.abs() as f64 / length));
    loop {
        add(row, column, error - across + down);
        let (now, here) = (error, column);
        if 2 * now >= -across {
            if column == column1 {
                break;
            }
            if ((now + down) as f64) < length {
                add(row + below, column, now + down);
            }
            error -= down;
            column += right;
        }
        if 2 * now <= down {
            if row == row1 {
                break;
            }
            if ((across - now) as f64) < length {
                add(row, here + right, across - now);
            }
            error += across;
            row += below;
        }
    }
    points
}

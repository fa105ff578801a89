//! Pixels fetched from elsewhere: a ripple, and cells that are pinched and twirled.

use std::f64::consts::{FRAC_PI_2, PI, TAU};

use visrep_decode::RgbImage;

use super::{Draws, shorter_side, truncated};
use crate::Error;

/// An image of `f64`, of which everything outside is black.
pub(super) struct Plane {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) pixels: Vec<[f64; 3]>,
}

impl Plane {
    pub(super) fn from_rgb(image: &RgbImage) -> Self {
        let pixels = image.data().as_chunks::<3>().0.iter().map(|pixel| pixel.map(f64::from)).collect();
        Self { width: image.width() as usize, height: image.height() as usize, pixels }
    }

    fn at(&self, row: f64, column: f64) -> [f64; 3] {
        let inside = |at: f64, side: usize| at >= 0.0 && at < side as f64;
        if inside(row, self.height) && inside(column, self.width) {
            self.pixels[row as usize * self.width + column as usize]
        } else {
            [0.0; 3]
        }
    }

    /// The value between four neighbours.
    pub(super) fn bilinear(&self, row: f64, column: f64) -> [f64; 3] {
        let (top, left) = (row.floor(), column.floor());
        let (down, across) = (row - top, column - left);
        let upper = [self.at(top, left), self.at(top, left + 1.0)];
        let lower = [self.at(top + 1.0, left), self.at(top + 1.0, left + 1.0)];
        std::array::from_fn(|c| {
            let mix = |pair: [[f64; 3]; 2]| pair[0][c] * (1.0 - across) + pair[1][c] * across;
            mix(upper) * (1.0 - down) + mix(lower) * down
        })
    }

    fn to_rgb(&self) -> Result<RgbImage, Error> {
        let data = self.pixels.iter().flatten().map(|&value| truncated(value)).collect();
        Ok(RgbImage::new(self.width as u32, self.height as u32, data)?)
    }
}

/// Moves pixels along each axis by a sine of `amplitude` times the side.
pub(crate) fn ripple(image: &RgbImage, amplitude: f64, draws: &mut impl Draws) -> Result<RgbImage, Error> {
    let side = shorter_side(image);
    let amplitude = amplitude * side;
    // Rows first, then columns.
    let wavelengths: [f64; 2] = std::array::from_fn(|_| draws.between(0.1, 0.3) * side);
    let phases: [f64; 2] = std::array::from_fn(|_| draws.between(0.0, TAU));
    let moved = |axis: usize, at: usize| {
        at as f64 + amplitude * (TAU * at as f64 / wavelengths[axis] + phases[axis]).sin()
    };
    let source = Plane::from_rgb(image);
    let mut data = Vec::with_capacity(image.data().len());
    for y in 0..source.height {
        for x in 0..source.width {
            data.extend(source.bilinear(moved(0, y), moved(1, x)).map(truncated));
        }
    }
    Ok(RgbImage::new(image.width(), image.height(), data)?)
}

/// Pinches and twirls the discs in `cells` x `cells` squares, each one way or the other.
///
/// As published, a cell reads what the cells before it have become.
pub(crate) fn pinch_and_twirl(
    image: &RgbImage,
    share: f64,
    cells: usize,
    draws: &mut impl Draws,
) -> Result<RgbImage, Error> {
    let turn = share * FRAC_PI_2;
    let angles: Vec<f64> =
        (0..cells * cells).map(|_| if draws.below(2) == 0 { turn } else { -turn }).collect();
    let amount = 0.4 * share + 0.1;
    let mut plane = Plane::from_rgb(image);
    let (wide, high) = (plane.width / cells, plane.height / cells);
    let radius = wide.min(high) as f64 / 2.0;
    for (cell, &angle) in angles.iter().enumerate() {
        let (left, top) = (cell / cells * wide, cell % cells * high);
        let center = [top as f64 + high as f64 / 2.0, left as f64 + wide as f64 / 2.0];
        let mut changed = Vec::with_capacity(wide * high);
        for y in top..top + high {
            for x in left..left + wide {
                let [row, column] = twirled([y as f64, x as f64], center, radius, amount, angle);
                changed.push(plane.bilinear(row, column));
            }
        }
        for (i, pixel) in changed.into_iter().enumerate() {
            plane.pixels[(top + i / wide) * plane.width + left + i % wide] = pixel;
        }
    }
    plane.to_rgb()
}

/// Where the pixel at `point` comes from.
fn twirled(point: [f64; 2], center: [f64; 2], radius: f64, amount: f64, angle: f64) -> [f64; 2] {
    let (dx, dy) = (point[0] - center[0], point[1] - center[1]);
    let distance = (dx * dx + dy * dy).sqrt();
    if distance > radius || distance < 0.0005 {
        return point;
    }
    let share = distance / radius;
    let pinch = (PI * 0.5 * share).sin().powf(-amount);
    let (sin, cos) = (angle * (1.0 - share).powi(2)).sin_cos();
    let (dx, dy) = (dx * pinch, dy * pinch);
    [center[0] + dx * cos - dy * sin, center[1] + dx * sin + dy * cos]
}

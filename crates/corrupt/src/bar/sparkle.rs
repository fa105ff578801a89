//! Stars of light, and a light that leaves a star of the image.

use std::f64::consts::{PI, TAU};

use visrep_decode::RgbImage;

use super::{Draws, map_pixels, shorter_side, truncated};
use crate::Error;

/// Stars of one image.
const STARS: usize = 5;
/// Standard deviation of the rays' lengths, of the radius.
const RAGGEDNESS: f64 = 0.25;

/// A centre from which rays of different lengths go out.
struct Star {
    x: f64,
    y: f64,
    rays: Vec<f64>,
}

impl Star {
    /// How much of the star reaches a pixel, 0 to 1; it falls with the distance to the power of twice `exponent`.
    fn at(&self, x: f64, y: f64, exponent: f64) -> f64 {
        let (dy, dx) = (y - self.y, x - self.x);
        let place = (dx.atan2(dy) + PI) / TAU * self.rays.len() as f64;
        let ray = place as usize;
        let between = place - ray as f64;
        let n = self.rays.len();
        let (from, to) = (self.rays[ray % n], self.rays[(ray + 1) % n]);
        let length = from + between * (to - from);
        let near = length * length / (dx * dx + dy * dy + 1e-4);
        let glow = if exponent == 1.0 { near } else { near.powf(exponent) };
        ((1.0 - (between - 0.5).powi(2)) * glow).clamp(0.0, 1.0)
    }
}

/// Five white stars with a radius of `size` times the side.
pub(crate) fn sparkles(image: &RgbImage, size: f64, draws: &mut impl Draws) -> Result<RgbImage, Error> {
    let radius = size * shorter_side(image);
    // Centres are (row, column).
    let centers: [[f64; 2]; STARS] = std::array::from_fn(|_| {
        [image.height(), image.width()].map(|side| draws.between(0.0, f64::from(side)))
    });
    let counts: [usize; STARS] = std::array::from_fn(|_| 50 + draws.below(150));
    let mut light: Vec<f64> = image.data().iter().map(|&v| f64::from(v)).collect();
    let width = image.width().max(1) as usize;
    for ([y, x], count) in centers.into_iter().zip(counts) {
        let rays = (0..count).map(|_| (radius + RAGGEDNESS * radius * draws.normal()).max(1.0)).collect();
        let star = Star { x, y, rays };
        for (i, pixel) in light.as_chunks_mut::<3>().0.iter_mut().enumerate() {
            let f = star.at((i % width) as f64, (i / width) as f64, 1.0);
            for value in pixel {
                *value += f * (255.0 - *value);
            }
        }
    }
    let data = light.into_iter().map(truncated).collect();
    Ok(RgbImage::new(image.width(), image.height(), data)?)
}

/// White but for a star that the image shows through, which `falloff` (in fiftieths) makes small and hard.
pub(crate) fn inverse_sparkles(
    image: &RgbImage,
    falloff: f64,
    draws: &mut impl Draws,
) -> Result<RgbImage, Error> {
    let radius = 0.25 * shorter_side(image);
    let y = draws.between(0.25, 0.75) * f64::from(image.height());
    let x = draws.between(0.25, 0.75) * f64::from(image.width());
    let count = 50 + draws.below(150);
    let rays = (0..count).map(|_| radius + RAGGEDNESS * radius * draws.normal()).collect();
    let star = Star { x, y, rays };
    map_pixels(image, |x, y, pixel| {
        let f = star.at(x as f64, y as f64, falloff / 50.0);
        pixel.map(|v| 255.0 + f * (v - 255.0))
    })
}

//! Caustic refraction: the image seen through a lit, wavy surface.

use std::f64::consts::TAU;

use visrep_decode::RgbImage;

use super::warp::Plane;
use super::{Draws, map_pixels, shorter_side};
use crate::Error;
use crate::field::{Edge, Field, gaussian};

/// The refractive index of the surface.
const INDEX: f64 = 4.0;

/// `share` scales how far the surface bends the light, and how much it catches.
pub(crate) fn caustic_refraction(
    image: &RgbImage,
    share: f64,
    draws: &mut impl Draws,
) -> Result<RgbImage, Error> {
    let side = shorter_side(image);
    let time = draws.between(0.5, 2.0);
    let size = draws.between(0.75, 1.25) * side;
    let (bend, light) = (share * 0.5 * side, share * 2.0);
    let (width, height) = (image.width() as usize, image.height() as usize);
    let mut surface = Field::zeros(width, height, 1);
    for y in 0..height {
        for (x, value) in surface.row_mut(y).iter_mut().enumerate() {
            *value = caustic([y as f64 / size, x as f64 / size], time) as f32;
        }
    }
    let surface = gaussian(&surface, 1.0, 4.0, Edge::Reflect);
    let level = |row: usize, column: usize| {
        if row < height && column < width { f64::from(surface.row(row)[column]) } else { 0.0 }
    };
    let source = Plane::from_rgb(image);
    map_pixels(image, |x, y, _| {
        // The published names of the four neighbours, of which the first index is the row. What is outside is 0.
        let (north, south) = (level(y, x.wrapping_sub(1)), level(y, x + 1));
        let (west, east) = (level(y.wrapping_sub(1), x), level(y + 1, x));
        let slope = [east - west, south - north];
        let [down, across] = refracted(slope).map(|v| (v * bend * 1000.0).round_ties_even() / 1000.0);
        let glint = ((north - south) + (east - west)) * light * 255.0;
        source.bilinear(y as f64 + down, x as f64 + across).map(|v| v + glint)
    })
}

/// The brightness of the caustic at a point, 0 to 1; the pattern has a period of 1.
fn caustic(point: [f64; 2], time: f64) -> f64 {
    let p = point.map(|v| v.rem_euclid(1.0) * TAU - 250.0);
    let (mut i, mut sum) = (p, 1.0);
    for n in 1..=5 {
        let t = time * (1.0 - 3.5 / f64::from(n));
        i = [p[0] + (t - i[0]).cos() + (t + i[1]).sin(), p[1] + (t - i[1]).sin() + (t + i[0]).cos()];
        let (a, b) = (p[0] / ((i[0] + t).sin() / 0.005), p[1] / ((i[1] + t).cos() / 0.005));
        sum += 1.0 / a.hypot(b);
    }
    (1.17 - (sum / 5.0).powf(1.4)).abs().powi(8).clamp(0.0, 1.0)
}

/// How far a vertical ray is thrown by a surface of this slope, for a depth of 1.
fn refracted(slope: [f64; 2]) -> [f64; 2] {
    let length = (slope[0] * slope[0] + slope[1] * slope[1] + 1.0).sqrt();
    let normal = [slope[0] / length, slope[1] / length];
    let upright = 1.0 / length;
    if upright >= 1.0 - 1e-3 {
        return [0.0; 2];
    }
    let out = (upright.acos().sin() / INDEX).asin();
    // The refracted ray lies in the plane of the normal and the ray: `cos` along the normal, `sin` at a right angle to it.
    let flat = normal[0].hypot(normal[1]);
    normal.map(|n| n * out.cos() - upright * n / flat * out.sin())
}

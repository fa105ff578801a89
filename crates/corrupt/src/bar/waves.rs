//! Patterns of sines: a plane wave, rings around a point, and a plasma.

use std::f64::consts::{PI, TAU};

use visrep_decode::RgbImage;

use super::{Draws, map_pixels, shorter_side};
use crate::Error;

/// Adds one plane wave of `intensity` (of 255) to all channels.
pub(crate) fn single_frequency_greyscale(
    image: &RgbImage,
    intensity: f64,
    draws: &mut impl Draws,
) -> Result<RgbImage, Error> {
    let larger = draws.between(-PI, PI);
    let smaller = draws.between(-larger.abs(), larger.abs());
    let (fx, fy) = if draws.below(2) == 0 { (larger, smaller) } else { (smaller, larger) };
    let phase = draws.between(0.0, TAU);
    map_pixels(image, |x, y, pixel| {
        let wave = intensity * (x as f64 * fx + y as f64 * fy + phase).sin();
        pixel.map(|v| v + wave)
    })
}

/// Adds a saw-tooth of `intensity` (of 255, peak to peak) along wavy rings around a point.
pub(crate) fn cocentric_sine_waves(
    image: &RgbImage,
    intensity: f64,
    draws: &mut impl Draws,
) -> Result<RgbImage, Error> {
    let side = shorter_side(image);
    let x0 = draws.between(0.0, f64::from(image.width()));
    let y0 = draws.between(0.0, f64::from(image.height()));
    let petals = draws.between(0.0, 10.0);
    let amplitude = draws.between(0.0, side / 10.0);
    // A width of exactly zero, which has a probability of 2^-53, would divide by zero.
    let ring = draws.between(0.0, side / 10.0).max(f64::MIN_POSITIVE);
    map_pixels(image, |x, y, pixel| {
        let (dx, dy) = (x as f64 - x0, y as f64 - y0);
        let angle = dx.atan2(dy) * petals;
        let radius = (dx * dx + dy * dy).sqrt() + angle.sin() * amplitude;
        let wave = intensity * (radius.rem_euclid(ring) / ring - 0.5);
        pixel.map(|v| v + wave)
    })
}

/// Blends in a colourful plasma with a share of `intensity` / 255.
pub(crate) fn plasma_noise(
    image: &RgbImage,
    intensity: f64,
    draws: &mut impl Draws,
) -> Result<RgbImage, Error> {
    let time = draws.between(0.0, 6.0 * PI);
    let rounds = 4 + draws.below(3);
    let sharpness = draws.between(0.5, 1.0);
    let scale = draws.between(0.075, 0.2) * shorter_side(image);
    let keep = 1.0 - intensity / 255.0;
    map_pixels(image, |x, y, pixel| {
        let (mut x, mut y) = (x as f64 / scale, y as f64 / scale);
        let (mut frequency, mut damping, mut divisor) = (1.0, 1.0, 1.0);
        for _ in 0..rounds {
            let u = (y * frequency + time / damping).cos() / divisor;
            let v = (x * frequency + time / damping).sin() / divisor;
            x += u - 0.3 * v;
            y += v + 0.3 * u;
            frequency *= 1.93;
            damping *= 1.15;
            divisor *= 2.25 - sharpness;
        }
        // In the published order, in which the second channel has the sine of both.
        let noise = [(x - time).sin(), ((x + y + time.sin()) * 0.5).sin(), (y + time).sin()];
        std::array::from_fn(|c| keep * pixel[c] + intensity * noise[c])
    })
}

//! Noise with a given spectrum and random phases: blue for a mask of points, brownish to be added.

use std::f64::consts::TAU;

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;
use visrep_decode::RgbImage;

use super::{Draws, map_pixels};
use crate::Error;

/// Blackens the pixels at which blue noise of variance 1 does not exceed `threshold`.
pub(crate) fn blue_noise_sample(
    image: &RgbImage,
    threshold: f64,
    draws: &mut impl Draws,
) -> Result<RgbImage, Error> {
    let noise = noise(image, f64::sqrt, draws);
    let width = image.width() as usize;
    map_pixels(image, |x, y, pixel| if noise[y * width + x] > threshold { pixel } else { [0.0; 3] })
}

/// Adds noise of standard deviation `intensity` (of 255) to each channel, with an amplitude that falls with the
/// square of the frequency.
pub(crate) fn brownish_noise(
    image: &RgbImage,
    intensity: f64,
    draws: &mut impl Draws,
) -> Result<RgbImage, Error> {
    let noise: [Vec<f64>; 3] = std::array::from_fn(|_| noise(image, |squared| 1.0 / (squared + 1.0), draws));
    let width = image.width() as usize;
    map_pixels(image, |x, y, pixel| std::array::from_fn(|c| pixel[c] + intensity * noise[c][y * width + x]))
}

/// Noise of variance 1 and the size of `image`, rows top to bottom. `amplitude` is a function of the squared frequency.
///
/// As published, phases are drawn for the left half of the centred spectrum and repeated, turned by half a turn, in the
/// right one (which is not quite the symmetry that a real image has), and the real part is taken.
fn noise(image: &RgbImage, amplitude: impl Fn(f64) -> f64, draws: &mut impl Draws) -> Vec<f64> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let half = width / 2;
    let left: Vec<f64> = (0..height * half).map(|_| draws.between(0.0, TAU)).collect();
    let middle: Vec<f64> =
        if width % 2 == 1 { (0..height / 2).map(|_| draws.between(0.0, TAU)).collect() } else { Vec::new() };
    let phase = |row: usize, column: usize| {
        if column < half {
            left[row * half + column]
        } else if column >= width - half {
            left[(height - 1 - row) * half + (width - 1 - column)]
        } else {
            // The column between the halves; its centre is zero.
            middle.get(row.min(height - 1 - row)).copied().unwrap_or(0.0)
        }
    };
    let shorter = width.min(height) as f64;
    // Frequencies of a longer axis count as if the image were square.
    let (along_x, along_y) = (shorter / width as f64, shorter / height as f64);
    let mut spectrum = vec![Complex::new(0.0, 0.0); width * height];
    for row in 0..height {
        let dy = (row as f64 - height as f64 / 2.0) * along_y;
        for column in 0..width {
            let dx = (column as f64 - width as f64 / 2.0) * along_x;
            let size = amplitude(dx * dx + dy * dy);
            let at = (row + height / 2) % height * width + (column + half) % width;
            spectrum[at] = Complex::from_polar(size, phase(row, column));
        }
    }
    inverse_2d(&mut spectrum, width, height);
    let mut noise: Vec<f64> = spectrum.into_iter().map(|value| value.re).collect();
    let n = noise.len().max(1) as f64;
    let mean = noise.iter().sum::<f64>() / n;
    let variance = noise.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
    // The noise of a single pixel has no variance to scale by.
    let scale = if variance > 0.0 { 1.0 / variance.sqrt() } else { 0.0 };
    for value in &mut noise {
        *value *= scale;
    }
    noise
}

/// The inverse transform but for its scale, which the caller divides out.
fn inverse_2d(values: &mut [Complex<f64>], width: usize, height: usize) {
    if values.is_empty() {
        return;
    }
    let mut planner = FftPlanner::new();
    planner.plan_fft_inverse(width).process(values);
    let down = planner.plan_fft_inverse(height);
    let mut turned = vec![Complex::new(0.0, 0.0); values.len()];
    for (i, &value) in values.iter().enumerate() {
        turned[i % width * height + i / width] = value;
    }
    down.process(&mut turned);
    for (i, &value) in turned.iter().enumerate() {
        values[i % height * width + i / height] = value;
    }
}

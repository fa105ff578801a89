//! Perlin's classic gradient noise, summed to turbulence.

use visrep_decode::RgbImage;

use super::{Draws, map_pixels, shorter_side};
use crate::Error;

/// The period of the lattice, a power of two.
const PERIOD: usize = 256;

/// A gradient for each lattice point, found through a permutation.
struct Lattice {
    permutation: Vec<usize>,
    gradients: Vec<[f64; 2]>,
}

impl Lattice {
    fn new(draws: &mut impl Draws) -> Self {
        let mut gradients: Vec<[f64; 2]> = (0..2 * PERIOD + 2)
            .map(|_| {
                let [a, b] =
                    std::array::from_fn(|_| (draws.below(2 * PERIOD) as f64 - PERIOD as f64) / PERIOD as f64);
                let length = a.hypot(b);
                // Two draws of zero have no direction.
                if length > 0.0 { [a / length, b / length] } else { [1.0, 0.0] }
            })
            .collect();
        let mut permutation: Vec<usize> = (0..2 * PERIOD + 2).collect();
        for i in (0..PERIOD).rev() {
            permutation.swap(i, draws.below(PERIOD));
        }
        for i in 0..PERIOD + 2 {
            permutation[PERIOD + i] = permutation[i];
            gradients[PERIOD + i] = gradients[i];
        }
        Self { permutation, gradients }
    }

    /// The noise at a point with coordinates of at least 0.
    fn noise(&self, u: f64, v: f64) -> f64 {
        let cell = |t: f64| {
            let low = t as usize % PERIOD;
            let from_low = t.fract();
            (low, (low + 1) % PERIOD, from_low, from_low - 1.0, from_low * from_low * (3.0 - 2.0 * from_low))
        };
        let (u0, u1, ru0, ru1, su) = cell(u);
        let (v0, v1, rv0, rv1, sv) = cell(v);
        let (i, j) = (self.permutation[u0], self.permutation[u1]);
        let dot = |index: usize, ru: f64, rv: f64| {
            let [a, b] = self.gradients[self.permutation[index]];
            ru * a + rv * b
        };
        let mix = |s: f64, a: f64, b: f64| a + s * (b - a);
        let low = mix(su, dot(i + v0, ru0, rv0), dot(j + v0, ru1, rv0));
        let high = mix(su, dot(i + v1, ru0, rv1), dot(j + v1, ru1, rv1));
        1.5 * mix(sv, low, high)
    }

    /// Octaves 1, 2, 4, 8 and 16 without their signs.
    fn turbulence(&self, u: f64, v: f64) -> f64 {
        [1.0, 2.0, 4.0, 8.0, 16.0].iter().map(|f| self.noise(f * u, f * v).abs() / f).sum()
    }
}

/// Blends in a share of `alpha` of grey turbulence.
pub(crate) fn perlin_noise(image: &RgbImage, alpha: f64, draws: &mut impl Draws) -> Result<RgbImage, Error> {
    let lattice = Lattice::new(draws);
    let step = 1.0 / (32.0 * shorter_side(image) / 224.0);
    map_pixels(image, |x, y, pixel| {
        let grey = (0.5 * lattice.turbulence(y as f64 * step, x as f64 * step) + 0.5).clamp(0.0, 1.0);
        pixel.map(|v| (1.0 - alpha) * v + 255.0 * alpha * grey)
    })
}

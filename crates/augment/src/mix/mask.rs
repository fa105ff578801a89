//! FMix's masks.

use crate::Rng;
use crate::filter::{Complex, Fourier, frequencies};
use rand::SeedableRng as _;
use rand_distr::{Distribution as _, StandardNormal};
use serde::{Deserialize, Serialize};

/// A random mask of low frequencies that is 1 on a given share of the pixels (Harris et al. 2020).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FourierMask {
    /// Amplitudes fall as `1 / frequency^decay`; the paper's is 3.
    pub decay: f64,
    /// The share of ones.
    pub share: f64,
    /// How far the mask's edge is spread, as a share of the pixels to either side; the paper's is 0.
    pub soft: f64,
    /// Whether the number of ones is rounded up or down.
    pub round_up: bool,
    /// What the mask follows from.
    pub seed: u64,
}

impl FourierMask {
    /// The mask for images of `width` x `height`, row by row, 0 to 1.
    #[must_use]
    pub fn values(&self, width: u32, height: u32) -> Vec<f32> {
        let (width, height) = (width as usize, height as usize);
        if width == 0 || height == 0 {
            return Vec::new();
        }
        let mut rng = Rng::seed_from_u64(self.seed);
        let noise = (0..height * (width / 2 + 1) * 2).map(|_| StandardNormal.sample(&mut rng));
        self.binarise(&low_frequency_image(width, height, self.decay, &noise.collect::<Vec<f64>>()))
    }

    /// Ones where `image` is largest.
    fn binarise(&self, image: &[f64]) -> Vec<f32> {
        let pixels = image.len();
        let share = if self.share.is_nan() { 0.0 } else { self.share.clamp(0.0, 1.0) };
        let ones = share * pixels as f64;
        let ones = if self.round_up { ones.ceil() } else { ones.floor() } as usize;
        let soft = (pixels as f64 * self.soft.max(0.0).min(share).min(1.0 - share)) as usize;
        let (low, high) = (ones.saturating_sub(soft), (ones + soft).min(pixels));
        let mut order: Vec<usize> = (0..pixels).collect();
        let falling = |a: &usize, b: &usize| image[*b].total_cmp(&image[*a]);
        if low > 0 && low < pixels {
            order.select_nth_unstable_by(low, falling);
        }
        order[low..].sort_unstable_by(falling);
        let mut mask = vec![0.0; pixels];
        order[..low].iter().for_each(|&i| mask[i] = 1.0);
        let steps = (high - low).saturating_sub(1).max(1) as f64;
        for (step, &i) in order[low..high].iter().enumerate() {
            mask[i] = (1.0 - step as f64 / steps) as f32;
        }
        mask
    }
}

/// The inverse transform of `noise`, pairs of real and imaginary part for the non-negative horizontal frequencies, row by
/// row, with amplitudes that fall with the frequency. The scale of the values is arbitrary.
fn low_frequency_image(width: usize, height: usize, decay: f64, noise: &[f64]) -> Vec<f64> {
    let columns = width / 2 + 1;
    let lowest = 1.0 / width.max(height) as f64;
    let mut spectrum = vec![Complex::new(0.0, 0.0); width * height];
    for (x, fx) in frequencies(width).take(columns).enumerate() {
        // The negative frequencies mirror the positive ones: instead of filling them in, count the latter twice.
        let count = if x == 0 || x * 2 == width { 1.0 } else { 2.0 };
        for (y, fy) in frequencies(height).enumerate() {
            let scale = count / fx.hypot(fy).max(lowest).powf(decay);
            let at = (y * columns + x) * 2;
            spectrum[x * height + y] = Complex::new(noise[at] * scale, noise[at + 1] * scale);
        }
    }
    Fourier::new(width, height).inverse(spectrum).into_iter().map(|value| value.re).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::SafeTensors;

    /// FMix's formulas in NumPy on the same noise (`fixtures/golden/augment/occlusion.py`).
    #[test]
    fn masks_equal_numpys() {
        let file =
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/golden/augment/occlusion.safetensors");
        let bytes = std::fs::read(file).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let doubles = |name: &str| -> Vec<f64> {
            let tensor = tensors.tensor(name).unwrap();
            tensor.data().as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect()
        };
        let mut compared = 0;
        for name in tensors.names() {
            let Some(arguments) = name.strip_prefix("fmix/") else { continue };
            let numbers: Vec<f64> = arguments.split(',').map(|a| a.parse().unwrap()).collect();
            let &[width, height, decay, share, soft, up] = &numbers[..] else { panic!("{name}") };
            let (width, height) = (width as usize, height as usize);
            let noise = doubles(&format!("fmix_noise/{width},{height}"));
            let mask = FourierMask { decay, share, soft, round_up: up == 1.0, seed: 0 };
            let ours = mask.binarise(&low_frequency_image(width, height, decay, &noise));
            let theirs = doubles(name);
            let error = ours.iter().zip(&theirs).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
            assert!(ours.len() == theirs.len() && error < 1e-6, "{name}: {error}");
            compared += 1;
        }
        assert!(compared >= 8, "only {compared} masks");
    }

    #[test]
    fn a_mask_has_the_share_of_ones_and_is_coherent() {
        for (width, height) in [(32, 32), (224, 224), (33, 20), (1, 1), (1, 7), (97, 1)] {
            for share in [0.0, 0.3, 0.77, 1.0] {
                let mask = FourierMask { decay: 3.0, share, soft: 0.0, round_up: false, seed: 9 };
                let values = mask.values(width, height);
                let ones = values.iter().filter(|&&v| v == 1.0).count();
                assert_eq!(ones, (share * f64::from(width * height)).floor() as usize);
                assert!(values.iter().all(|&v| v == 0.0 || v == 1.0));
                let changes = values
                    .chunks(width as usize)
                    .map(|row| row.windows(2).filter(|pair| pair[0] != pair[1]).count());
                // White noise would change at nearly every second pixel.
                assert!(width < 100 || changes.sum::<usize>() < 224 * 20);
            }
        }
    }
}

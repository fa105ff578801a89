//! Noise drawn per channel value: Gaussian, shot, impulse, speckle.

use visrep_decode::RgbImage;

use crate::Error;
use crate::random::Random;

/// `x + N(0, deviation)`, with `deviation` of a range of 1.
pub(crate) fn gaussian(image: &RgbImage, deviation: f64, random: &mut Random) -> Result<RgbImage, Error> {
    let deviation = (deviation * 255.0) as f32;
    per_value(image, random, |value, normal| value + deviation * normal)
}

/// `x + x * N(0, deviation)`.
pub(crate) fn speckle(image: &RgbImage, deviation: f64, random: &mut Random) -> Result<RgbImage, Error> {
    let deviation = deviation as f32;
    per_value(image, random, |value, normal| value + value * deviation * normal)
}

/// Maps every value with a standard normal of its own; clips and truncates.
fn per_value(image: &RgbImage, random: &mut Random, f: impl Fn(f32, f32) -> f32) -> Result<RgbImage, Error> {
    let mut data = image.data().to_vec();
    let mut normals = [0.0; 1024];
    for chunk in data.chunks_mut(normals.len()) {
        let normals = &mut normals[..chunk.len()];
        random.fill_normal(normals);
        for (value, &normal) in chunk.iter_mut().zip(&*normals) {
            *value = f(f32::from(*value), normal) as u8;
        }
    }
    Ok(RgbImage::new(image.width(), image.height(), data)?)
}

/// `Poisson(x * photons) / photons`.
pub(crate) fn shot(image: &RgbImage, photons: f64, random: &mut Random) -> Result<RgbImage, Error> {
    let mut tables: Vec<Option<PoissonTable>> = (0..256).map(|_| None).collect();
    // The published division and product in f64, so that exact levels truncate as they did.
    let level = |count: usize| ((count as f64 / photons).min(1.0) * 255.0) as u8;
    let data = image
        .data()
        .iter()
        .map(|&value| {
            let slot = &mut tables[usize::from(value)];
            slot.get_or_insert_with(|| PoissonTable::new(f64::from(value) / 255.0 * photons, level))
                .sample(random.unit())
        })
        .collect();
    Ok(RgbImage::new(image.width(), image.height(), data)?)
}

/// The cumulative distribution of one Poisson, with a guide that makes a draw cost about one comparison.
struct PoissonTable {
    /// P(count <= first + i).
    cumulative: Vec<f32>,
    /// The 8-bit level of count `first + i`.
    levels: Vec<u8>,
    /// For each 64th of the unit interval, where the search may begin.
    guide: [u16; 64],
}

impl PoissonTable {
    fn new(mean: f64, level: impl Fn(usize) -> u8) -> Self {
        // Counts this far from the mean have a probability below 1e-9.
        let reach = 7.0 * mean.sqrt() + 12.0;
        let first = (mean - reach).max(0.0) as usize;
        let last = (mean + reach) as usize;
        let log_factorial = |n: usize| (1..=n).map(|i| (i as f64).ln()).sum::<f64>();
        let mut term =
            if mean > 0.0 { (first as f64 * mean.ln() - mean - log_factorial(first)).exp() } else { 1.0 };
        let (mut sum, mut cumulative) = (0.0, Vec::with_capacity(last - first + 1));
        for count in first..=last {
            sum += term;
            cumulative.push(sum as f32);
            term *= mean / (count + 1) as f64;
        }
        if let Some(end) = cumulative.last_mut() {
            *end = 1.0;
        }
        let mut guide = [0; 64];
        let mut at = 0;
        for (cell, start) in guide.iter_mut().enumerate() {
            while cumulative[at] <= cell as f32 / 64.0 && at + 1 < cumulative.len() {
                at += 1;
            }
            *start = at as u16;
        }
        Self { cumulative, levels: (first..=last).map(level).collect(), guide }
    }

    /// The level for a uniform in [0, 1).
    fn sample(&self, unit: f32) -> u8 {
        let mut at = usize::from(self.guide[(unit * 64.0) as usize]);
        while at + 1 < self.cumulative.len() && self.cumulative[at] <= unit {
            at += 1;
        }
        self.levels[at]
    }
}

/// Replaces a share `amount` of the values by 0 or 255, each as likely.
pub(crate) fn impulse(image: &RgbImage, amount: f64, random: &mut Random) -> Result<RgbImage, Error> {
    let mut data = image.data().to_vec();
    // The gaps between hits of independent trials are geometric: one draw per hit instead of per value.
    let per_gap = 1.0 / (1.0 - amount).ln();
    let mut at = 0_usize;
    loop {
        let gap = (1.0 - random.unit_f64()).ln() * per_gap;
        at = at.saturating_add(gap as usize);
        let Some(value) = data.get_mut(at) else { break };
        *value = if random.unit() < 0.5 { 255 } else { 0 };
        at += 1;
    }
    Ok(RgbImage::new(image.width(), image.height(), data)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean_and_variance(data: &[u8]) -> (f64, f64) {
        let n = data.len() as f64;
        let mean = data.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        (mean, data.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n)
    }

    fn close(found: f64, expected: f64, error: f64) {
        assert!((found - expected).abs() <= error, "{found} instead of {expected} within {error}");
    }

    #[test]
    fn gaussian_and_speckle_have_the_published_moments() {
        let image = RgbImage::filled(400, 400, [120; 3]);
        // Truncation takes half a level from the mean and adds a twelfth to the variance.
        let (mean, variance) = mean_and_variance(gaussian(&image, 0.08, &mut Random::new(1)).unwrap().data());
        close(mean, 119.5, 0.12);
        close(variance, (0.08 * 255.0_f64).powi(2) + 1.0 / 12.0, 4.0);
        let (mean, variance) = mean_and_variance(speckle(&image, 0.15, &mut Random::new(1)).unwrap().data());
        close(mean, 119.5, 0.12);
        close(variance, (0.15 * 120.0_f64).powi(2) + 1.0 / 12.0, 3.0);
        assert_eq!(
            speckle(&RgbImage::filled(9, 9, [0; 3]), 0.6, &mut Random::new(1)).unwrap().data(),
            [0; 243]
        );
    }

    #[test]
    fn shot_noise_is_poisson() {
        for photons in [3.0, 60.0, 500.0] {
            let image = RgbImage::filled(400, 400, [51; 3]);
            let out = shot(&image, photons, &mut Random::new(2)).unwrap();
            let (mean, variance) = mean_and_variance(out.data());
            // A fifth of full brightness, clipped and truncated count by count.
            let (mut p, mut first, mut second) = ((-0.2 * photons).exp(), 0.0, 0.0);
            for count in 0..400 {
                let level = ((f64::from(count) / photons).min(1.0) * 255.0).floor();
                first += p * level;
                second += p * level * level;
                p *= 0.2 * photons / f64::from(count + 1);
            }
            close(mean, first, 0.004 * 255.0 / photons.sqrt());
            close(variance, second - first * first, 0.02 * (second - first * first));
        }
        let black = shot(&RgbImage::filled(9, 9, [0; 3]), 60.0, &mut Random::new(2)).unwrap();
        assert_eq!(black.data(), [0; 243]);
    }

    #[test]
    fn the_poisson_table_matches_the_probabilities() {
        let table = PoissonTable::new(2.5, |count| count as u8);
        let mut seen = [0_u32; 40];
        for i in 0..100_000 {
            seen[usize::from(table.sample((i as f32 + 0.5) / 100_000.0))] += 1;
        }
        let mut p = (-2.5_f64).exp();
        for (count, &n) in seen.iter().enumerate().take(8) {
            close(f64::from(n), p * 1e5, 2.0);
            p *= 2.5 / (count + 1) as f64;
        }
    }

    #[test]
    fn impulse_hits_the_right_share_and_nothing_else() {
        let image = RgbImage::filled(400, 400, [77; 3]);
        let out = impulse(&image, 0.27, &mut Random::new(5)).unwrap();
        let count = |wanted: u8| out.data().iter().filter(|&&v| v == wanted).count() as f64 / 480_000.0;
        close(count(255), 0.135, 0.003);
        close(count(0), 0.135, 0.003);
        close(count(77), 0.73, 0.003);
        // Per value, not per pixel: a pixel loses all three channels only by chance.
        let whole = out.data().chunks(3).filter(|p| p.iter().all(|&v| v != 77)).count() as f64 / 160_000.0;
        close(whole, 0.27_f64.powi(3), 0.003);
    }
}

//! Noise drawn per channel value: Gaussian, shot, impulse, speckle.

use visrep_decode::RgbImage;

use crate::Error;
use crate::random::{LANES, Random};
use crate::simd::{truncate, vectorised};

/// `x + N(0, deviation)`, with `deviation` of a range of 1.
pub(crate) fn gaussian(image: &RgbImage, deviation: f64, random: &mut Random) -> Result<RgbImage, Error> {
    let deviation = (deviation * 255.0) as f32;
    per_value(
        image,
        random,
        #[inline(always)]
        move |value, normal| value + deviation * normal,
    )
}

/// `x + x * N(0, deviation)`.
pub(crate) fn speckle(image: &RgbImage, deviation: f64, random: &mut Random) -> Result<RgbImage, Error> {
    let deviation = deviation as f32;
    per_value(
        image,
        random,
        #[inline(always)]
        move |value, normal| value + value * deviation * normal,
    )
}

/// Maps every value with a standard normal of its own; clips and truncates.
fn per_value(
    image: &RgbImage,
    random: &mut Random,
    f: impl Fn(f32, f32) -> f32 + Copy,
) -> Result<RgbImage, Error> {
    let mut lanes = random.lanes();
    let mut data = image.data().to_vec();
    vectorised(
        #[inline(always)]
        || {
            // A copy: what is reached through a reference is read again for each value.
            let local = f;
            let (blocks, rest) = data.as_chunks_mut::<{ 2 * LANES }>();
            for block in blocks {
                for (value, normal) in block.iter_mut().zip(lanes.normals()) {
                    *value = truncate(local(f32::from(*value), normal));
                }
            }
            for (value, normal) in rest.iter_mut().zip(lanes.normals()) {
                *value = truncate(local(f32::from(*value), normal));
            }
        },
    );
    Ok(RgbImage::new(image.width(), image.height(), data)?)
}

/// `Poisson(x * photons) / photons`.
pub(crate) fn shot(image: &RgbImage, photons: f64, random: &mut Random) -> Result<RgbImage, Error> {
    let mut data = image.data().to_vec();
    let mut present = [false; 256];
    for &value in &data {
        present[usize::from(value)] = true;
    }
    // Counts up to full brightness have a level each, as far as there are levels.
    let mut aliases = Aliases::new((photons as usize).saturating_add(2).min(256));
    let mut log_factorials = vec![0.0];
    for value in (0..=255).filter(|&value| present[usize::from(value)]) {
        aliases.set(value, &shot_levels(value, photons, &mut log_factorials));
    }
    let mut lanes = random.lanes();
    for values in data.chunks_mut(LANES) {
        for (value, word) in values.iter_mut().zip(lanes.words()) {
            *value = aliases.draw(*value, word);
        }
    }
    Ok(RgbImage::new(image.width(), image.height(), data)?)
}

/// The 8-bit levels that a value's photon counts become, and their probabilities. `log_factorials` holds `ln(n!)` as far
/// as it was needed before.
fn shot_levels(value: u8, photons: f64, log_factorials: &mut Vec<f64>) -> Vec<(u8, f64)> {
    let mean = f64::from(value) / 255.0 * photons;
    // Counts this far from the mean have a probability below 1e-9.
    let reach = 7.0 * mean.sqrt() + 12.0;
    let (first, last) = ((mean - reach).max(0.0) as usize, (mean + reach) as usize);
    while log_factorials.len() <= first {
        let n = log_factorials.len();
        log_factorials.push(log_factorials[n - 1] + (n as f64).ln());
    }
    let mut probability =
        if mean > 0.0 { (first as f64 * mean.ln() - mean - log_factorials[first]).exp() } else { 1.0 };
    let mut levels: Vec<(u8, f64)> = Vec::with_capacity(last - first + 1);
    for count in first..=last {
        // The published division and product in f64, so that exact levels truncate as they did.
        let level = ((count as f64 / photons).min(1.0) * 255.0) as u8;
        match levels.last_mut() {
            Some((same, sum)) if *same == level => *sum += probability,
            _ => levels.push((level, probability)),
        }
        probability *= mean / (count + 1) as f64;
    }
    levels
}

/// For each value of 0..=255 a distribution of 8-bit levels, to be drawn from by A. J. Walker's alias method (1977): a
/// cell holds at most two levels, and all cells are as likely.
struct Aliases {
    /// One value's cells after the other's.
    cells: Vec<Cell>,
    /// Bits of a word that do not choose the cell: at most 31.
    bits: u32,
}

#[derive(Clone, Copy, Default)]
struct Cell {
    /// Words of `bits` bits below this give the first level.
    threshold: u32,
    levels: [u8; 2],
}

impl Aliases {
    /// Room for distributions of at most `most` levels.
    fn new(most: usize) -> Self {
        let count = most.next_power_of_two().max(2);
        Self { cells: vec![Cell::default(); 256 * count], bits: 32 - count.trailing_zeros() }
    }

    /// Sets a value's distribution: levels and their weights.
    fn set(&mut self, value: u8, levels: &[(u8, f64)]) {
        let count = self.cells.len() / 256;
        let cells = &mut self.cells[usize::from(value) * count..][..count];
        let total: f64 = levels.iter().map(|&(_, weight)| weight).sum();
        // In units of a cell. The cells even them out: those with room take what others have too much of.
        let shares = levels.iter().map(|&(level, weight)| (weight / total * count as f64, level));
        let none = std::iter::repeat_n((0.0, levels[0].0), count - levels.len());
        let (mut large, mut small): (Vec<_>, Vec<_>) =
            shares.chain(none).partition(|&(share, _)| share >= 1.0);
        for cell in cells {
            *cell = match (small.pop(), large.pop()) {
                (Some((least, below)), Some((most, above))) => {
                    let left = (most - (1.0 - least), above);
                    if left.0 < 1.0 {
                        small.push(left)
                    } else {
                        large.push(left)
                    }
                    Cell { threshold: (least * f64::from(1_u32 << self.bits)) as u32, levels: [below, above] }
                }
                // What is left over is whole but for rounding.
                (Some((_, level)), None) | (None, Some((_, level))) => {
                    Cell { threshold: 0, levels: [level; 2] }
                }
                (None, None) => *cell,
            };
        }
    }

    /// A level of the value's distribution for a uniform word.
    #[inline(always)]
    fn draw(&self, value: u8, word: u32) -> u8 {
        let cell = self.cells[usize::from(value) << (32 - self.bits) | (word >> self.bits) as usize];
        let [first, second] = cell.levels;
        if word & ((1 << self.bits) - 1) < cell.threshold { first } else { second }
    }
}

/// Replaces a share `amount` of the values by 0 or 255, each as likely.
pub(crate) fn impulse(image: &RgbImage, amount: f64, random: &mut Random) -> Result<RgbImage, Error> {
    let mut lanes = random.lanes();
    let mut data = image.data().to_vec();
    let of_words = |share: f64| (share * 4_294_967_296.0) as u32;
    let (dark, either) = (of_words(amount / 2.0), of_words(amount));
    vectorised(
        #[inline(always)]
        || {
            // Copies: what is reached through a reference is read again for each value.
            let (dark, either) = (dark, either);
            let (blocks, rest) = data.as_chunks_mut::<LANES>();
            for block in blocks {
                for (value, word) in block.iter_mut().zip(lanes.words()) {
                    *value = salted(*value, word, dark, either);
                }
            }
            for (value, word) in rest.iter_mut().zip(lanes.words()) {
                *value = salted(*value, word, dark, either);
            }
        },
    );
    Ok(RgbImage::new(image.width(), image.height(), data)?)
}

/// 0 for words below `dark`, 255 for others below `either`.
#[inline(always)]
fn salted(value: u8, word: u32, dark: u32, either: u32) -> u8 {
    let value = if word < either { 255 } else { value };
    if word < dark { 0 } else { value }
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
    fn aliases_match_the_probabilities() {
        let levels = shot_levels(100, 6.0, &mut vec![0.0]);
        let mut aliases = Aliases::new(40);
        aliases.set(7, &levels);
        aliases.set(8, &[(9, 0.3)]);
        let mut seen = [0_u32; 256];
        let mut lanes = Random::new(7).lanes();
        for word in (0..62_500).flat_map(|_| lanes.words()) {
            seen[usize::from(aliases.draw(7, word))] += 1;
            assert_eq!(aliases.draw(8, word), 9);
        }
        assert_eq!(seen.iter().sum::<u32>(), 1_000_000);
        let mut p = (-600.0_f64 / 255.0).exp();
        let mut beyond = 1e6;
        for count in 0..6 {
            let (mean, level) = (p * 1e6, (f64::from(count) / 6.0 * 255.0) as usize);
            close(f64::from(seen[level]), mean, 5.0 * mean.sqrt());
            beyond -= mean;
            p *= 600.0 / 255.0 / f64::from(count + 1);
        }
        close(f64::from(seen[255]), beyond, 5.0 * beyond.sqrt());
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

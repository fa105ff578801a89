//! The random numbers that corruptions draw, fast and the same on every machine.

use rand::{Rng as _, SeedableRng};

use crate::simd::vectorised;

/// The generator behind every random corruption: xoshiro256++.
pub(crate) struct Random {
    core: rand_xoshiro::Xoshiro256PlusPlus,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self { core: rand_xoshiro::Xoshiro256PlusPlus::seed_from_u64(seed) }
    }

    /// Uniform in [-1, 1) with 24 bits.
    pub(crate) fn signed_unit(&mut self) -> f32 {
        (self.core.next_u64() as i64 >> 40) as f32 * (1.0 / 8_388_608.0)
    }

    /// Uniform in [0, 1) with 53 bits.
    pub(crate) fn unit_f64(&mut self) -> f64 {
        (self.core.next_u64() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// Uniform in `low..high`.
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit_f64()
    }

    /// Uniform in `0..bound`, or 0 for a bound of 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.core.next_u64()) * bound as u128) >> 64) as usize
    }

    /// Two independent integers in `-reach..reach`.
    pub(crate) fn offsets(&mut self, reach: i32) -> (i32, i32) {
        let word = self.core.next_u64();
        let scaled = |half: u64| ((half * (2 * reach) as u64) >> 32) as i32 - reach;
        (scaled(word & 0xFFFF_FFFF), scaled(word >> 32))
    }

    /// A standard normal. [`Random::fill_normal`] is many times faster where more than one is needed.
    pub(crate) fn normal(&mut self) -> f32 {
        let word = self.core.next_u64();
        box_muller(word as u32, (word >> 32) as u32).0
    }

    /// Overwrites `values` with standard normals.
    pub(crate) fn fill_normal(&mut self, values: &mut [f32]) {
        let mut lanes = self.lanes();
        vectorised(
            #[inline(always)]
            || {
                let (blocks, rest) = values.as_chunks_mut::<{ 2 * LANES }>();
                for block in blocks {
                    *block = lanes.normals();
                }
                if !rest.is_empty() {
                    rest.copy_from_slice(&lanes.normals()[..rest.len()]);
                }
            },
        );
    }

    /// Generators of their own for vectorised loops.
    pub(crate) fn lanes(&mut self) -> Lanes {
        let mut state = [[0; LANES]; 4];
        for words in &mut state {
            for pair in words.as_chunks_mut::<2>().0 {
                let word = self.core.next_u64();
                *pair = [word as u32, (word >> 32) as u32];
            }
        }
        Lanes { state }
    }
}

/// How many generators run side by side in [`Lanes`].
pub(crate) const LANES: usize = 16;

/// Independent xoshiro128++ generators (D. Blackman & S. Vigna, *Scrambled Linear Pseudorandom Number Generators*,
/// 2021), one per vector lane.
pub(crate) struct Lanes {
    state: [[u32; LANES]; 4],
}

impl Lanes {
    /// One word of 32 bits from each.
    #[inline(always)]
    pub(crate) fn words(&mut self) -> [u32; LANES] {
        let [s0, s1, s2, s3] = &mut self.state;
        let mut out = [0; LANES];
        for i in 0..LANES {
            let (a, b, c, d) = (s0[i], s1[i], s2[i], s3[i]);
            out[i] = a.wrapping_add(d).rotate_left(7).wrapping_add(a);
            let (c, d) = (c ^ a, d ^ b);
            s1[i] = b ^ c;
            s0[i] = a ^ d;
            s2[i] = c ^ (b << 9);
            s3[i] = d.rotate_left(11);
        }
        out
    }

    /// Two standard normals from each.
    #[inline(always)]
    pub(crate) fn normals(&mut self) -> [f32; 2 * LANES] {
        let (radii, angles) = (self.words(), self.words());
        let mut out = [0.0; 2 * LANES];
        let (first, second) = out.split_at_mut(LANES);
        for i in 0..LANES {
            (first[i], second[i]) = box_muller(radii[i], angles[i]);
        }
        out
    }
}

/// Two independent standard normals from two words (G. E. P. Box & M. E. Muller, *A Note on the Generation of Random
/// Normal Deviates*, 1958): a point at a random angle, its squared distance exponentially distributed.
///
/// Basic operations only, so that every machine and instruction set gives the same.
#[inline(always)]
fn box_muller(radius: u32, angle: u32) -> (f32, f32) {
    // Halves of 2^-31: never zero, and fine where the logarithm is steep.
    let unit = ((radius >> 1) as i32 as f32 + 0.5) * (1.0 / 2_147_483_648.0);
    let squared = -2.0 * ln(unit);
    let radius = (if squared > 0.0 { squared } else { 0.0 }).sqrt();
    // 30 bits place the angle within an eighth of a turn of the x axis; one swaps the axes, one turns the point
    // about the centre, and together they reach the rest of the circle.
    let phi = (angle << 2) as i32 as f32 * (std::f32::consts::FRAC_PI_4 / 2_147_483_648.0);
    let (sin, cos) = sin_cos(phi);
    let radius = f32::from_bits(radius.to_bits() ^ (angle & 0x8000_0000));
    let (x, y) = if angle & 0x4000_0000 == 0 { (cos, sin) } else { (sin, cos) };
    (radius * x, radius * y)
}

/// The natural logarithm of a positive normal number, within three units in the last place: the series of
/// `2 artanh(t)` at `t = (m - 1) / (m + 1)`, with the mantissa `m` within a factor of the root of 2 of 1.
#[inline(always)]
fn ln(value: f32) -> f32 {
    // Bits of the root of one half: what exceeds it counts for the next exponent.
    const ROOT: u32 = 0x3F35_04F3;
    let offset = value.to_bits().wrapping_sub(ROOT);
    let exponent = (offset as i32 >> 23) as f32;
    let mantissa = f32::from_bits((offset & 0x007F_FFFF).wrapping_add(ROOT));
    let t = (mantissa - 1.0) / (mantissa + 1.0);
    let s = t * t;
    let series = 2.0 + s * (2.0 / 3.0 + s * (2.0 / 5.0 + s * (2.0 / 7.0 + s * (2.0 / 9.0))));
    exponent * std::f32::consts::LN_2 + t * series
}

/// Sine and cosine of an angle of at most an eighth of a turn, by their Taylor series.
#[inline(always)]
fn sin_cos(x: f32) -> (f32, f32) {
    let s = x * x;
    let sin = x * (1.0 + s * (-1.0 / 6.0 + s * (1.0 / 120.0 + s * (-1.0 / 5040.0 + s * (1.0 / 362_880.0)))));
    let cos = 1.0 + s * (-0.5 + s * (1.0 / 24.0 + s * (-1.0 / 720.0 + s * (1.0 / 40320.0))));
    (sin, cos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normals_have_the_moments_and_tails_of_the_normal_distribution() {
        let mut random = Random::new(3);
        let mut values = vec![0.0; 1_999_999];
        random.fill_normal(&mut values);
        check_normals(values);
        check_normals((0..1_999_999).map(|_| random.normal()).collect());
    }

    fn check_normals(values: Vec<f32>) {
        let n = values.len() as u32;
        let neighbours = values.windows(2).chain(values.windows(LANES + 1).step_by(LANES));
        let (mut products, mut pairs) = (0.0_f64, 0.0_f64);
        for pair in neighbours {
            products += f64::from(pair[0] * pair[pair.len() - 1]);
            pairs += 1.0;
        }
        assert!((products / pairs).abs() < 4.0 / pairs.sqrt(), "correlation {}", products / pairs);
        let (mut sums, mut beyond) = ([0.0_f64; 4], [0_u32; 3]);
        for x in values.into_iter().map(f64::from) {
            for (power, sum) in sums.iter_mut().enumerate() {
                *sum += x.powi(power as i32 + 1);
            }
            for (count, limit) in beyond.iter_mut().zip([1.0, 2.0, 3.7]) {
                *count += u32::from(x.abs() > limit);
            }
        }
        let moments = sums.map(|sum| sum / f64::from(n));
        for (moment, (expected, error)) in
            moments.into_iter().zip([(0.0, 0.004), (1.0, 0.006), (0.0, 0.015), (3.0, 0.04)])
        {
            assert!((moment - expected).abs() < error, "{moment} instead of {expected}");
        }
        for (count, expected) in beyond.into_iter().zip([0.317_311, 0.045_500, 0.000_215_6]) {
            let (count, mean) = (f64::from(count), expected * f64::from(n));
            assert!((count - mean).abs() < 5.0 * mean.sqrt(), "{count} instead of {mean}");
        }
    }

    #[test]
    fn the_elementary_functions_are_accurate() {
        for i in 1..=4_000_000_u32 {
            let x = i as f32 * 2.5e-7;
            let exact = f64::from(x).ln();
            assert!((f64::from(ln(x)) - exact).abs() <= 2.5e-7 * exact.abs() + 1e-12, "ln {x}");
            let x = (x - 0.5) * std::f32::consts::FRAC_PI_2;
            let ((sin, cos), (exact_sin, exact_cos)) = (sin_cos(x), f64::from(x).sin_cos());
            assert!((f64::from(sin) - exact_sin).abs() < 1.2e-7, "sin {x}");
            assert!((f64::from(cos) - exact_cos).abs() < 1.2e-7, "cos {x}");
        }
        assert_eq!(ln(1.0), 0.0);
    }

    #[test]
    fn the_instruction_set_changes_nothing() {
        let (mut values, mut expected) = ([0.0; 4096], Vec::new());
        Random::new(5).fill_normal(&mut values);
        let mut lanes = Random::new(5).lanes();
        while expected.len() < values.len() {
            expected.extend(lanes.normals());
        }
        assert_eq!(values[..], expected);
    }

    #[test]
    fn every_lane_draws_even_bits_of_its_own() {
        let mut lanes = Random::new(9).lanes();
        let mut ones = [[0_i32; 32]; LANES];
        for _ in 0..20_000 {
            let words = lanes.words();
            assert!(words.iter().enumerate().all(|(i, w)| !words[..i].contains(w)));
            for (ones, word) in ones.iter_mut().zip(words) {
                for (bit, count) in ones.iter_mut().enumerate() {
                    *count += (word >> bit & 1) as i32;
                }
            }
        }
        assert!(ones.iter().flatten().all(|n| (n - 10_000).abs() < 400), "{ones:?}");
    }

    #[test]
    fn offsets_and_bounds_are_even() {
        let mut random = Random::new(1);
        let mut seen = [0_u32; 6];
        for _ in 0..60_000 {
            let (dx, dy) = random.offsets(3);
            seen[(dx + 3) as usize] += 1;
            seen[(dy + 3) as usize] += 1;
        }
        assert!(seen.iter().all(|&n| (19_300..20_700).contains(&n)), "{seen:?}");
        assert_eq!(random.below(0), 0);
        assert!((0..1000).all(|_| random.below(3) < 3));
        assert!((0..1000).all(|_| (-1.0..1.0).contains(&random.signed_unit())));
    }
}

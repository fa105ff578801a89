//! The random numbers that corruptions draw, fast and the same on every machine.

use std::sync::LazyLock;

use rand::{Rng as _, SeedableRng};

/// The generator behind every random corruption: xoshiro256++.
pub(crate) struct Random {
    core: rand_xoshiro::Xoshiro256PlusPlus,
}

/// Layers of the ziggurat.
const LAYERS: usize = 256;
/// Where the tail begins for 256 layers of equal area (Marsaglia & Tsang 2000).
const TAIL: f64 = 3.654_152_885_361_009;
/// The area of each layer under `exp(-x^2 / 2)`.
const AREA: f64 = 0.004_928_673_233_974_655;

/// Right edges of the layers, and the density at each of them.
struct Ziggurat {
    edge: [f32; LAYERS + 1],
    density: [f32; LAYERS + 1],
}

static ZIGGURAT: LazyLock<Ziggurat> = LazyLock::new(|| {
    let density = |x: f64| (-0.5 * x * x).exp();
    let mut edge = [0.0_f64; LAYERS + 1];
    edge[0] = AREA / density(TAIL);
    edge[1] = TAIL;
    for i in 2..LAYERS {
        edge[i] = (-2.0 * (AREA / edge[i - 1] + density(edge[i - 1])).ln()).sqrt();
    }
    Ziggurat { edge: edge.map(|x| x as f32), density: edge.map(|x| density(x) as f32) }
});

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self { core: rand_xoshiro::Xoshiro256PlusPlus::seed_from_u64(seed) }
    }

    /// Uniform in [0, 1) with 24 bits.
    pub(crate) fn unit(&mut self) -> f32 {
        (self.core.next_u64() >> 40) as f32 * (1.0 / 16_777_216.0)
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

    /// A standard normal, by the ziggurat of Marsaglia & Tsang.
    pub(crate) fn normal(&mut self) -> f32 {
        self.normal_from(&ZIGGURAT)
    }

    /// Overwrites `values` with standard normals.
    pub(crate) fn fill_normal(&mut self, values: &mut [f32]) {
        let ziggurat = &*ZIGGURAT;
        for value in values {
            *value = self.normal_from(ziggurat);
        }
    }

    fn normal_from(&mut self, ziggurat: &Ziggurat) -> f32 {
        loop {
            let word = self.core.next_u64();
            let layer = (word & 0xFF) as usize;
            let unit = (word as i64 >> 40) as f32 * (1.0 / 8_388_608.0);
            let x = unit * ziggurat.edge[layer];
            if x.abs() < ziggurat.edge[layer + 1] {
                return x;
            }
            if layer == 0 {
                return self.normal_tail(x < 0.0);
            }
            let (low, high) = (ziggurat.density[layer], ziggurat.density[layer + 1]);
            if low + (high - low) * self.unit() < (-0.5 * x * x).exp() {
                return x;
            }
        }
    }

    #[cold]
    fn normal_tail(&mut self, negative: bool) -> f32 {
        loop {
            let x = -(1.0 - self.unit_f64()).ln() / TAIL;
            let y = -(1.0 - self.unit_f64()).ln();
            if 2.0 * y > x * x {
                let value = (TAIL + x) as f32;
                return if negative { -value } else { value };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normals_have_the_moments_and_tails_of_the_normal_distribution() {
        let mut random = Random::new(3);
        let n = 2_000_000;
        let (mut sums, mut beyond) = ([0.0_f64; 4], [0_u32; 3]);
        for _ in 0..n {
            let x = f64::from(random.normal());
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

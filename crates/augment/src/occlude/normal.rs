//! Whole numbers from a normal distribution, rounded and held within bounds: noise for 8-bit pixels.

use rand::Rng as _;

/// How many outcomes a table holds at most: a power of two, so that the low bits of a random number choose one.
const SLOTS: usize = 512;
const INDEX_BITS: u32 = SLOTS.trailing_zeros();
/// What is left of 32 random bits decides between a slot's two outcomes.
const SHARE_BITS: u32 = 32 - INDEX_BITS;

/// `round(N(mean, deviation))` held within bounds, drawn by Walker's alias method: one look into a table and half a
/// random word for each number, whatever the deviation.
pub(crate) struct DiscreteNormal {
    slots: Box<[Slot; SLOTS]>,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    /// Out of 2^[`SHARE_BITS`].
    share: u32,
    own: i16,
    other: i16,
}

impl DiscreteNormal {
    /// `low..=high` must not hold more than 512 numbers. A deviation that is not a positive number gives the mean.
    pub(crate) fn new(mean: f64, deviation: f64, low: i16, high: i16) -> Self {
        let mean = if mean.is_nan() { 0.0 } else { mean };
        let outcomes = (i32::from(high) - i32::from(low) + 1).clamp(1, SLOTS as i32) as usize;
        let below = |value: i32| {
            let edge = f64::from(value) - 0.5 - mean;
            if deviation > 0.0 {
                0.5 * libm::erfc(-edge / (deviation * std::f64::consts::SQRT_2))
            } else {
                f64::from(u8::from(edge > 0.0))
            }
        };
        let mut weights = [0.0; SLOTS];
        let mut from = 0.0;
        for (i, weight) in weights.iter_mut().enumerate().take(outcomes) {
            let to = if i + 1 == outcomes { 1.0 } else { below(i32::from(low) + i as i32 + 1) };
            *weight = (to - from).max(0.0) * SLOTS as f64;
            from = to;
        }
        Self::alias(weights, low)
    }

    /// Fills each slot's share up with a part of an outcome that has more than one slot's worth.
    fn alias(mut weights: [f64; SLOTS], low: i16) -> Self {
        let outcome = |i: usize| low.saturating_add(i as i16);
        let likeliest = (0..SLOTS).max_by(|&a, &b| weights[a].total_cmp(&weights[b])).unwrap_or(0);
        let mut slots = Box::new([Slot::default(); SLOTS]);
        let (mut poor, mut rich): (Vec<usize>, Vec<usize>) = (0..SLOTS).partition(|&i| weights[i] < 1.0);
        while let Some(&donor) = rich.last() {
            let Some(i) = poor.pop() else { break };
            let share = (weights[i] * f64::from(1u32 << SHARE_BITS)).round() as u32;
            slots[i] = Slot { share, own: outcome(i), other: outcome(donor) };
            weights[donor] -= 1.0 - weights[i];
            if weights[donor] < 1.0 {
                rich.pop();
                poor.push(donor);
            }
        }
        // Rounding may leave some over: slots whose weight is one but for the rounding, or nothing but for it.
        for i in poor.into_iter().chain(rich) {
            let outcome = outcome(if weights[i] > 0.5 { i } else { likeliest });
            slots[i] = Slot { share: 1 << SHARE_BITS, own: outcome, other: outcome };
        }
        Self { slots }
    }

    #[inline(always)]
    fn pick(&self, bits: u32) -> i16 {
        let slot = self.slots[bits as usize % SLOTS];
        if bits >> INDEX_BITS < slot.share { slot.own } else { slot.other }
    }

    /// Two numbers.
    #[inline(always)]
    pub(crate) fn pair(&self, rng: &mut crate::Rng) -> [i16; 2] {
        let bits = rng.next_u64();
        [self.pick(bits as u32), self.pick((bits >> 32) as u32)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view_rng;

    #[test]
    fn each_number_is_drawn_as_often_as_the_normal_distribution_has_it() {
        const DRAWS: usize = 400_000;
        for (mean, deviation) in [(120.0, 20.0), (5.3, 60.0), (250.0, 3.0), (77.4, 0.4)] {
            let table = DiscreteNormal::new(mean, deviation, 0, 255);
            let mut rng = view_rng(0, 0, 0, 0);
            let mut counts = [0usize; 256];
            for _ in 0..DRAWS / 2 {
                table.pair(&mut rng).into_iter().for_each(|value| counts[value as usize] += 1);
            }
            let cumulated = |x: f64| 0.5 * libm::erfc((mean - x) / (deviation * std::f64::consts::SQRT_2));
            let mut sum = 0;
            for (value, count) in counts.iter().enumerate().take(255) {
                sum += count;
                let expected = cumulated(value as f64 + 0.5);
                // Kolmogorov's bound at a chance of error of 1e-6.
                let error = (sum as f64 / DRAWS as f64 - expected).abs();
                assert!(error < 2.7 / (DRAWS as f64).sqrt(), "{mean} {deviation}: {value} is {error} off");
            }
        }
    }

    #[test]
    fn what_is_all_but_impossible_does_not_come() {
        for (mean, deviation) in [(127.5, 25.5), (100.0, 5.0), (20.1, 0.7), (128.0, 12.75)] {
            let table = DiscreteNormal::new(mean, deviation, 0, 255);
            let mut rng = view_rng(1, 0, 0, 0);
            let drawn = (0..100_000).flat_map(|_| table.pair(&mut rng));
            let furthest = drawn.map(|value| (f64::from(value) - mean).abs()).fold(0.0, f64::max);
            assert!(furthest < 7.0 * deviation + 1.0, "{furthest} from {mean}, {deviation}");
        }
    }

    #[test]
    fn no_deviation_gives_the_mean_and_no_number_is_out_of_bounds() {
        let mut rng = view_rng(0, 0, 0, 0);
        for (mean, deviation, expected) in
            [(3.0, 0.0, 3), (-9.0, 0.0, 0), (400.0, 1.0, 255), (f64::NAN, 0.0, 0), (7.0, f64::NAN, 7)]
        {
            let table = DiscreteNormal::new(mean, deviation, 0, 255);
            for _ in 0..2000 {
                assert_eq!(table.pair(&mut rng), [expected; 2], "{mean} {deviation}");
            }
        }
    }
}

//! Randomness as a pure function of what it is for.
//!
//! A view's random numbers depend on `(seed, epoch, sample index, view)` alone: the number of workers,
//! a sample's place in its batch and a resume never change a pixel.

use rand::SeedableRng;

/// The generator that every transform draws from: xoshiro256++.
pub type Rng = rand_xoshiro::Xoshiro256PlusPlus;

/// The generator for the view of index `view` of sample `index` in epoch `epoch` of a run with `seed`.
pub fn view_rng(seed: u64, epoch: u64, index: u64, view: u64) -> Rng {
    let state =
        [seed, epoch, index, view].into_iter().fold(0x9E37_79B9_7F4A_7C15, |state, word| mix(state ^ word));
    Rng::seed_from_u64(state)
}

/// One round of SplitMix64: a bijection whose output looks random even for consecutive inputs.
fn mix(word: u64) -> u64 {
    let mut z = word.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng as _;
    use std::collections::HashSet;

    #[test]
    fn every_coordinate_matters_and_nothing_else_does() {
        let mut seen = HashSet::new();
        for seed in 0..3 {
            for epoch in 0..3 {
                for index in 0..50 {
                    for view in 0..3 {
                        assert!(seen.insert(view_rng(seed, epoch, index, view).next_u64()));
                    }
                }
            }
        }
        assert_eq!(view_rng(1, 2, 3, 4).next_u64(), view_rng(1, 2, 3, 4).next_u64());
        assert_ne!(view_rng(1, 2, 3, 4).next_u64(), view_rng(2, 1, 3, 4).next_u64());
    }
}

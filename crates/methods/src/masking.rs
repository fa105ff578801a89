//! Which patches are hidden from a student: blocks, as BEiT, iBOT and DINOv2 draw them.

use crate::Error;
use crate::config::fraction;
use rand::{RngExt as _, SeedableRng as _, seq::SliceRandom as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

/// How many images are masked, and how much of them: the keys of `[method.mask]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MaskConfig {
    /// The share of the large crops that are masked at all.
    pub probability: f64,
    /// The smallest and largest share of a masked crop's patches.
    pub ratio: [f64; 2],
}

impl Default for MaskConfig {
    /// Half of the crops, a tenth to a half of their patches: iBOT's and DINOv2's.
    fn default() -> Self {
        Self { probability: 0.5, ratio: [0.1, 0.5] }
    }
}

impl MaskConfig {
    pub(crate) fn check(&self) -> Result<(), Error> {
        fraction("mask.probability", self.probability)?;
        let [low, high] = self.ratio;
        fraction("mask.ratio", low)?;
        fraction("mask.ratio", high)?;
        match low <= high {
            true => Ok(()),
            false => Err(Error::Parameter {
                parameter: "mask.ratio",
                expected: "a smallest and a largest share, in this order",
                found: low,
            }),
        }
    }

    /// Masks (images, patches) bool as iBOT draws them: every image by itself is masked or not, with a share of its own,
    /// in blocks of at least (min(rows, columns) / 3)² patches.
    pub(crate) fn independent(
        &self,
        images: usize,
        grid: (i64, i64),
        random: &mut Random,
    ) -> Result<Tensor, Error> {
        let smallest = (grid.0.min(grid.1) / 3).pow(2) as f64;
        let [low, high] = self.ratio;
        let masks = (0..images).map(|_| {
            let masked = random.0.random::<f64>() < self.probability;
            let share = low + (high - low) * random.0.random::<f64>();
            let target = if masked { share * (grid.0 * grid.1) as f64 } else { 0.0 };
            block_mask(grid, target, smallest, random)
        });
        stack(masks.collect(), grid)
    }

    /// Masks (images, patches) bool as DINOv2 draws them: of the images exactly the share `probability`, rounded down, whose
    /// own shares are spread evenly over the range, in blocks of at least 4 patches.
    pub(crate) fn stratified(
        &self,
        images: usize,
        grid: (i64, i64),
        random: &mut Random,
    ) -> Result<Tensor, Error> {
        let masked = (images as f64 * self.probability) as usize;
        let [low, high] = self.ratio;
        let mut masks: Vec<Vec<bool>> = (0..images)
            .map(|i| {
                let at = (i as f64 + random.0.random::<f64>()) / masked.max(1) as f64;
                let share = if i < masked { low + (high - low) * at } else { 0.0 };
                block_mask(grid, (share * (grid.0 * grid.1) as f64).floor(), 4.0, random)
            })
            .collect();
        masks.shuffle(&mut random.0);
        stack(masks, grid)
    }
}

/// A source of random numbers that starts where LibTorch's stands, which the trainer seeds for every step.
pub(crate) struct Random(Xoshiro256PlusPlus);

impl Random {
    pub(crate) fn from_torch() -> Result<Self, Error> {
        let seed = Tensor::f_randint(i64::MAX, [1], (Kind::Int64, Device::Cpu))?.f_int64_value(&[0])?;
        Ok(Self(Xoshiro256PlusPlus::seed_from_u64(seed as u64)))
    }
}

/// BEiT's blocks (microsoft/unilm `beit/masking_generator.py`): rectangles of `smallest` patches or more, of aspects from 0.3
/// to 1 / 0.3, are added until `target` patches are hidden or ten draws in a row do not fit. Never more than `target`
/// are, and sometimes fewer.
fn block_mask(grid: (i64, i64), target: f64, smallest: f64, random: &mut Random) -> Vec<bool> {
    let (rows, columns) = (grid.0 as usize, grid.1 as usize);
    let mut mask = vec![false; rows * columns];
    let mut hidden = 0;
    let random = &mut random.0;
    while (hidden as f64) < target {
        let room = target - hidden as f64;
        let mut fitted = false;
        for _ in 0..10 {
            // The bounds may be reversed, as in the original.
            let area = smallest + (room - smallest) * random.random::<f64>();
            let aspect = (0.3f64.ln() * (1.0 - 2.0 * random.random::<f64>())).exp();
            let height = (area * aspect).sqrt().round_ties_even() as usize;
            let width = (area / aspect).sqrt().round_ties_even() as usize;
            if width >= columns || height >= rows {
                continue;
            }
            let top = random.random_range(0..=rows - height);
            let left = random.random_range(0..=columns - width);
            let cells =
                || (top..top + height).flat_map(move |y| (left..left + width).map(move |x| y * columns + x));
            let new = cells().filter(|&cell| !mask[cell]).count();
            if new == 0 || new as f64 > room {
                continue;
            }
            cells().for_each(|cell| mask[cell] = true);
            hidden += new;
            fitted = true;
            break;
        }
        if !fitted {
            break;
        }
    }
    mask
}

fn stack(masks: Vec<Vec<bool>>, grid: (i64, i64)) -> Result<Tensor, Error> {
    let images = masks.len() as i64;
    Ok(Tensor::f_from_slice(&masks.concat())?.f_reshape([images, grid.0 * grid.1])?)
}

/// The positions (M) int64 of the masked patches in (images x patches), in the order of `nonzero`.
pub(crate) fn positions(masked: &Tensor) -> Result<Tensor, Error> {
    Ok(masked.f_flatten(0, -1)?.f_nonzero()?.f_squeeze_dim(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(masks: &Tensor) -> Vec<i64> {
        Vec::try_from(masks.sum_dim_intlist([1i64].as_slice(), false, Kind::Int64)).unwrap()
    }

    fn random(seed: u64) -> Random {
        Random(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    #[test]
    fn blocks_never_hide_more_than_asked_and_nearly_as_much() {
        let mut random = random(1);
        let hidden: Vec<usize> = (0..500)
            .map(|_| block_mask((14, 14), 75.0, 16.0, &mut random).iter().filter(|&&m| m).count())
            .collect();
        assert!(hidden.iter().all(|&count| count <= 75));
        let mean = hidden.iter().sum::<usize>() as f64 / 500.0;
        assert!((70.0..=75.0).contains(&mean), "{mean}");
        for (grid, target, smallest) in
            [((1, 1), 1.0, 4.0), ((2, 2), 2.0, 4.0), ((3, 5), 7.5, 1.0), ((4, 4), 0.0, 1.0)]
        {
            for _ in 0..200 {
                let count = block_mask(grid, target, smallest, &mut random).iter().filter(|&&m| m).count();
                assert!(count as f64 <= target, "{grid:?} {target}: {count}");
            }
        }
    }

    #[test]
    fn independent_masks_take_half_of_the_images_and_a_share_of_their_own() {
        let masks = MaskConfig::default().independent(2000, (8, 8), &mut random(2)).unwrap();
        assert_eq!((masks.size(), masks.kind()), (vec![2000, 64], Kind::Bool));
        let counts = counts(&masks);
        let masked: Vec<i64> = counts.into_iter().filter(|&count| count > 0).collect();
        assert!((900..1100).contains(&masked.len()), "{}", masked.len());
        assert!(masked.iter().all(|&count| count <= 32));
        let mean = masked.iter().sum::<i64>() as f64 / masked.len() as f64 / 64.0;
        assert!((0.2..0.31).contains(&mean), "{mean}");
    }

    #[test]
    fn stratified_masks_take_exactly_their_number_of_images() {
        let config = MaskConfig::default();
        for images in [1, 2, 7, 64] {
            let counts = counts(&config.stratified(images, (14, 14), &mut random(3)).unwrap());
            assert_eq!(counts.iter().filter(|&&count| count > 0).count(), images / 2);
            assert!(counts.iter().all(|&count| count <= 98));
        }
        let mut sorted = counts(&config.stratified(64, (14, 14), &mut random(4)).unwrap());
        assert!(sorted[..32].iter().any(|&count| count > 0) && sorted[32..].iter().any(|&count| count > 0));
        sorted.sort_unstable();
        assert!(sorted[63] > 85, "the last stratum is near the largest share: {sorted:?}");
    }

    #[test]
    fn the_seed_of_the_step_decides_and_positions_are_in_order() {
        let draw = |seed| {
            tch::manual_seed(seed);
            MaskConfig::default().independent(16, (6, 4), &mut Random::from_torch().unwrap()).unwrap()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        let masked = Tensor::from_slice(&[false, true, false, true, true, false]).reshape([2, 3]);
        assert_eq!(Vec::<i64>::try_from(positions(&masked).unwrap()).unwrap(), [1, 3, 4]);
        for (probability, ratio) in
            [(1.1, [0.1, 0.5]), (0.5, [0.5, 0.1]), (0.5, [-0.1, 0.5]), (0.5, [0.1, 2.0])]
        {
            assert!(MaskConfig { probability, ratio }.check().is_err());
        }
    }
}

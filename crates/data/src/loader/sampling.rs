//! Which samples an epoch has: each once, or drawn with replacement; all of them, or a process's share.

use crate::{Dataset, Error};
use rand::RngExt;
use std::sync::Arc;
use visrep_augment::view_rng;

/// Keeps these random numbers apart from those of the views, which have a sample's index here.
const DRAW: u64 = u64::MAX - 2;

/// Which samples an epoch has.
#[derive(Clone, Debug, Default)]
pub enum Sampling {
    /// Each sample once.
    #[default]
    Each,
    /// As many as there are samples, with replacement: a class, all that are present alike, then one of its samples.
    /// Samples without a label are never drawn.
    Balanced,
    /// As many as there are samples, with replacement, each with a probability in proportion to its weight: one
    /// finite number for each sample, none below zero (PyTorch's `WeightedRandomSampler`).
    Weighted(Arc<[f64]>),
}

/// A process's share of every epoch, for training on several at once.
///
/// Shares are runs of the epoch's common order, so that each process reads its own row groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessShare {
    /// The number of this process, from 0.
    pub rank: usize,
    /// How many processes there are.
    pub world: usize,
    /// Whether samples that do not divide evenly are left out; otherwise the order's first are repeated (as
    /// PyTorch's `DistributedSampler` does). Either way all shares are equally long.
    pub drop_uneven: bool,
}

/// What to draw samples from.
pub(super) enum Draw {
    /// Indices sorted by class, and where each class begins and the last ends.
    Balanced { indices: Vec<u32>, starts: Vec<usize> },
    /// Running sums of the weights.
    Weighted(Vec<f64>),
}

impl Draw {
    /// What `sampling` draws from; none where each sample comes once.
    pub(super) fn new(sampling: &Sampling, dataset: &dyn Dataset) -> Result<Option<Self>, Error> {
        let fail = |problem: String| Err(Error::Option { parameter: "sampling", problem });
        match sampling {
            Sampling::Each => Ok(None),
            Sampling::Balanced => {
                if u32::try_from(dataset.len()).is_err() {
                    return fail(format!("{} samples are more than can be balanced", dataset.len()));
                }
                let mut labelled: Vec<(u32, u32)> =
                    (0..).zip(dataset.labels()?).filter_map(|(index, label)| Some((label?, index))).collect();
                if labelled.is_empty() {
                    return fail("classes cannot be balanced without labels".into());
                }
                labelled.sort_unstable();
                let mut starts = vec![0];
                starts.extend((1..labelled.len()).filter(|at| labelled[*at].0 != labelled[at - 1].0));
                starts.push(labelled.len());
                Ok(Some(Self::Balanced {
                    indices: labelled.into_iter().map(|(_, index)| index).collect(),
                    starts,
                }))
            }
            Sampling::Weighted(weights) => {
                if weights.len() != dataset.len() {
                    return fail(format!("{} weights for {} samples", weights.len(), dataset.len()));
                }
                if let Some(at) = weights.iter().position(|weight| !weight.is_finite() || *weight < 0.0) {
                    return fail(format!("the weight of sample {at} is {}, expected 0 or more", weights[at]));
                }
                let mut sum = 0.0;
                let sums: Vec<f64> = weights
                    .iter()
                    .map(|weight| {
                        sum += weight;
                        sum
                    })
                    .collect();
                if !(sum > 0.0 && sum.is_finite()) {
                    return fail(format!("the weights sum to {sum}, expected a number above 0"));
                }
                Ok(Some(Self::Weighted(sums)))
            }
        }
    }

    /// The index drawn at a position: a function of the seed, the epoch and the position, whatever was drawn before.
    pub(super) fn index(&self, seed: u64, epoch: u64, position: usize) -> usize {
        let mut rng = view_rng(seed, epoch, DRAW, position as u64);
        match self {
            Self::Balanced { indices, starts } => {
                let class = rng.random_range(0..starts.len() - 1);
                indices[rng.random_range(starts[class]..starts[class + 1])] as usize
            }
            Self::Weighted(sums) => {
                let total = sums.last().copied().unwrap_or(0.0);
                let point = rng.random::<f64>() * total;
                // The first sum above the point: samples without weight have none.
                let at = sums.partition_point(|sum| *sum <= point);
                // A product that rounds up to the total takes the last sample that has a weight.
                at.min(sums.partition_point(|sum| *sum < total))
            }
        }
    }
}

impl ProcessShare {
    pub(super) fn check(self, samples: usize) -> Result<(), Error> {
        let fail = |problem| Err(Error::Option { parameter: "share", problem });
        if self.rank >= self.world {
            return fail(format!("rank {} of {} processes: ranks count from 0", self.rank, self.world));
        }
        if self.drop_uneven && samples < self.world {
            return fail(format!("{samples} samples leave nothing for each of {} processes", self.world));
        }
        Ok(())
    }

    /// How many of `samples` a process has.
    pub(super) fn len(self, samples: usize) -> usize {
        if self.drop_uneven { samples / self.world } else { samples.div_ceil(self.world) }
    }

    /// The position in the common order of this share's position.
    pub(super) fn position(self, position: usize, samples: usize) -> usize {
        (self.rank * self.len(samples) + position) % samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{InMemory, Sample, SampleImage};
    use visrep_decode::RgbImage;

    fn dataset(labels: &[Option<u32>]) -> InMemory {
        let sample = |label: &Option<u32>| Sample {
            image: SampleImage::Decoded(RgbImage::filled(1, 1, [0; 3])),
            label: *label,
            key: String::new(),
        };
        InMemory::new(labels.iter().map(sample).collect(), vec!["a".into(), "b".into(), "c".into()])
    }

    fn counts(draw: &Draw, n: usize, draws: usize) -> Vec<usize> {
        let mut counts = vec![0; n];
        (0..draws).for_each(|position| counts[draw.index(7, 3, position)] += 1);
        counts
    }

    #[test]
    fn balanced_classes_come_alike_and_unlabelled_samples_never() {
        let labels = [Some(0), Some(0), None, Some(0), Some(2), Some(0)];
        let draw = Draw::new(&Sampling::Balanced, &dataset(&labels)).ok().flatten().expect("a draw");
        let counts = counts(&draw, 6, 8000);
        assert_eq!(counts[2], 0);
        // 4000 expected, of standard deviation 45; and 1000, of 30.
        assert!(counts[4].abs_diff(4000) < 250, "{counts:?}");
        assert!([0, 1, 3, 5].iter().all(|index| counts[*index].abs_diff(1000) < 170), "{counts:?}");
        assert!(Draw::new(&Sampling::Balanced, &dataset(&[None; 3])).is_err());
    }

    #[test]
    fn weighted_samples_come_by_their_weights() {
        let weights = [0.0, 1.0, 0.0, 3.0, 0.0];
        let data = dataset(&[None; 5]);
        let draw = Draw::new(&Sampling::Weighted(weights.into()), &data).ok().flatten().expect("a draw");
        let counts = counts(&draw, 5, 8000);
        assert_eq!((counts[0], counts[2], counts[4]), (0, 0, 0));
        assert!(counts[1].abs_diff(2000) < 220, "{counts:?}");
        for bad in [&[1.0; 4][..], &[0.0; 5], &[1.0, -1.0, 1.0, 1.0, 1.0], &[f64::NAN; 5], &[f64::MAX; 5]] {
            assert!(Draw::new(&Sampling::Weighted(bad.into()), &data).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn shares_are_equally_long_and_cover_the_order() {
        for (samples, world) in [(10, 3), (9, 3), (2, 3), (7, 1)] {
            for drop_uneven in [false, true] {
                let share = |rank| ProcessShare { rank, world, drop_uneven };
                if share(0).check(samples).is_err() {
                    assert!(drop_uneven && samples < world);
                    continue;
                }
                let all: Vec<usize> = (0..world)
                    .flat_map(|rank| {
                        (0..share(rank).len(samples)).map(move |p| share(rank).position(p, samples))
                    })
                    .collect();
                let whole = if drop_uneven { samples / world * world } else { samples };
                assert_eq!(all[..whole], (0..whole).collect::<Vec<_>>());
                assert_eq!(all[whole..], (0..all.len() - whole).collect::<Vec<_>>());
            }
        }
        assert!(ProcessShare { rank: 1, world: 1, drop_uneven: false }.check(5).is_err());
    }
}

//! The order of an epoch.
//!
//! A shuffle draws the order of the dataset's groups, then mixes the samples of each run of
//! [`groups_at_once`](crate::Dataset::groups_at_once) groups in it. Both are functions of the seed and the
//! epoch; a window's order also of its place, so that a resume draws the windows that it needs and no others, and
//! only one window's order is in memory. A dataset with a single group is shuffled throughout.

use super::sampling::Draw;
use crate::Dataset;
use rand::seq::SliceRandom;
use std::ops::Range;
use std::sync::Arc;
use visrep_augment::view_rng;

/// Keeps the order's random numbers apart from those of the views, which have a sample's index here.
const GROUP_ORDER: u64 = u64::MAX;
const WINDOW_ORDER: u64 = u64::MAX - 1;

/// Maps positions in an epoch to indices of the dataset, each exactly once unless they are drawn.
pub(super) enum Order {
    Sequential,
    Drawn { draw: Arc<Draw>, seed: u64, epoch: u64 },
    Shuffled(Box<Shuffled>),
}

pub(super) struct Shuffled {
    seed: u64,
    epoch: u64,
    /// In shuffled order.
    groups: Vec<Range<usize>>,
    windows: Vec<Window>,
    /// A window's number and its samples in order.
    current: Option<(usize, Vec<usize>)>,
}

struct Window {
    /// Position of the first sample.
    start: usize,
    groups: Range<usize>,
}

impl Order {
    /// The dataset's own order, or that drawn by `shuffle`, a seed and an epoch.
    pub(super) fn new(dataset: &dyn Dataset, shuffle: Option<(u64, u64)>) -> Self {
        let Some((seed, epoch)) = shuffle else { return Self::Sequential };
        let mut groups = dataset.groups();
        groups.retain(|group| !group.is_empty());
        groups.shuffle(&mut view_rng(seed, epoch, GROUP_ORDER, 0));
        let at_once = dataset.groups_at_once().clamp(1, groups.len().max(1));
        let mut windows = Vec::new();
        let mut start = 0;
        for first in (0..groups.len()).step_by(at_once) {
            let of_window = first..(first + at_once).min(groups.len());
            windows.push(Window { start, groups: of_window.clone() });
            start += groups[of_window].iter().map(ExactSizeIterator::len).sum::<usize>();
        }
        Self::Shuffled(Box::new(Shuffled { seed, epoch, groups, windows, current: None }))
    }

    /// Indices drawn with replacement.
    pub(super) fn drawn(draw: Arc<Draw>, seed: u64, epoch: u64) -> Self {
        Self::Drawn { draw, seed, epoch }
    }

    /// The dataset's index at `position`. Cheap for positions that ascend from call to call.
    pub(super) fn index(&mut self, position: usize) -> usize {
        match self {
            Self::Sequential => position,
            Self::Drawn { draw, seed, epoch } => draw.index(*seed, *epoch, position),
            Self::Shuffled(shuffled) => shuffled.index(position),
        }
    }

    /// What tells the random numbers of the sample `index` at `position` from others': its index, or, where a sample
    /// may come again and must not look the same, its position.
    pub(super) fn identity(&self, position: usize, index: usize) -> u64 {
        match self {
            Self::Drawn { .. } => position as u64,
            Self::Sequential | Self::Shuffled(_) => index as u64,
        }
    }
}

impl Shuffled {
    fn index(&mut self, position: usize) -> usize {
        let at = self.windows.partition_point(|window| window.start <= position) - 1;
        let window = &self.windows[at];
        let samples = match &mut self.current {
            Some((current, samples)) if *current == at => samples,
            current => {
                let mut samples: Vec<usize> =
                    self.groups[window.groups.clone()].iter().cloned().flatten().collect();
                samples.shuffle(&mut view_rng(self.seed, self.epoch, WINDOW_ORDER, at as u64));
                &mut current.insert((at, samples)).1
            }
        };
        samples[position - window.start]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Error, Sample};

    struct Grouped {
        sizes: Vec<usize>,
        at_once: usize,
    }

    impl Dataset for Grouped {
        fn len(&self) -> usize {
            self.sizes.iter().sum()
        }
        fn get(&self, index: usize) -> Result<Sample, Error> {
            Err(Error::Index { index, len: self.len() })
        }
        fn label(&self, _: usize) -> Option<u32> {
            None
        }
        fn classes(&self) -> &[String] {
            &[]
        }
        fn groups(&self) -> Vec<Range<usize>> {
            let mut end = 0;
            let group = |size: &usize| {
                end += size;
                end - size..end
            };
            self.sizes.iter().map(group).collect()
        }
        fn groups_at_once(&self) -> usize {
            self.at_once
        }
    }

    fn indices(data: &Grouped, shuffle: Option<(u64, u64)>, positions: Range<usize>) -> Vec<usize> {
        let mut order = Order::new(data, shuffle);
        positions.map(|position| order.index(position)).collect()
    }

    #[test]
    fn every_index_comes_exactly_once_and_epochs_and_seeds_differ() {
        for (sizes, at_once) in
            [(vec![100], usize::MAX), (vec![10; 10], 3), (vec![7, 0, 50, 1, 42], 2), (vec![100], 1)]
        {
            let data = Grouped { sizes, at_once };
            let order = |seed, epoch| indices(&data, Some((seed, epoch)), 0..100);
            let mut sorted = order(1, 0);
            sorted.sort_unstable();
            assert_eq!(sorted, (0..100).collect::<Vec<_>>());
            assert_eq!(order(1, 0), order(1, 0));
            assert_ne!(order(1, 0), order(1, 1));
            assert_ne!(order(1, 0), order(2, 0));
            assert_ne!(order(1, 0), sorted);
            assert_eq!(indices(&data, None, 3..6), [3, 4, 5]);
        }
    }

    #[test]
    fn any_part_of_the_order_is_that_part_of_the_whole() {
        let data = Grouped { sizes: vec![13; 11], at_once: 4 };
        let whole = indices(&data, Some((5, 2)), 0..143);
        for start in 0..143 {
            assert_eq!(indices(&data, Some((5, 2)), start..143), whole[start..]);
        }
    }

    #[test]
    fn a_window_mixes_its_groups_and_touches_no_others() {
        let data = Grouped { sizes: vec![10; 20], at_once: 4 };
        let order = indices(&data, Some((0, 0)), 0..200);
        for window in order.chunks(40) {
            let mut groups: Vec<usize> = window.iter().map(|index| index / 10).collect();
            let changes = groups.windows(2).filter(|pair| pair[0] != pair[1]).count();
            assert!(changes > 15, "{changes} changes of group in {groups:?}");
            groups.sort_unstable();
            groups.dedup();
            assert_eq!(groups.len(), 4);
        }
    }
}

//! Dividing a dataset into a part to learn from and a part to test on.

use crate::Dataset;
use rand::seq::SliceRandom;
use std::collections::BTreeMap;
use visrep_augment::view_rng;

/// Indices for training and for testing, each ascending: of every class, a share of `test_fraction`
/// (from 0 to 1) drawn by `seed` is for testing, rounded, but with at least one sample on either side where the class
/// has two. Samples without a label count as a class of their own.
pub fn stratified_split(dataset: &dyn Dataset, test_fraction: f64, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let mut classes = BTreeMap::<Option<u32>, Vec<usize>>::new();
    for index in 0..dataset.len() {
        classes.entry(dataset.label(index)).or_default().push(index);
    }
    let (mut train, mut test) = (Vec::new(), Vec::new());
    for (label, mut indices) in classes {
        let class = label.map_or(u64::MAX, u64::from);
        indices.shuffle(&mut view_rng(seed, 0, class, 0));
        let share = (indices.len() as f64 * test_fraction.clamp(0.0, 1.0)).round() as usize;
        let both = test_fraction > 0.0 && test_fraction < 1.0 && indices.len() >= 2;
        let share = if both { share.clamp(1, indices.len() - 1) } else { share };
        test.extend_from_slice(&indices[..share]);
        train.extend_from_slice(&indices[share..]);
    }
    train.sort_unstable();
    test.sort_unstable();
    (train, test)
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

    #[test]
    fn each_class_gives_its_share_and_nothing_is_lost() {
        let labels: Vec<_> = (0..103)
            .map(|i| if i < 100 { Some(i % 2) } else { [Some(2), Some(2), None][i as usize - 100] })
            .collect();
        let data = dataset(&labels);
        let (train, test) = stratified_split(&data, 0.2, 3);
        let count = |part: &[usize], label| part.iter().filter(|i| labels[**i] == label).count();
        assert_eq!((count(&test, Some(0)), count(&test, Some(1)), count(&test, Some(2))), (10, 10, 1));
        assert_eq!(count(&train, None), 1);
        let mut all = [train.clone(), test.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..103).collect::<Vec<_>>());
        assert!(train.is_sorted() && test.is_sorted());
        assert_eq!(stratified_split(&data, 0.2, 3), (train, test.clone()));
        assert_ne!(stratified_split(&data, 0.2, 4).1, test);
    }

    #[test]
    fn fractions_at_and_beyond_the_ends_are_taken_as_all_or_nothing() {
        let data = dataset(&[Some(0); 5]);
        for (fraction, expected) in [(0.0, 0), (-1.0, 0), (f64::NAN, 0), (1.0, 5), (7.0, 5)] {
            assert_eq!(stratified_split(&data, fraction, 0).1.len(), expected, "{fraction}");
        }
    }
}

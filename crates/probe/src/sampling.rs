//! Seeded choices of samples within each class.

use rand::RngExt;
use std::collections::BTreeMap;
use visrep_augment::view_rng;

/// The sample indices of each class, each class's in a random order of its own.
///
/// The order of class `c` is a Fisher-Yates shuffle of its samples, in dataset order, by
/// [`view_rng`]`(seed, 0, c, 0)`: it depends on nothing but the seed, the class and the number of samples in it.
fn shuffled_classes(labels: &[i64], seed: u64) -> Vec<Vec<usize>> {
    let mut classes = BTreeMap::<i64, Vec<usize>>::new();
    for (index, &label) in labels.iter().enumerate() {
        classes.entry(label).or_default().push(index);
    }
    for (&label, indices) in &mut classes {
        let mut rng = view_rng(seed, 0, label as u64, 0);
        for i in 0..indices.len() {
            let j = rng.random_range(i..indices.len());
            indices.swap(i, j);
        }
    }
    classes.into_values().collect()
}

/// `shots` samples of each class, chosen by `seed`; a class with fewer gives all it has.
pub fn few_shot_indices(labels: &[i64], shots: usize, seed: u64) -> Vec<usize> {
    shuffled_classes(labels, seed).into_iter().flat_map(|class| class.into_iter().take(shots)).collect()
}

/// Splits samples into (rest, held out), holding out about `fraction` of each class: the rounded share, but
/// never all of a class, and at least one sample of each class that has two or more.
pub(crate) fn hold_out(labels: &[i64], fraction: f64, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let (mut rest, mut held) = (Vec::new(), Vec::new());
    for class in shuffled_classes(labels, seed) {
        let share = (class.len() as f64 * fraction).round() as usize;
        let share = share.max(1).min(class.len() - 1);
        held.extend(&class[..share]);
        rest.extend(&class[share..]);
    }
    rest.sort_unstable();
    held.sort_unstable();
    (rest, held)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn shots_per_class_without_repeats_and_by_seed() {
        let labels: Vec<i64> = (0..60).map(|i| i % 3).collect();
        let chosen = few_shot_indices(&labels, 5, 1);
        assert_eq!(chosen.iter().collect::<HashSet<_>>().len(), 15);
        for class in 0..3 {
            assert_eq!(chosen.iter().filter(|&&i| labels[i] == class).count(), 5);
        }
        assert_eq!(chosen, few_shot_indices(&labels, 5, 1));
        assert_ne!(chosen, few_shot_indices(&labels, 5, 2));
        // More shots extend fewer: the protocols nest.
        let more: HashSet<_> = few_shot_indices(&labels, 10, 1).into_iter().collect();
        assert!(chosen.iter().all(|index| more.contains(index)));
    }

    #[test]
    fn a_small_class_gives_all_it_has() {
        assert_eq!(few_shot_indices(&[0, 0, 1], 5, 0).len(), 3);
    }

    #[test]
    fn holding_out_covers_everything_once() {
        let labels = [vec![0; 50], vec![1; 2], vec![7; 1]].concat();
        let (rest, held) = hold_out(&labels, 0.2, 3);
        assert_eq!((rest.len(), held.len()), (40 + 1 + 1, 10 + 1));
        assert_eq!(rest.iter().chain(&held).collect::<HashSet<_>>().len(), labels.len());
    }
}

//! What figures are made of, image by image: two models' records of the same images can be paired.

use crate::Shown;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use visrep_data::Fingerprint;

/// What a task's figure is made of, image by image: which images were classified right or, where a verdict is more than that, [`Graded`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TaskVerdicts {
    /// [`Score::task`](visrep_metrics::Score::task) of the figure that they make.
    pub task: String,
    /// A number for the images and their order, by their keys and labels: only verdicts on the same ones can be paired.
    pub images: u64,
    /// One for each image; none where verdicts are graded.
    pub correct: Vec<bool>,
    /// Verdicts that are more than right or wrong.
    #[serde(default)]
    pub graded: Option<Graded>,
    /// What several images have in common.
    #[serde(default)]
    pub groups: Groups,
}

/// Verdicts that are no truth values, one for each image.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Graded {
    /// Values whose mean is the figure; those that are not a number count in neither sum nor number.
    Values {
        /// [`Score::metric`](visrep_metrics::Score::metric) of it.
        metric: String,
        /// The values.
        values: Vec<f64>,
    },
    /// Scores of detection, of which figures depend on the order alone.
    Ranks {
        /// The rank of each score, the lowest having 0; equal scores have the same.
        ranks: Vec<u32>,
        /// How far each image is what the scores should find, a fraction: 0 or 1, or the share of judges who say so.
        positive: Vec<f64>,
    },
}

/// Numbers for images that have something in common, from 0; none where each image stands for itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Groups {
    /// The object, or photograph, that each image shows: images of one are not independent.
    pub objects: Vec<u32>,
    /// The value of a factor at which each image is, where `mean-top1` is a mean over values.
    pub values: Vec<u32>,
}

impl TaskVerdicts {
    /// The verdicts on the images of these keys and labels.
    pub fn new(
        task: impl Into<String>,
        keys: impl IntoIterator<Item = impl AsRef<str>>,
        labels: &[i64],
        correct: Vec<bool>,
    ) -> Self {
        let images = fingerprint(keys, labels.iter().map(|label| label.cast_unsigned()));
        Self { task: task.into(), images, correct, ..Self::default() }
    }

    /// Values of the images of these keys, whose mean is the task's `metric`.
    pub fn of_values(
        task: impl Into<String>,
        metric: impl Into<String>,
        keys: impl IntoIterator<Item = impl AsRef<str>>,
        values: Vec<f64>,
    ) -> Self {
        let graded = Some(Graded::Values { metric: metric.into(), values });
        Self { task: task.into(), images: fingerprint(keys, []), graded, ..Self::default() }
    }

    /// Scores of the images of these keys by which those that are `positive`, as far as the fraction says, should come first or last.
    pub fn of_scores(
        task: impl Into<String>,
        keys: impl IntoIterator<Item = impl AsRef<str>>,
        scores: &[f64],
        positive: Vec<f64>,
    ) -> Self {
        let images = fingerprint(keys, positive.iter().map(|share| share.to_bits()));
        let graded = Some(Graded::Ranks { ranks: dense_ranks(scores), positive });
        Self { task: task.into(), images, graded, ..Self::default() }
    }

    /// Says which object each image shows, by any numbers.
    #[must_use]
    pub fn with_objects<T: Ord>(mut self, objects: impl IntoIterator<Item = T>) -> Self {
        self.groups.objects = numbered(objects);
        self
    }

    /// Says what each image shows: its object, and the value of the factor.
    #[must_use]
    pub fn showing(mut self, shown: &[Shown]) -> Self {
        self.groups.values = numbered(shown.iter().map(|shown| &shown.value));
        self.with_objects(shown.iter().map(|shown| shown.object))
    }
}

/// A number for images of these keys, and what is known of each.
fn fingerprint(keys: impl IntoIterator<Item = impl AsRef<str>>, known: impl IntoIterator<Item = u64>) -> u64 {
    let mut images = Fingerprint::new();
    keys.into_iter().for_each(|key| images.text(key.as_ref()));
    known.into_iter().for_each(|number| images.number(number));
    images.finish()
}

/// Each item's number, from 0 in the order in which items are first seen.
fn numbered<T: Ord>(items: impl IntoIterator<Item = T>) -> Vec<u32> {
    let mut known = BTreeMap::new();
    let mut number = |item| {
        let next = known.len() as u32;
        *known.entry(item).or_insert(next)
    };
    items.into_iter().map(&mut number).collect()
}

/// The rank of each score, from 0 for the lowest; scores that are equal have the same, as 0 and −0 have.
fn dense_ranks(scores: &[f64]) -> Vec<u32> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let (mut ranks, mut rank) = (vec![0; scores.len()], 0);
    for (at, &index) in order.iter().enumerate() {
        rank += u32::from(at > 0 && scores[order[at - 1]] != scores[index]);
        ranks[index] = rank;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FactorValue;

    #[test]
    fn ranks_keep_order_and_ties() {
        assert_eq!(dense_ranks(&[0.5, -1.0, 0.0, 7.0, -0.0, 0.5]), [2, 0, 1, 3, 1, 2]);
        assert_eq!(dense_ranks(&[]), [0; 0]);
    }

    #[test]
    fn groups_are_numbered_and_do_not_change_which_images_they_are() {
        let of = || TaskVerdicts::new("t", ["a", "b", "c"], &[1, 1, 2], vec![true; 3]);
        let shown = [(0.5, 40), (0.1, 7), (0.5, 40)].map(|(value, object)| Shown {
            value: FactorValue::new(&[value]),
            object,
            scene: object,
        });
        let found = of().showing(&shown);
        assert_eq!((found.groups.objects, found.groups.values), (vec![0, 1, 0], vec![0, 1, 0]));
        assert_eq!(found.images, of().images);
        assert_ne!(found.images, TaskVerdicts::new("t", ["a", "b", "c"], &[1, 1, 3], vec![]).images);
    }

    #[test]
    fn scores_of_other_kinds_are_of_other_images() {
        let of = |positive| TaskVerdicts::of_scores("msp", ["a", "b"], &[0.2, 0.1], positive);
        assert_ne!(of(vec![1.0, 0.0]).images, of(vec![1.0, 1.0]).images);
        let Some(Graded::Ranks { ranks, positive }) = of(vec![1.0, 0.5]).graded else { panic!() };
        assert_eq!((ranks, positive), (vec![1, 0], vec![1.0, 0.5]));
    }

    #[test]
    fn what_was_kept_before_groups_is_read() {
        let kept = r#"{"task":"fog/1","images":7,"correct":[true,false]}"#;
        let found: TaskVerdicts = serde_json::from_str(kept).unwrap();
        assert_eq!((found.correct.len(), found.graded.is_none(), found.groups), (2, true, Groups::default()));
    }
}

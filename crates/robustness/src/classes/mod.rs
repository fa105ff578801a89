//! Which of ImageNet's 1000 classes a test set has, and how they stand for coarser ones.

mod background;
mod cue_conflict;
mod object_pose;
mod si_score;
mod subsets;
mod synsets;

pub use background::{IMAGENET_9_CLASSES, imagenet_9_label};
pub use cue_conflict::{CUE_CONFLICT_CLASSES, CueConflictClass, Stimulus};
pub use object_pose::{OBJECT_POSE_CLASSES, object_pose_classes};
pub use si_score::{SI_SCORE_CLASSES, si_score_class};

use visrep_metrics::{Error, ScoreMatrix};

/// The index, of the 1000, of the class whose folder has this name: `n01440764` is 0. `None` for what is no synset of ImageNet-1k.
pub fn synset_index(name: &str) -> Option<u16> {
    let digits = name.strip_prefix('n').filter(|digits| digits.len() == 8)?;
    let number = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
    synsets::SYNSETS.binary_search(&number).ok().and_then(|index| u16::try_from(index).ok())
}

/// The name of the folder of class `index` of the 1000.
pub fn synset_name(index: u16) -> Option<String> {
    synsets::SYNSETS.get(usize::from(index)).map(|number| format!("n{number:08}"))
}

/// A test set whose labels are 200 of ImageNet's 1000 classes: label k is the k-th of these in ascending order, which is also
/// the order of the folders' sorted names.
///
/// The rule of all three: columns are selected **before** the arg max or softmax, so that a prediction is always one of the
/// 200. An arg max over all 1000 gives markedly lower figures, which compare with nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassSubset {
    /// ImageNet-A.
    A,
    /// ImageNet-R.
    R,
    /// ImageNet-O.
    O,
}

impl ClassSubset {
    /// The indices of its classes among the 1000 in the order of their synsets, ascending.
    pub fn indices(self) -> &'static [u16; 200] {
        match self {
            Self::A => &subsets::A,
            Self::R => &subsets::R,
            Self::O => &subsets::O,
        }
    }

    /// The label of class `index` of the 1000 within the subset; `None` where the subset lacks it.
    pub fn label_of(self, index: u16) -> Option<usize> {
        self.indices().binary_search(&index).ok()
    }

    /// The scores of the subset's classes from scores of all 1000, row-major with 200 columns.
    pub fn select<T: Copy + Into<f64>>(self, scores: &ScoreMatrix<'_, T>) -> Result<Vec<T>, Error> {
        if scores.classes() != 1000 {
            let value = scores.classes() as f64;
            return Err(Error::Parameter { parameter: "classes", value, expected: "1000, ImageNet's" });
        }
        let indices = self.indices();
        Ok(scores.rows().flat_map(|row| indices.iter().map(|&index| row[usize::from(index)])).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use visrep_metrics::predictions;

    #[test]
    fn a_thousand_synsets_ascend() {
        let all: Vec<_> = (0..1000).filter_map(synset_name).collect();
        assert!(
            all.len() == 1000 && all.windows(2).all(|pair| pair[0] < pair[1]) && synset_name(1000).is_none()
        );
        // The sum tells a misprint.
        assert_eq!(synsets::SYNSETS.iter().map(|&number| u64::from(number)).sum::<u64>(), 3_481_996_750);
        assert!((0..1000).all(|index| synset_index(&all[usize::from(index)]) == Some(index)));
        assert_eq!((all[0].as_str(), all[999].as_str()), ("n01440764", "n15075141"));
        for wrong in ["01440764", "n1440764", "n+1440764", "n01440765", "n", "", "n0144076é"] {
            assert_eq!(synset_index(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn two_hundred_classes_each_in_order() {
        // The sums tell a misprint from the published lists.
        for (subset, sum) in [(ClassSubset::A, 102_178), (ClassSubset::R, 86_135), (ClassSubset::O, 134_542)]
        {
            let indices = subset.indices();
            assert!(indices.windows(2).all(|pair| pair[0] < pair[1]) && indices[199] < 1000, "{subset:?}");
            assert_eq!(indices.iter().map(|&index| u32::from(index)).sum::<u32>(), sum, "{subset:?}");
        }
        let shared = |a: ClassSubset, b: ClassSubset| {
            a.indices().iter().filter(|&&index| b.label_of(index).is_some()).count()
        };
        assert_eq!(shared(ClassSubset::A, ClassSubset::R), 86);
        assert_eq!(shared(ClassSubset::A, ClassSubset::O), 59);
        // Stingray, n01498041, is ImageNet-A's first class; tench, n01440764, is in none.
        assert_eq!(ClassSubset::A.label_of(6), Some(0));
        assert_eq!(ClassSubset::R.label_of(6), Some(3));
        assert_eq!(ClassSubset::O.label_of(6), None);
        assert!([ClassSubset::A, ClassSubset::R, ClassSubset::O].iter().all(|s| s.label_of(0).is_none()));
    }

    #[test]
    fn classes_are_masked_before_the_arg_max() {
        let mut row = vec![0.0_f32; 1000];
        (row[0], row[11], row[13]) = (9.0, 3.0, 2.0);
        let all = ScoreMatrix::new(&row, 1000).unwrap();
        assert_eq!(predictions(&all), [0]);
        let selected = ClassSubset::A.select(&all).unwrap();
        let selected = ScoreMatrix::new(&selected, 200).unwrap();
        assert_eq!(predictions(&selected), [1]);
        assert!(ClassSubset::A.select(&selected).is_err());
    }
}

//! Positives: other samples whose images stand for further views of a sample.

use crate::{Dataset, Error};
use rand::RngExt;
use visrep_augment::Rng;

/// Which samples belong together without being one image: frames of a video, viewpoints of an object, members of a class,
/// neighbours found beforehand. [`Views::with_positives`](super::Views::with_positives) makes the further views of a
/// sample from its positive's image.
pub trait Positives: Send + Sync {
    /// The index of a sample that belongs with sample `index`, or `index` itself where there is none. All randomness is
    /// from `rng`.
    fn positive(&self, index: usize, rng: &mut Rng) -> usize;
}

/// Another sample of the same class, each alike. A sample that is alone in its class or has no label stands for itself.
#[derive(Clone, Debug)]
pub struct ClassPositives {
    /// The class of each sample, and its place among the class's members.
    places: Vec<Option<(usize, usize)>>,
    members: Vec<Vec<usize>>,
}

impl ClassPositives {
    /// Those of `dataset`. Errs when its labels cannot be read, and when it has none.
    pub fn new(dataset: &dyn Dataset) -> Result<Self, Error> {
        let labels = dataset.labels()?;
        let mut members: Vec<Vec<usize>> = Vec::new();
        let mut places = Vec::with_capacity(labels.len());
        for (index, label) in labels.into_iter().enumerate() {
            places.push(label.map(|label| {
                let class = label as usize;
                if members.len() <= class {
                    members.resize(class + 1, Vec::new());
                }
                members[class].push(index);
                (class, members[class].len() - 1)
            }));
        }
        if members.is_empty() {
            let problem = "of one class need labels, and no sample has one".into();
            return Err(Error::Option { parameter: "positives", problem });
        }
        Ok(Self { places, members })
    }
}

impl Positives for ClassPositives {
    fn positive(&self, index: usize, rng: &mut Rng) -> usize {
        let Some(Some((class, place))) = self.places.get(index) else { return index };
        let members = &self.members[*class];
        if members.len() < 2 {
            return index;
        }
        // All but the sample itself: the last one takes its place.
        let drawn = rng.random_range(0..members.len() - 1);
        members[if drawn == *place { members.len() - 1 } else { drawn }]
    }
}

/// A sample of the same sequence, at most so many places before or after, each alike: frames that are near in time,
/// views of an object that is turned.
#[derive(Clone, Debug)]
pub struct SequencePositives {
    /// The number of the sequence of each sample, ascending.
    sequences: Vec<usize>,
    reach: usize,
}

impl SequencePositives {
    /// Sequences are the runs of samples whose keys have one folder (`video-7/frame-001.jpg`), in the dataset's order.
    /// Errs when `reach` is 0.
    pub fn by_folder(dataset: &dyn Dataset, reach: usize) -> Result<Self, Error> {
        let mut last = None;
        let mut number = 0;
        let sequences = (0..dataset.len()).map(|index| {
            let key = dataset.key(index);
            let folder = key.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
            if last.as_ref().is_some_and(|last| *last != folder) {
                number += 1;
            }
            last = Some(folder);
            number
        });
        Self::new(sequences.collect(), reach)
    }

    /// With the number of each sample's sequence, which must not fall from one sample to the next. Errs when one does, and
    /// when `reach` is 0.
    pub fn new(sequences: Vec<usize>, reach: usize) -> Result<Self, Error> {
        let fail = |problem: String| Err(Error::Option { parameter: "positives", problem });
        if reach == 0 {
            return fail("of a sequence must reach at least 1 place".into());
        }
        if let Some(at) = sequences.windows(2).position(|pair| pair[0] > pair[1]) {
            return fail(format!(
                "need ascending sequences: sample {} is of an earlier one than sample {at}",
                at + 1
            ));
        }
        Ok(Self { sequences, reach })
    }
}

impl Positives for SequencePositives {
    fn positive(&self, index: usize, rng: &mut Rng) -> usize {
        let Some(own) = self.sequences.get(index) else { return index };
        let first = self.sequences.partition_point(|sequence| sequence < own);
        let end = self.sequences.partition_point(|sequence| sequence <= own);
        let (from, to) =
            (first.max(index.saturating_sub(self.reach)), end.min(index.saturating_add(self.reach + 1)));
        if to - from < 2 {
            return index;
        }
        let drawn = rng.random_range(from..to - 1);
        if drawn < index { drawn } else { drawn + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{InMemory, Sample, SampleImage};
    use std::collections::BTreeSet;
    use visrep_augment::view_rng;
    use visrep_decode::RgbImage;

    fn data(samples: &[(&str, Option<u32>)]) -> InMemory {
        let sample = |&(key, label): &(&str, Option<u32>)| Sample {
            image: SampleImage::Decoded(RgbImage::from_fn(2, 2, |_, _| [0; 3])),
            label,
            key: key.to_owned(),
        };
        InMemory::new(samples.iter().map(sample).collect(), ["a", "b", "c"].map(str::to_owned).to_vec())
    }

    /// All positives of sample `index` that many draws give.
    fn drawn(positives: &dyn Positives, index: usize) -> Vec<usize> {
        let draw = |epoch| positives.positive(index, &mut view_rng(0, epoch, index as u64, 1));
        (0..200).map(draw).collect::<BTreeSet<_>>().into_iter().collect()
    }

    #[test]
    fn a_class_gives_all_its_other_members() {
        let labels = [Some(2), Some(0), Some(2), None, Some(2), Some(0), Some(1)];
        let samples: Vec<_> = labels.iter().map(|&label| ("x", label)).collect();
        let positives = ClassPositives::new(&data(&samples)).unwrap();
        let expected: [&[usize]; 7] = [&[2, 4], &[5], &[0, 4], &[3], &[0, 2], &[1], &[6]];
        for (index, expected) in expected.into_iter().enumerate() {
            assert_eq!(drawn(&positives, index), expected, "sample {index}");
        }
        assert_eq!(drawn(&positives, 99), [99]);
        assert!(ClassPositives::new(&data(&[("x", None)])).is_err());
    }

    #[test]
    fn a_sequence_gives_what_is_near_in_it() {
        let keys = ["a/1", "a/2", "a/3", "a/4", "b/1", "c/1", "c/2"];
        let samples: Vec<_> = keys.iter().map(|&key| (key, None)).collect();
        let near = |reach| SequencePositives::by_folder(&data(&samples), reach).unwrap();
        let one: [&[usize]; 7] = [&[1], &[0, 2], &[1, 3], &[2], &[4], &[6], &[5]];
        let many: [&[usize]; 7] = [&[1, 2, 3], &[0, 2, 3], &[0, 1, 3], &[0, 1, 2], &[4], &[6], &[5]];
        for (reach, expected) in [(1, one), (usize::MAX - 9, many)] {
            let positives = near(reach);
            for (index, expected) in expected.into_iter().enumerate() {
                assert_eq!(drawn(&positives, index), expected, "sample {index}, reach {reach}");
            }
        }
        assert!(SequencePositives::by_folder(&data(&samples), 0).is_err());
        let error = SequencePositives::new(vec![0, 1, 0], 1).unwrap_err().to_string();
        assert!(error.contains("sample 2 is of an earlier one than sample 1"), "{error}");
    }
}

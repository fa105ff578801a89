//! Datasets made of other datasets: a selection of one, or several in a row.

use crate::fingerprint::Fingerprint;
use crate::{Dataset, Error, Sample};
use std::ops::Range;
use std::sync::Arc;

/// Some samples of a dataset, in the order given; an index may occur more than once.
///
/// Indices that ascend keep the base's groups together, so that a shuffled subset of a Parquet file is
/// still read by row group.
pub struct Subset {
    base: Arc<dyn Dataset>,
    indices: Vec<usize>,
}

impl Subset {
    /// The samples of `base` at `indices`. An index outside `base` is an error of [`Dataset::get`].
    pub fn new(base: Arc<dyn Dataset>, indices: Vec<usize>) -> Self {
        Self { base, indices }
    }

    /// The indices into the base dataset.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }

    fn base_index(&self, index: usize) -> Result<usize, Error> {
        let base = *self.indices.get(index).ok_or(Error::Index { index, len: self.indices.len() })?;
        if base < self.base.len() {
            Ok(base)
        } else {
            Err(Error::Index { index: base, len: self.base.len() })
        }
    }
}

impl Dataset for Subset {
    fn len(&self) -> usize {
        self.indices.len()
    }

    fn get(&self, index: usize) -> Result<Sample, Error> {
        self.base.get(self.base_index(index)?)
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.base.label(self.base_index(index).ok()?)
    }

    fn classes(&self) -> &[String] {
        self.base.classes()
    }

    fn key(&self, index: usize) -> String {
        self.base_index(index).map_or_else(|_| format!("sample {index}"), |base| self.base.key(base))
    }

    fn labels(&self) -> Result<Vec<Option<u32>>, Error> {
        let labels = self.base.labels()?;
        (0..self.len()).map(|index| Ok(labels[self.base_index(index)?])).collect()
    }

    fn fingerprint(&self) -> Result<u64, Error> {
        let mut hash = Fingerprint::new();
        hash.number(self.base.fingerprint()?);
        self.indices.iter().for_each(|index| hash.number(*index as u64));
        Ok(hash.finish())
    }

    fn stamp(&self) -> u64 {
        self.base.stamp()
    }

    fn warnings(&self) -> Vec<String> {
        self.base.warnings()
    }

    fn groups(&self) -> Vec<Range<usize>> {
        let base = self.base.groups();
        if base.len() <= 1 {
            return std::iter::once(0..self.len()).collect();
        }
        let group_of = |index: usize| base.partition_point(|group| group.end <= index);
        let mut groups = Vec::new();
        let mut start = 0;
        for position in 1..=self.len() {
            if position == self.len() || group_of(self.indices[position]) != group_of(self.indices[start]) {
                groups.push(start..position);
                start = position;
            }
        }
        groups
    }

    fn groups_at_once(&self) -> usize {
        self.base.groups_at_once()
    }
}

/// Datasets one after the other: of different classes ([`new`](Self::new)), or of the same
/// ([`of_same_classes`](Self::of_same_classes)).
pub struct Concat {
    parts: Vec<Part>,
    classes: Vec<String>,
    len: usize,
}

struct Part {
    dataset: Arc<dyn Dataset>,
    start: usize,
    label_offset: u32,
}

impl Part {
    fn offset(&self, label: Option<u32>) -> Option<u32> {
        label.and_then(|label| label.checked_add(self.label_offset))
    }
}

impl Concat {
    /// Parts of one dataset in a row, such as its training and its validation split: labels stay as they are.
    ///
    /// # Errors
    /// [`Error::Option`] when the parts have other classes than the first.
    pub fn of_same_classes(datasets: Vec<Arc<dyn Dataset>>) -> Result<Self, Error> {
        let mut all = Self::new(datasets);
        let classes = all.parts.first().map_or_else(Vec::new, |part| part.dataset.classes().to_vec());
        if let Some(part) = all.parts.iter().find(|part| part.dataset.classes() != classes) {
            let (first, other) = (classes.len(), part.dataset.classes().len());
            let problem =
                format!("parts of one dataset have the same classes; here are {first} and {other} or others");
            return Err(Error::Option { parameter: "Concat datasets", problem });
        }
        all.parts.iter_mut().for_each(|part| part.label_offset = 0);
        Ok(Self { classes, ..all })
    }

    /// `datasets` in a row. Each one's labels are offset by the number of classes before it, and the class names are appended.
    pub fn new(datasets: Vec<Arc<dyn Dataset>>) -> Self {
        let mut classes = Vec::new();
        let mut len = 0;
        let parts = datasets
            .into_iter()
            .map(|dataset| {
                let label_offset = u32::try_from(classes.len()).unwrap_or(u32::MAX);
                let part = Part { start: len, label_offset, dataset };
                classes.extend_from_slice(part.dataset.classes());
                len += part.dataset.len();
                part
            })
            .collect();
        Self { parts, classes, len }
    }

    /// The part that holds sample `index`, and the index within it.
    fn locate(&self, index: usize) -> Result<(&Part, usize), Error> {
        if index >= self.len {
            return Err(Error::Index { index, len: self.len });
        }
        let part = &self.parts[self.parts.partition_point(|part| part.start <= index) - 1];
        Ok((part, index - part.start))
    }
}

impl Dataset for Concat {
    fn len(&self) -> usize {
        self.len
    }

    fn get(&self, index: usize) -> Result<Sample, Error> {
        let (part, within) = self.locate(index)?;
        let sample = part.dataset.get(within)?;
        Ok(Sample { label: part.offset(sample.label), ..sample })
    }

    fn label(&self, index: usize) -> Option<u32> {
        let (part, within) = self.locate(index).ok()?;
        part.offset(part.dataset.label(within))
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn key(&self, index: usize) -> String {
        self.locate(index)
            .map_or_else(|_| format!("sample {index}"), |(part, within)| part.dataset.key(within))
    }

    fn labels(&self) -> Result<Vec<Option<u32>>, Error> {
        let mut labels = Vec::with_capacity(self.len);
        for part in &self.parts {
            labels.extend(part.dataset.labels()?.into_iter().map(|label| part.offset(label)));
        }
        Ok(labels)
    }

    fn fingerprint(&self) -> Result<u64, Error> {
        let mut hash = Fingerprint::new();
        for part in &self.parts {
            hash.number(part.dataset.fingerprint()?);
        }
        Ok(hash.finish())
    }

    fn stamp(&self) -> u64 {
        let mut hash = Fingerprint::new();
        self.parts.iter().for_each(|part| hash.number(part.dataset.stamp()));
        hash.finish()
    }

    fn warnings(&self) -> Vec<String> {
        self.parts.iter().flat_map(|part| part.dataset.warnings()).collect()
    }

    fn groups(&self) -> Vec<Range<usize>> {
        let shifted = |part: &Part| -> Vec<_> {
            part.dataset.groups().into_iter().map(|g| part.start + g.start..part.start + g.end).collect()
        };
        self.parts.iter().flat_map(shifted).collect()
    }

    fn groups_at_once(&self) -> usize {
        self.parts.iter().map(|part| part.dataset.groups_at_once()).min().unwrap_or(usize::MAX)
    }
}

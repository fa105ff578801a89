//! Labels in as few bytes as they need: a set of millions of rows keeps one or two bytes for each.

use std::collections::HashMap;

/// A list of optional class indices in the smallest unsigned type that holds them. The type's largest value
/// stands for "no label".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Labels {
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
}

impl Default for Labels {
    fn default() -> Self {
        Self::U8(Vec::new())
    }
}

impl Labels {
    /// Appends a label, widening the whole list when it does not fit. `u32::MAX` is no class index.
    pub(crate) fn push(&mut self, label: Option<u32>) {
        if let Some(value) = label {
            if let Self::U8(narrow) = self
                && value >= u32::from(u8::MAX)
            {
                let widen = |v: &u8| if *v == u8::MAX { u16::MAX } else { u16::from(*v) };
                *self = Self::U16(narrow.iter().map(widen).collect());
            }
            if let Self::U16(narrow) = self
                && value >= u32::from(u16::MAX)
            {
                let widen = |v: &u16| if *v == u16::MAX { u32::MAX } else { u32::from(*v) };
                *self = Self::U32(narrow.iter().map(widen).collect());
            }
        }
        match self {
            Self::U8(values) => values.push(label.map_or(u8::MAX, |v| v as u8)),
            Self::U16(values) => values.push(label.map_or(u16::MAX, |v| v as u16)),
            Self::U32(values) => values.push(label.unwrap_or(u32::MAX)),
        }
    }

    /// The label at `index`; none where there is none, or no such index.
    pub(crate) fn get(&self, index: usize) -> Option<u32> {
        match self {
            Self::U8(values) => values.get(index).filter(|v| **v != u8::MAX).map(|v| u32::from(*v)),
            Self::U16(values) => values.get(index).filter(|v| **v != u16::MAX).map(|v| u32::from(*v)),
            Self::U32(values) => values.get(index).filter(|v| **v != u32::MAX).copied(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::U8(values) => values.len(),
            Self::U16(values) => values.len(),
            Self::U32(values) => values.len(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Option<u32>> + '_ {
        (0..self.len()).map(|index| self.get(index))
    }

    /// The largest label.
    pub(crate) fn max(&self) -> Option<u32> {
        self.iter().flatten().max()
    }
}

impl Extend<Option<u32>> for Labels {
    fn extend<T: IntoIterator<Item = Option<u32>>>(&mut self, labels: T) {
        labels.into_iter().for_each(|label| self.push(label));
    }
}

impl FromIterator<Option<u32>> for Labels {
    fn from_iter<T: IntoIterator<Item = Option<u32>>>(labels: T) -> Self {
        let mut all = Self::default();
        all.extend(labels);
        all
    }
}

/// Class names for labels that have none: `0..=max`. More than a million are refused: such labels are
/// something else than class indices.
pub(crate) fn numbered_classes(max: Option<u32>) -> Result<Vec<String>, String> {
    const LIMIT: u32 = 1_000_000;
    match max {
        None => Ok(Vec::new()),
        Some(max) if max >= LIMIT => Err(format!("a label of {max} is no class index (limit {LIMIT})")),
        Some(max) => Ok((0..=max).map(|class| class.to_string()).collect()),
    }
}

/// Labels as text, which are class indices when all of them are, and class names otherwise.
#[derive(Debug, Default)]
pub(crate) struct ClassTable {
    /// What each distinct text is numbered as, in the order in which they came.
    numbers: HashMap<String, u32>,
    labels: Labels,
}

impl ClassTable {
    /// Appends a sample's label.
    pub(crate) fn push(&mut self, text: Option<&str>) -> Result<(), String> {
        const LIMIT: usize = 1_000_000;
        const LONGEST: usize = 256;
        let Some(text) = text else {
            self.labels.push(None);
            return Ok(());
        };
        let number = match self.numbers.get(text) {
            Some(number) => *number,
            None if self.numbers.len() == LIMIT => {
                return Err(format!("has more than {LIMIT} different labels"));
            }
            None if text.len() > LONGEST => return Err(format!("has a label of {} bytes", text.len())),
            None => {
                let number = self.numbers.len() as u32;
                self.numbers.insert(text.to_owned(), number);
                number
            }
        };
        self.labels.push(Some(number));
        Ok(())
    }

    /// Appends the samples of another table.
    #[cfg(any(test, feature = "webdataset"))]
    pub(crate) fn append(&mut self, other: &Self) {
        let mut texts: Vec<_> = other.numbers.iter().collect();
        texts.sort_unstable_by_key(|(_, number)| **number);
        let mut numbers = Vec::with_capacity(texts.len());
        for (text, _) in texts {
            let next = self.numbers.len() as u32;
            numbers.push(*self.numbers.entry(text.clone()).or_insert(next));
        }
        self.labels.extend(other.labels.iter().map(|label| label.map(|number| numbers[number as usize])));
    }

    /// Labels and class names. Indices give the classes `0..=max`, -1 is no label; names are sorted.
    pub(crate) fn finish(self) -> Result<(Labels, Vec<String>), String> {
        let mut texts: Vec<(String, u32)> = self.numbers.into_iter().collect();
        let indices: Option<Vec<(u32, Option<u32>)>> = texts
            .iter()
            .map(|(text, number)| match text.parse::<i64>() {
                Ok(-1) => Some((*number, None)),
                Ok(index) => Some((*number, Some(u32::try_from(index).ok()?))),
                Err(_) => None,
            })
            .collect();
        let mut to = vec![None; texts.len()];
        let classes = match indices {
            Some(indices) => {
                let max = indices.iter().filter_map(|(_, index)| *index).max();
                indices.iter().for_each(|(number, index)| to[*number as usize] = *index);
                numbered_classes(max)?
            }
            None => {
                texts.sort_unstable();
                (0..).zip(&texts).for_each(|(class, (_, number))| to[*number as usize] = Some(class));
                texts.into_iter().map(|(text, _)| text).collect()
            }
        };
        let labels = self.labels.iter().map(|label| label.and_then(|number| to[number as usize])).collect();
        Ok((labels, classes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_widen_and_stay_what_they_were() {
        let all = [Some(0), None, Some(254), Some(255), None, Some(65_534), Some(65_535), Some(70_000), None];
        for n in 0..=all.len() {
            let labels: Labels = all[..n].iter().copied().collect();
            assert_eq!(labels.iter().collect::<Vec<_>>(), &all[..n]);
            assert_eq!(labels.get(n), None);
            assert_eq!(labels.max(), all[..n].iter().flatten().copied().max());
            match n {
                0..=3 => assert!(matches!(labels, Labels::U8(_))),
                4..=6 => assert!(matches!(labels, Labels::U16(_))),
                _ => assert!(matches!(labels, Labels::U32(_))),
            }
        }
    }

    #[test]
    fn classes_without_names_are_numbered_within_reason() {
        assert_eq!(numbered_classes(None), Ok(vec![]));
        assert_eq!(numbered_classes(Some(1)), Ok(vec!["0".into(), "1".into()]));
        assert!(numbered_classes(Some(u32::MAX)).is_err());
    }

    #[test]
    fn texts_are_indices_or_names() {
        let table = |texts: &[Option<&str>]| {
            let mut table = ClassTable::default();
            texts.iter().for_each(|text| assert_eq!(table.push(*text), Ok(())));
            table
        };
        let labels = |all: &[Option<u32>]| all.iter().copied().collect::<Labels>();
        let names = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let indices = table(&[Some("2"), None, Some("-1"), Some("0")]).finish();
        assert_eq!(indices, Ok((labels(&[Some(2), None, None, Some(0)]), names(&["0", "1", "2"]))));
        let mut first = table(&[Some("dog"), Some("2"), None]);
        first.append(&table(&[Some("cat"), Some("dog")]));
        let expected = labels(&[Some(2), Some(0), None, Some(1), Some(2)]);
        assert_eq!(first.finish(), Ok((expected, names(&["2", "cat", "dog"]))));
        assert!(table(&[Some("5000000")]).finish().is_err());
    }
}

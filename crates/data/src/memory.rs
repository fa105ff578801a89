//! Samples that are in memory already.

use crate::{Dataset, Error, Sample};

/// A dataset over a list of samples; clones of encoded images share their bytes.
pub struct InMemory {
    samples: Vec<Sample>,
    classes: Vec<String>,
}

impl InMemory {
    /// Wraps `samples`, whose labels index `classes`.
    pub fn new(samples: Vec<Sample>, classes: Vec<String>) -> Self {
        Self { samples, classes }
    }
}

impl Dataset for InMemory {
    fn len(&self) -> usize {
        self.samples.len()
    }

    fn get(&self, index: usize) -> Result<Sample, Error> {
        self.samples.get(index).cloned().ok_or(Error::Index { index, len: self.samples.len() })
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.samples.get(index)?.label
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn key(&self, index: usize) -> String {
        self.samples.get(index).map_or_else(|| format!("sample {index}"), |sample| sample.key.clone())
    }
}

//! One row of class scores for each sample.

use crate::Error;
use crate::error::check_lengths;

/// Scores or probabilities, row-major (samples, classes), checked: at least one row, no NaN.
#[derive(Clone, Copy, Debug)]
pub struct ScoreMatrix<'a, T = f64> {
    values: &'a [T],
    classes: usize,
}

impl<'a, T: Copy + Into<f64>> ScoreMatrix<'a, T> {
    /// Wraps `values`, rows of `classes` scores each. Errs when there are no rows, when the length is not
    /// a multiple of `classes`, and on a NaN (infinite scores have an order and are allowed).
    pub fn new(values: &'a [T], classes: usize) -> Result<Self, Error> {
        if values.is_empty() {
            return Err(Error::Empty { what: "scores" });
        }
        if classes == 0 || !values.len().is_multiple_of(classes) {
            return Err(Error::Shape { len: values.len(), classes });
        }
        if let Some(index) = values.iter().position(|&value| value.into().is_nan()) {
            return Err(Error::Value { what: "scores", index, value: f64::NAN, expected: "a number" });
        }
        Ok(Self { values, classes })
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        self.values.len() / self.classes
    }

    /// Never true: an empty matrix cannot be made.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The rows, one slice of `classes` scores for each sample.
    pub fn rows(&self) -> impl Iterator<Item = &'a [T]> {
        self.values.chunks_exact(self.classes)
    }

    /// Errs unless there is one label in `0..classes` for each row.
    pub(crate) fn check_labels(&self, labels: &[i64]) -> Result<(), Error> {
        check_lengths("scores", self.len(), "labels", labels.len())?;
        check_labels(labels, self.classes)
    }

    /// Errs unless every row is a probability distribution (sum 1 within 1e-3).
    pub(crate) fn check_probabilities(&self) -> Result<(), Error> {
        for (index, row) in self.rows().enumerate() {
            let sum: f64 = row.iter().map(|&p| p.into()).sum();
            let lowest = row.iter().map(|&p| p.into()).fold(f64::INFINITY, f64::min);
            if !((sum - 1.0).abs() <= 1e-3 && lowest >= 0.0) {
                let value = if lowest < 0.0 { lowest } else { sum };
                let expected = "a row of probabilities (none negative, sum 1): apply a softmax first";
                return Err(Error::Value { what: "probability row", index, value, expected });
            }
        }
        Ok(())
    }
}

/// Errs unless every label is in `0..classes`.
pub(crate) fn check_labels(labels: &[i64], classes: usize) -> Result<(), Error> {
    match labels.iter().position(|&label| label < 0 || label as usize >= classes) {
        Some(index) => Err(Error::Label { index, label: labels[index], classes }),
        None => Ok(()),
    }
}

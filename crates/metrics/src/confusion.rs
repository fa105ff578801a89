//! Which class is taken for which.

use crate::Error;
use crate::error::check_lengths;
use crate::matrix::check_labels;
use serde::{Deserialize, Serialize};

/// Counts of (true class, predicted class).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfusionMatrix {
    classes: usize,
    counts: Vec<u64>,
}

impl ConfusionMatrix {
    /// Counts the pairs. Labels and predictions must lie in `0..classes` and match one to one. Takes
    /// 8 · `classes`² bytes, and errs when there is no such memory.
    pub fn new(predictions: &[i64], labels: &[i64], classes: usize) -> Result<Self, Error> {
        check_lengths("predictions", predictions.len(), "labels", labels.len())?;
        check_labels(predictions, classes)?;
        check_labels(labels, classes)?;
        let mut counts: Vec<u64> = Vec::new();
        match classes.checked_mul(classes) {
            Some(cells) if counts.try_reserve_exact(cells).is_ok() => counts.resize(cells, 0),
            _ => return Err(Error::TooManyClasses { classes }),
        }
        for (&prediction, &label) in predictions.iter().zip(labels) {
            counts[label as usize * classes + prediction as usize] += 1;
        }
        Ok(Self { classes, counts })
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// How many samples of each true class (outer) were given each predicted class (inner).
    pub fn rows(&self) -> impl Iterator<Item = &[u64]> {
        self.counts.chunks_exact(self.classes)
    }

    /// For each true class the fraction predicted right; `None` for a class without samples.
    pub fn per_class_accuracy(&self) -> Vec<Option<f64>> {
        let accuracy = |(class, row): (usize, &[u64])| {
            let total: u64 = row.iter().sum();
            (total > 0).then(|| row[class] as f64 / total as f64)
        };
        self.rows().enumerate().map(accuracy).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_true_classes() {
        let matrix = ConfusionMatrix::new(&[0, 1, 1, 2], &[0, 0, 1, 1], 4).unwrap();
        let rows: Vec<_> = matrix.rows().collect();
        assert_eq!(rows, [[1, 1, 0, 0], [0, 1, 1, 0], [0; 4], [0; 4]]);
        assert_eq!(matrix.per_class_accuracy(), [Some(0.5), Some(0.5), None, None]);
        assert!(ConfusionMatrix::new(&[4], &[0], 4).is_err());
        assert!(ConfusionMatrix::new(&[0, 1], &[0], 4).is_err());
        for classes in [1 << 30, usize::MAX] {
            let error = ConfusionMatrix::new(&[0], &[0], classes).unwrap_err();
            assert_eq!(error, Error::TooManyClasses { classes });
        }
    }
}

//! Several labels for each image: mean average precision and F1 (VOC, BigEarthNet).

use crate::error::check_lengths;
use crate::{Error, ScoreMatrix, average_precision, mean};
use serde::{Deserialize, Serialize};

/// The F1 score in its two usual means.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct F1 {
    /// Of all decisions together.
    pub micro: f64,
    /// The mean over classes; a class that is neither there nor predicted has 0, as in scikit-learn by default.
    pub macro_mean: f64,
}

/// For each class the average precision of its scores; `None` where it is in no sample or in all. `labels` has a row of one
/// verdict per class for each row of scores.
pub fn per_class_average_precision<T: Copy + Into<f64>>(
    scores: &ScoreMatrix<'_, T>,
    labels: &[bool],
) -> Result<Vec<Option<f64>>, Error> {
    let classes = check(scores, labels)?;
    let of_class = |class: usize| {
        let own: Vec<f64> = scores.rows().map(|row| row[class].into()).collect();
        let positive: Vec<bool> = labels.chunks_exact(classes).map(|row| row[class]).collect();
        match average_precision(&own, &positive) {
            Err(Error::Undefined { .. }) => Ok(None),
            other => other.map(Some),
        }
    };
    (0..classes).map(of_class).collect()
}

/// The mean of [`per_class_average_precision`] over the classes that have one. Errs when none has.
pub fn mean_average_precision<T: Copy + Into<f64>>(
    scores: &ScoreMatrix<'_, T>,
    labels: &[bool],
) -> Result<f64, Error> {
    let found: Vec<f64> = per_class_average_precision(scores, labels)?.into_iter().flatten().collect();
    mean(&found).map_err(|_| Error::Undefined {
        what: "the mean average precision",
        reason: "no class is in some samples and not in others",
    })
}

/// The F1 score of the decisions `score >= threshold`.
pub fn multi_label_f1<T: Copy + Into<f64>>(
    scores: &ScoreMatrix<'_, T>,
    labels: &[bool],
    threshold: f64,
) -> Result<F1, Error> {
    let classes = check(scores, labels)?;
    if threshold.is_nan() {
        return Err(Error::Parameter { parameter: "threshold", value: threshold, expected: "a number" });
    }
    // Hits, and labels and predictions together.
    let mut counts = vec![(0_usize, 0_usize); classes];
    for (row, labels) in scores.rows().zip(labels.chunks_exact(classes)) {
        for ((score, &label), (hits, all)) in row.iter().zip(labels).zip(&mut counts) {
            let predicted = (*score).into() >= threshold;
            *hits += usize::from(predicted && label);
            *all += usize::from(predicted) + usize::from(label);
        }
    }
    let f1 = |hits: usize, all: usize| if all == 0 { 0.0 } else { 2.0 * hits as f64 / all as f64 };
    let total = counts.iter().fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
    let of_classes: Vec<f64> = counts.iter().map(|&(hits, all)| f1(hits, all)).collect();
    Ok(F1 { micro: f1(total.0, total.1), macro_mean: mean(&of_classes)? })
}

/// The number of classes, when there is a verdict for each score.
fn check<T: Copy + Into<f64>>(scores: &ScoreMatrix<'_, T>, labels: &[bool]) -> Result<usize, Error> {
    check_lengths("scores", scores.len() * scores.classes(), "labels", labels.len())?;
    Ok(scores.classes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let values = [0.9, 0.2, 0.1, 0.8, 0.6, 0.1, 0.3, 0.4, 0.1];
        let scores = ScoreMatrix::new(&values, 3).unwrap();
        let labels = [true, false, false, true, true, false, false, true, false];
        assert_eq!(per_class_average_precision(&scores, &labels).unwrap(), [Some(1.0), Some(1.0), None]);
        assert_eq!(mean_average_precision(&scores, &labels).unwrap(), 1.0);
        let f1 = multi_label_f1(&scores, &labels, 0.5).unwrap();
        // Classes: 2 of 2 hit; 1 of 2 hit without false alarms; neither there nor predicted.
        assert!((f1.micro - 6.0 / 7.0).abs() < 1e-12);
        assert!((f1.macro_mean - (1.0 + 2.0 / 3.0) / 3.0).abs() < 1e-12);
        assert!(mean_average_precision(&scores, &[false; 9]).is_err());
        assert!(multi_label_f1(&scores, &[true; 3], 0.5).is_err());
        assert!(multi_label_f1(&scores, &labels, f64::NAN).is_err());
    }
}

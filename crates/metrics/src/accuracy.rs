//! Top-k accuracy.

use crate::error::check_lengths;
use crate::{Error, ScoreMatrix};

/// The class with the highest score of each row; of equal scores the lowest class.
pub fn predictions<T: Copy + Into<f64>>(scores: &ScoreMatrix<'_, T>) -> Vec<i64> {
    let best = |row: &[T]| {
        (1..row.len()).fold(0, |best, class| if row[class].into() > row[best].into() { class } else { best })
    };
    scores.rows().map(|row| best(row) as i64).collect()
}

/// For each sample, whether its label is among the `k` highest scores. Equal scores rank by class index,
/// the lowest first, so that constant scores do not count as right. `k` of at least the number of classes
/// makes every sample right; 0 is an error.
pub fn top_k_correct<T: Copy + Into<f64>>(
    scores: &ScoreMatrix<'_, T>,
    labels: &[i64],
    k: usize,
) -> Result<Vec<bool>, Error> {
    scores.check_labels(labels)?;
    if k == 0 {
        return Err(Error::Parameter { parameter: "k", value: 0.0, expected: "at least 1" });
    }
    let rank = |row: &[T], label: usize| {
        let own: f64 = row[label].into();
        let before = |(class, &score): (usize, &T)| {
            let score: f64 = score.into();
            score > own || (score == own && class < label)
        };
        row.iter().enumerate().filter(|&entry| before(entry)).count()
    };
    Ok(scores.rows().zip(labels).map(|(row, &label)| rank(row, label as usize) < k).collect())
}

/// The fraction of `predictions` that equal `labels`. The error rate is one minus this.
pub fn accuracy(predictions: &[i64], labels: &[i64]) -> Result<f64, Error> {
    check_lengths("predictions", predictions.len(), "labels", labels.len())?;
    let right = predictions.iter().zip(labels).filter(|(prediction, label)| prediction == label).count();
    Ok(right as f64 / labels.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn top_k_counts_ranks_and_breaks_ties_by_class() {
        let values = [0.1, 0.5, 0.5, 0.2, 0.9, 0.0, 0.0, 0.0];
        let scores = ScoreMatrix::new(&values, 4).unwrap();
        assert_eq!(predictions(&scores), [1, 0]);
        assert_eq!(top_k_correct(&scores, &[2, 0], 1).unwrap(), [false, true]);
        assert_eq!(top_k_correct(&scores, &[2, 2], 2).unwrap(), [true, false]);
        assert_eq!(top_k_correct(&scores, &[0, 3], 9).unwrap(), [true, true]);
    }

    #[test]
    fn constant_scores_are_right_by_chance_only() {
        let values = [0.5_f32; 30];
        let scores = ScoreMatrix::new(&values, 3).unwrap();
        let labels: Vec<i64> = (0..10).map(|i| i % 3).collect();
        let right = top_k_correct(&scores, &labels, 1).unwrap().into_iter().filter(|&right| right).count();
        assert_eq!(right, 4);
    }

    #[test]
    fn bad_input_is_an_error_that_names_it() {
        assert!(matches!(ScoreMatrix::<f64>::new(&[], 3), Err(Error::Empty { .. })));
        assert!(matches!(ScoreMatrix::new(&[0.0; 4], 3), Err(Error::Shape { .. })));
        assert!(matches!(ScoreMatrix::new(&[0.0; 4], 0), Err(Error::Shape { .. })));
        assert!(matches!(ScoreMatrix::new(&[0.0, f64::NAN], 2), Err(Error::Value { index: 1, .. })));
        let values = [0.0; 4];
        let scores = ScoreMatrix::new(&values, 2).unwrap();
        assert!(matches!(top_k_correct(&scores, &[0], 1), Err(Error::Length { .. })));
        assert!(matches!(top_k_correct(&scores, &[0, 2], 1), Err(Error::Label { index: 1, .. })));
        assert!(matches!(top_k_correct(&scores, &[0, -1], 1), Err(Error::Label { label: -1, .. })));
        assert!(matches!(top_k_correct(&scores, &[0, 1], 0), Err(Error::Parameter { .. })));
        assert!(accuracy(&[], &[]).is_err());
        assert_eq!(accuracy(&[1, 2, 3, 4], &[1, 2, 0, 0]).unwrap(), 0.5);
    }
}

//! Inception score (Salimans et al. 2016).

use crate::{Error, ScoreMatrix, mean};
use serde::{Deserialize, Serialize};

/// The Inception score over splits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct InceptionScore {
    /// The mean over splits.
    pub mean: f64,
    /// The standard deviation over splits, their number in the denominator.
    pub std: f64,
}

/// exp of the mean Kullback-Leibler divergence, in nats, of each row of probabilities from their mean, over `splits` (10 are
/// customary) runs of consecutive rows: shuffle rows that have an order first. Of `n` rows, run `i` goes from `i · n / splits` to
/// `(i + 1) · n / splits`, both rounded down, as in the authors' code and torch-fidelity.
pub fn inception_score<T: Copy + Into<f64>>(
    probabilities: &ScoreMatrix<'_, T>,
    splits: usize,
) -> Result<InceptionScore, Error> {
    probabilities.check_probabilities()?;
    let n = probabilities.len();
    if splits == 0 || splits > n {
        let expected = "at least 1 and at most the number of samples";
        return Err(Error::Parameter { parameter: "splits", value: splits as f64, expected });
    }
    let rows: Vec<&[T]> = probabilities.rows().collect();
    let scores: Vec<f64> = (0..splits)
        .map(|split| {
            let part = &rows[split * n / splits..(split + 1) * n / splits];
            let mut average = vec![0.0; probabilities.classes()];
            for row in part {
                average.iter_mut().zip(*row).for_each(|(sum, &p)| *sum += p.into() / part.len() as f64);
            }
            let term = |(&p, q): (&T, &f64)| match p.into() {
                0.0 => 0.0,
                p => p * (p / q).ln(),
            };
            let divergence = |row: &&[T]| row.iter().zip(&average).map(term).sum::<f64>();
            (part.iter().map(divergence).sum::<f64>() / part.len() as f64).exp()
        })
        .collect();
    let average = mean(&scores)?;
    let squares: Vec<f64> = scores.iter().map(|score| (score - average).powi(2)).collect();
    Ok(InceptionScore { mean: average, std: mean(&squares)?.sqrt() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certain_and_varied_is_best() {
        let certain = [1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0];
        let scores = ScoreMatrix::new(&certain, 2).unwrap();
        let found = inception_score(&scores, 2).unwrap();
        assert!((found.mean - 2.0).abs() < 1e-12 && found.std < 1e-12);
        // Splits of one sample each do not vary.
        assert!((inception_score(&scores, 4).unwrap().mean - 1.0).abs() < 1e-12);
        let uniform = [0.5; 8];
        let scores = ScoreMatrix::new(&uniform, 2).unwrap();
        assert!((inception_score(&scores, 1).unwrap().mean - 1.0).abs() < 1e-12);
        assert!(inception_score(&scores, 0).is_err() && inception_score(&scores, 5).is_err());
        assert!(inception_score(&ScoreMatrix::new(&[2.0, 3.0], 2).unwrap(), 1).is_err());
    }
}

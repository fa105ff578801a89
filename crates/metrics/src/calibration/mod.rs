//! Whether confidence can be trusted: calibration error, Brier score, negative log-likelihood.

mod class_wise;
mod equal_mass;
mod temperature;

pub use class_wise::{Binning, class_wise_ece};
pub use equal_mass::{TopBin, equal_mass_calibration, rms_calibration};
pub use temperature::{softmax, temperature_scaling, temperature_scaling_published};

use crate::error::{check_fractions, check_lengths};
use crate::{Error, ScoreMatrix, mean};
use serde::{Deserialize, Serialize};

/// One bin of a reliability diagram.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// Lowest confidence of the bin.
    pub low: f64,
    /// The bin ends below this confidence (at it, for the bin that holds confidence 1 alone).
    pub high: f64,
    /// The number of samples.
    pub count: usize,
    /// Their mean confidence; 0 in an empty bin.
    pub confidence: f64,
    /// The fraction of them that is right; 0 in an empty bin.
    pub accuracy: f64,
}

impl ReliabilityBin {
    fn gap(&self) -> f64 {
        (self.accuracy - self.confidence).abs()
    }
}

/// Calibration errors of top-1 confidences and the bins they come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Expected calibration error: the gaps |accuracy − confidence| weighted by the bins' shares.
    pub ece: f64,
    /// Root of the weighted mean squared gap.
    pub rms: f64,
    /// The largest gap.
    pub max: f64,
    /// The bins in order of confidence. A bin for confidence exactly 1 follows the others when it is not empty.
    pub bins: Vec<ReliabilityBin>,
}

impl Calibration {
    /// The errors over `bins`, which hold all samples.
    fn of(bins: Vec<ReliabilityBin>) -> Self {
        let n: usize = bins.iter().map(|bin| bin.count).sum();
        let share = |bin: &ReliabilityBin| bin.count as f64 / n as f64;
        Self {
            ece: bins.iter().map(|bin| share(bin) * bin.gap()).sum(),
            rms: bins.iter().map(|bin| share(bin) * bin.gap().powi(2)).sum::<f64>().sqrt(),
            max: bins.iter().map(ReliabilityBin::gap).fold(0.0, f64::max),
            bins,
        }
    }
}

/// Calibration over `bins` bins of equal width on `0..=1` (15 is customary; Guo et al. 2017).
///
/// Bin i is `i/bins <= confidence < (i+1)/bins`, and a confidence of exactly 1 has a bin of its own: the rule
/// of torchmetrics' `multiclass_calibration_error`, so that the figures are comparable. `confidences` are
/// those of the predicted class, `correct` says whether that prediction is right.
pub fn calibration(confidences: &[f64], correct: &[bool], bins: usize) -> Result<Calibration, Error> {
    check_lengths("confidences", confidences.len(), "correct", correct.len())?;
    check_fractions("confidences", confidences)?;
    if bins == 0 {
        return Err(Error::Parameter { parameter: "bins", value: 0.0, expected: "at least 1" });
    }
    let edge = |i: usize| (i as f64 / bins as f64).min(1.0);
    let mut sums = vec![(0_usize, 0.0, 0_usize); bins + 1];
    for (&confidence, &correct) in confidences.iter().zip(correct) {
        let mut bin = ((confidence * bins as f64) as usize).min(bins);
        // The product may round across an edge; the edges decide.
        while edge(bin) > confidence {
            bin -= 1;
        }
        while bin < bins && edge(bin + 1) <= confidence {
            bin += 1;
        }
        let (count, sum, right) = &mut sums[bin];
        *count += 1;
        *sum += confidence;
        *right += usize::from(correct);
    }
    if sums[bins].0 == 0 {
        sums.pop();
    }
    let bins = sums
        .into_iter()
        .enumerate()
        .map(|(i, (count, sum, right))| {
            let per_sample = |total: f64| if count == 0 { 0.0 } else { total / count as f64 };
            let (confidence, accuracy) = (per_sample(sum), per_sample(right as f64));
            ReliabilityBin { low: edge(i), high: edge(i + 1), count, confidence, accuracy }
        })
        .collect();
    Ok(Calibration::of(bins))
}

/// The highest probability of each row. Errs when a row is not a probability distribution.
pub fn confidences<T: Copy + Into<f64>>(probabilities: &ScoreMatrix<'_, T>) -> Result<Vec<f64>, Error> {
    probabilities.check_probabilities()?;
    let highest = |row: &[T]| row.iter().map(|&p| p.into()).fold(0.0, f64::max).min(1.0);
    Ok(probabilities.rows().map(highest).collect())
}

/// The Brier score (1950): the mean of [`brier_terms`]; 0 is perfect, 2 the worst.
pub fn brier<T: Copy + Into<f64>>(probabilities: &ScoreMatrix<'_, T>, labels: &[i64]) -> Result<f64, Error> {
    mean(&brier_terms(probabilities, labels)?)
}

/// For each sample the squared distance between its probabilities and its one-hot label, summed over classes.
pub fn brier_terms<T: Copy + Into<f64>>(
    probabilities: &ScoreMatrix<'_, T>,
    labels: &[i64],
) -> Result<Vec<f64>, Error> {
    probabilities.check_labels(labels)?;
    probabilities.check_probabilities()?;
    let distance = |(row, &label): (&[T], &i64)| {
        let term = |(class, &p): (usize, &T)| (p.into() - f64::from(class as i64 == label)).powi(2);
        row.iter().enumerate().map(term).sum::<f64>()
    };
    Ok(probabilities.rows().zip(labels).map(distance).collect())
}

/// The mean of [`nll_terms`].
pub fn nll<T: Copy + Into<f64>>(probabilities: &ScoreMatrix<'_, T>, labels: &[i64]) -> Result<f64, Error> {
    mean(&nll_terms(probabilities, labels)?)
}

/// For each sample the negative log-likelihood of its label in nats. Probabilities are raised to 1e-12 first, so
/// that a label with probability 0 gives a large figure rather than an infinite one.
pub fn nll_terms<T: Copy + Into<f64>>(
    probabilities: &ScoreMatrix<'_, T>,
    labels: &[i64],
) -> Result<Vec<f64>, Error> {
    probabilities.check_labels(labels)?;
    probabilities.check_probabilities()?;
    let loss = |(row, &label): (&[T], &i64)| -row[label as usize].into().max(1e-12).ln();
    Ok(probabilities.rows().zip(labels).map(loss).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_open_a_bin_and_one_has_its_own() {
        let confidence = [0.0, 0.2, 0.39, 0.4, 1.0, 1.0];
        let result = calibration(&confidence, &[false, true, true, false, true, false], 5).unwrap();
        let counts: Vec<_> = result.bins.iter().map(|bin| bin.count).collect();
        assert_eq!(counts, [1, 2, 1, 0, 0, 2]);
        assert_eq!(result.bins[5].accuracy, 0.5);
        assert_eq!((result.bins[5].low, result.bins[5].high), (1.0, 1.0));
        assert_eq!(calibration(&[0.5], &[true], 5).unwrap().bins.len(), 5);
    }

    #[test]
    fn every_multiple_of_a_bin_width_opens_its_bin() {
        for bins in 1..200 {
            for i in 0..bins {
                let confidence = i as f64 / bins as f64;
                let result = calibration(&[confidence], &[true], bins).unwrap();
                assert_eq!(result.bins[i].count, 1, "{i}/{bins}");
            }
        }
    }

    #[test]
    fn perfect_and_worst_predictions() {
        let right = [1.0, 0.0, 0.0, 1.0];
        let scores = ScoreMatrix::new(&right, 2).unwrap();
        assert_eq!(brier(&scores, &[0, 1]).unwrap(), 0.0);
        assert_eq!(brier(&scores, &[1, 0]).unwrap(), 2.0);
        assert_eq!(nll(&scores, &[0, 1]).unwrap(), 0.0);
        assert!((nll(&scores, &[1, 0]).unwrap() - 27.631).abs() < 1e-3);
        assert_eq!(calibration(&confidences(&scores).unwrap(), &[true; 2], 15).unwrap().ece, 0.0);
        assert_eq!(calibration(&confidences(&scores).unwrap(), &[false; 2], 15).unwrap().max, 1.0);
    }

    #[test]
    fn scores_that_are_no_probabilities_are_refused() {
        for values in [[2.0, 1.0], [1.5, -0.5], [f64::INFINITY, 0.0]] {
            let scores = ScoreMatrix::new(&values, 2).unwrap();
            assert!(confidences(&scores).is_err(), "{values:?}");
            assert!(brier(&scores, &[0]).is_err() && nll(&scores, &[0]).is_err());
        }
        assert!(calibration(&[1.5], &[true], 15).is_err());
        assert!(calibration(&[f64::NAN], &[true], 15).is_err());
        assert!(calibration(&[0.5], &[], 15).is_err());
        assert!(calibration(&[], &[], 15).is_err());
        assert!(calibration(&[0.5], &[true], 0).is_err());
    }
}

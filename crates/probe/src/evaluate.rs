//! From class scores to figures with intervals.

use crate::Error;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};
use visrep_metrics::{
    Calibration, Interval, ScoreMatrix, bootstrap, bootstrap_mean, brier_terms, calibration, confidences,
    mean, nll_terms, predictions, top_k_correct, wilson,
};

/// The confidence level of every interval of this crate.
pub const LEVEL: f64 = 0.95;
/// The number of resamples of every bootstrap interval of this crate.
pub const RESAMPLES: usize = 1000;
/// The number of bins of calibration errors.
pub const CALIBRATION_BINS: usize = 15;

/// How a classifier did on a test set.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Evaluation {
    /// The predicted class of each sample: what a `ConfusionMatrix` is made of, where there are few classes.
    pub predictions: Vec<i64>,
    /// Whether that is right.
    pub correct: Vec<bool>,
    /// The fraction right.
    pub top1: f64,
    /// The Wilson 95 % interval of `top1`.
    pub top1_interval: Interval,
    /// The fraction with the label among the five highest scores, and its interval; `None` with five classes
    /// or fewer.
    pub top5: Option<(f64, Interval)>,
    /// Figures about the probabilities; `None` for scores that are none.
    pub probabilistic: Option<Probabilistic>,
}

/// How far a classifier's probabilities can be trusted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Probabilistic {
    /// Calibration errors and the reliability diagram's bins.
    pub calibration: Calibration,
    /// Mean negative log-likelihood in nats.
    pub nll: f64,
    /// Brier score.
    pub brier: f64,
    /// The probability of each sample's predicted class.
    pub confidences: Vec<f64>,
    nll_terms: Vec<f64>,
    brier_terms: Vec<f64>,
}

impl Probabilistic {
    fn new(matrix: &ScoreMatrix<'_>, labels: &[i64], correct: &[bool]) -> Result<Self, Error> {
        let confidences = confidences(matrix)?;
        let (nll_terms, brier_terms) = (nll_terms(matrix, labels)?, brier_terms(matrix, labels)?);
        let calibration = calibration(&confidences, correct, CALIBRATION_BINS)?;
        let (nll, brier) = (mean(&nll_terms)?, mean(&brier_terms)?);
        Ok(Self { calibration, nll, brier, confidences, nll_terms, brier_terms })
    }

    /// The percentile bootstrap 95 % interval of `nll`.
    pub fn nll_interval(&self, seed: u64) -> Result<Interval, Error> {
        Ok(bootstrap_mean(&self.nll_terms, RESAMPLES, LEVEL, seed)?)
    }

    /// The percentile bootstrap 95 % interval of `brier`.
    pub fn brier_interval(&self, seed: u64) -> Result<Interval, Error> {
        Ok(bootstrap_mean(&self.brier_terms, RESAMPLES, LEVEL, seed)?)
    }
}

/// The percentile bootstrap 95 % interval of the expected calibration error.
///
/// The error is biased upwards, and more so on a resample, so that the figure itself may lie near or below the
/// lower end when it is small.
pub fn ece_interval(confidences: &[f64], correct: &[bool], seed: u64) -> Result<Interval, Error> {
    calibration(confidences, correct, CALIBRATION_BINS)?;
    let (mut confidence, mut right) = (Vec::new(), Vec::new());
    let resampled = |sample: &[usize]| {
        confidence.clear();
        right.clear();
        confidence.extend(sample.iter().map(|&i| confidences[i]));
        right.extend(sample.iter().map(|&i| correct[i]));
        calibration(&confidence, &right, CALIBRATION_BINS).map_or(f64::NAN, |result| result.ece)
    };
    Ok(bootstrap(confidences.len(), resampled, RESAMPLES, LEVEL, seed)?)
}

/// What the scores are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScoreKind {
    /// Rows of probabilities.
    Probabilities,
    /// Only their order means something.
    Scores,
}

/// Evaluates class scores (N, C) against N labels. A label beyond the last column (a class that training did
/// not have) counts as wrong.
pub fn evaluate(scores: &Tensor, labels: &[i64], kind: ScoreKind) -> Result<Evaluation, Error> {
    let size = scores.size();
    if size.len() != 2 {
        return Err(Error::Shape { what: "scores", got: size, expected: "(N, C)".into() });
    }
    let missing = labels.iter().max().map_or(0, |&highest| highest + 1 - size[1]).max(0);
    let filler = if kind == ScoreKind::Probabilities { 0.0 } else { f64::NEG_INFINITY };
    let scores = scores.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?;
    let scores = scores.f_pad([0, missing], "constant", filler)?.f_contiguous()?;
    let classes = (size[1] + missing) as usize;
    let values = Vec::<f64>::try_from(scores.f_view([-1])?)?;
    let matrix = ScoreMatrix::new(&values, classes)?;
    let correct = top_k_correct(&matrix, labels, 1)?;
    let share = |correct: &[bool]| -> Result<(f64, Interval), Error> {
        let right = correct.iter().filter(|&&right| right).count();
        Ok((right as f64 / correct.len() as f64, wilson(right, correct.len(), LEVEL)?))
    };
    let (top1, top1_interval) = share(&correct)?;
    let top5 = match classes {
        0..=5 => None,
        _ => Some(share(&top_k_correct(&matrix, labels, 5)?)?),
    };
    let predictions = predictions(&matrix);
    let probabilistic = match kind {
        ScoreKind::Scores => None,
        ScoreKind::Probabilities => Some(Probabilistic::new(&matrix, labels, &correct)?),
    };
    Ok(Evaluation { predictions, correct, top1, top1_interval, top5, probabilistic })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_that_training_lacked_counts_as_wrong() {
        let scores = Tensor::from_slice2(&[[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]);
        let result = evaluate(&scores, &[0, 1, 2], ScoreKind::Probabilities).unwrap();
        assert_eq!(result.correct, [true, true, false]);
        assert!((result.top1 - 2.0 / 3.0).abs() < 1e-12 && result.top5.is_none());
        assert_eq!(result.predictions, [0, 1, 0]);
        assert!(result.top1_interval.low < result.top1 && result.top1 < result.top1_interval.high);
        assert!(result.probabilistic.unwrap().nll > 5.0);
    }

    #[test]
    fn scores_need_not_be_probabilities_but_are_checked_when_they_claim_to_be() {
        let scores = Tensor::from_slice2(&[[-3.0, 8.0]]);
        assert!(evaluate(&scores, &[1], ScoreKind::Scores).unwrap().probabilistic.is_none());
        assert!(evaluate(&scores, &[1], ScoreKind::Probabilities).is_err());
        assert!(evaluate(&scores, &[1, 0], ScoreKind::Scores).is_err());
        assert!(evaluate(&scores, &[-1], ScoreKind::Scores).is_err());
    }
}

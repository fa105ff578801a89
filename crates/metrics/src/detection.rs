//! Detecting outliers: scores of how strange an input is, and how well a score tells outliers from the rest.

use crate::error::{check_lengths, check_values};
use crate::{Error, ScoreMatrix};

/// Minus the highest probability of each row (maximum softmax probability, Hendrycks & Gimpel 2017): higher for outliers.
pub fn msp_scores<T: Copy + Into<f64>>(probabilities: &ScoreMatrix<'_, T>) -> Result<Vec<f64>, Error> {
    probabilities.check_probabilities()?;
    Ok(max_logit_scores(probabilities))
}

/// Minus the highest logit of each row (Hendrycks et al. 2022): higher for outliers.
pub fn max_logit_scores<T: Copy + Into<f64>>(logits: &ScoreMatrix<'_, T>) -> Vec<f64> {
    logits.rows().map(|row| -row.iter().map(|&z| z.into()).fold(f64::NEG_INFINITY, f64::max)).collect()
}

/// The energy −T · log Σ exp(z / T) of each row of logits (Liu et al. 2020; T = 1 as published): higher for outliers.
pub fn energy_scores<T: Copy + Into<f64>>(
    logits: &ScoreMatrix<'_, T>,
    temperature: f64,
) -> Result<Vec<f64>, Error> {
    if !(temperature > 0.0 && temperature.is_finite()) {
        return Err(Error::Parameter { parameter: "temperature", value: temperature, expected: "above 0" });
    }
    let energy = |row: &[T]| {
        let highest = row.iter().map(|&z| z.into()).fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = row.iter().map(|&z| ((z.into() - highest) / temperature).exp()).sum();
        -(highest + temperature * sum.ln())
    };
    Ok(logits.rows().map(energy).collect())
}

/// The area under the ROC curve: how often a positive has a higher score than a negative, ties counting half.
pub fn auroc(scores: &[f64], positive: &[bool]) -> Result<f64, Error> {
    Ok(DetectionCurve::new(scores, positive)?.auroc())
}

/// The area under the precision-recall curve as average precision: Σ (Rₙ − Rₙ₋₁) Pₙ over the distinct scores from the
/// highest, without interpolation (scikit-learn's `average_precision_score`).
pub fn average_precision(scores: &[f64], positive: &[bool]) -> Result<f64, Error> {
    Ok(DetectionCurve::new(scores, positive)?.average_precision())
}

/// The mean, over the recalls 0, 0.1, … 1, of the highest precision at that recall or more: Pascal VOC 2007's average precision.
/// Samples with the same score are ranked together.
pub fn eleven_point_average_precision(scores: &[f64], positive: &[bool]) -> Result<f64, Error> {
    let curve = DetectionCurve::new(scores, positive)?;
    let highest = |tenths: usize| {
        // In whole numbers: hits / positives ≥ tenths / 10.
        let reached = curve.steps.iter().filter(|(hits, _)| 10 * hits >= tenths * curve.positives);
        reached.map(|&(hits, alarms)| hits as f64 / (hits + alarms) as f64).fold(0.0, f64::max)
    };
    Ok((0..=10).map(highest).sum::<f64>() / 11.0)
}

/// The fraction of negatives above the threshold at which the fraction of positives is **nearest** to `recall` (0.95 is
/// customary), as in `fpr_and_fdr_at_recall` of the published code: that need not be the first threshold to reach it.
/// Of thresholds equally near, that with the higher recall counts, and then that with more false alarms.
pub fn fpr_at_recall(scores: &[f64], positive: &[bool], recall: f64) -> Result<f64, Error> {
    DetectionCurve::new(scores, positive)?.fpr_at_recall(recall)
}

/// Scores in their order. They are sorted once for the curves of many samples drawn from them.
pub struct RankedScores {
    /// Each score's place among the distinct ones, the highest's 0.
    ranks: Vec<usize>,
    /// How many distinct ones there are.
    distinct: usize,
}

impl RankedScores {
    /// Sorts the scores. Errs on one that is no number.
    pub fn new(scores: &[f64]) -> Result<Self, Error> {
        check_values("scores", scores, "a number", |score| !score.is_nan())?;
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        let (mut ranks, mut distinct) = (vec![0; scores.len()], 0);
        for (at, &index) in order.iter().enumerate() {
            ranks[index] = distinct;
            // Scores that are equal have one threshold; so have 0 and −0.
            distinct += usize::from(order.get(at + 1).is_none_or(|&next| scores[next] != scores[index]));
        }
        Ok(Self { ranks, distinct })
    }

    /// The curve of the samples at these places, which may be there several times; `positive` has one entry for each score.
    ///
    /// # Errors
    /// Another number of entries than scores; a sample without positives or without negatives.
    ///
    /// # Panics
    /// A place past the last score.
    pub fn curve(
        &self,
        positive: &[bool],
        places: impl IntoIterator<Item = usize>,
    ) -> Result<DetectionCurve, Error> {
        check_lengths("scores", self.ranks.len(), "positive", positive.len())?;
        let mut steps = vec![(0, 0); self.distinct];
        for place in places {
            let (hits, alarms) = &mut steps[self.ranks[place]];
            *(if positive[place] { hits } else { alarms }) += 1;
        }
        steps.retain(|step| *step != (0, 0));
        let (mut positives, mut negatives) = (0, 0);
        for (hits, alarms) in &mut steps {
            positives += *hits;
            negatives += *alarms;
            (*hits, *alarms) = (positives, negatives);
        }
        if positives == 0 || negatives == 0 {
            let reason = "it takes positives and negatives, and one kind is missing";
            return Err(Error::Undefined { what: "the curve", reason });
        }
        Ok(DetectionCurve { steps, positives, negatives })
    }
}

/// How many positives and negatives lie at or above each distinct score.
pub struct DetectionCurve {
    /// From the highest score: positives and negatives so far.
    steps: Vec<(usize, usize)>,
    positives: usize,
    negatives: usize,
}

impl DetectionCurve {
    /// That of all scores. Errs on lengths that differ, a score that is no number, and where there are no positives or no negatives.
    pub fn new(scores: &[f64], positive: &[bool]) -> Result<Self, Error> {
        check_lengths("scores", scores.len(), "positive", positive.len())?;
        RankedScores::new(scores)?.curve(positive, 0..scores.len())
    }

    /// See [`auroc`].
    pub fn auroc(&self) -> f64 {
        let (mut area, mut previous) = (0.0, (0, 0));
        for &(hits, alarms) in &self.steps {
            area += (alarms - previous.1) as f64 * (hits + previous.0) as f64 / 2.0;
            previous = (hits, alarms);
        }
        area / (self.positives as f64 * self.negatives as f64)
    }

    /// See [`average_precision`].
    pub fn average_precision(&self) -> f64 {
        let (mut sum, mut previous) = (0.0, 0);
        for &(hits, alarms) in &self.steps {
            sum += (hits - previous) as f64 * hits as f64 / (hits + alarms) as f64;
            previous = hits;
        }
        sum / self.positives as f64
    }

    /// See [`fpr_at_recall`]. Errs on a recall outside 0 to 1.
    pub fn fpr_at_recall(&self, recall: f64) -> Result<f64, Error> {
        if !(0.0..=1.0).contains(&recall) {
            return Err(Error::Parameter {
                parameter: "recall",
                value: recall,
                expected: "a fraction in 0..=1",
            });
        }
        let complete = self.steps.iter().position(|&(hits, _)| hits == self.positives).unwrap_or_default();
        let distance = |hits: usize| (hits as f64 / self.positives as f64 - recall).abs();
        let mut nearest = self.steps[complete];
        for &step in self.steps[..complete].iter().rev() {
            if distance(step.0) < distance(nearest.0) {
                nearest = step;
            }
        }
        Ok(nearest.1 as f64 / self.negatives as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_count_half() {
        let positive = [true, true, false, false];
        assert_eq!(auroc(&[4.0, 3.0, 2.0, 1.0], &positive).unwrap(), 1.0);
        assert_eq!(auroc(&[1.0, 2.0, 3.0, 4.0], &positive).unwrap(), 0.0);
        assert_eq!(auroc(&[0.0, -0.0, 0.0, 0.0], &positive).unwrap(), 0.5);
        assert_eq!(auroc(&[3.0, 1.0, 1.0, 0.0], &positive).unwrap(), 0.875);
        assert_eq!(average_precision(&[5.0; 4], &positive).unwrap(), 0.5);
        assert_eq!(average_precision(&[4.0, 1.0, 3.0, 2.0], &positive).unwrap(), 0.75);
    }

    #[test]
    fn drawn_samples_have_the_curve_of_their_scores() {
        let (scores, positive) = ([0.5, 2.0, 2.0, -0.0, 0.0, 7.0], [true, false, true, true, false, false]);
        let ranked = RankedScores::new(&scores).unwrap();
        for places in [vec![0, 1, 2, 3, 4, 5], vec![2, 2, 5, 4, 4, 0], vec![3, 4]] {
            let curve = ranked.curve(&positive, places.iter().copied()).unwrap();
            let scores: Vec<_> = places.iter().map(|&place| scores[place]).collect();
            let positive: Vec<_> = places.iter().map(|&place| positive[place]).collect();
            assert_eq!(curve.auroc(), auroc(&scores, &positive).unwrap());
            assert_eq!(curve.average_precision(), average_precision(&scores, &positive).unwrap());
            let fpr = fpr_at_recall(&scores, &positive, 0.95).unwrap();
            assert_eq!(curve.fpr_at_recall(0.95).unwrap(), fpr);
        }
        assert!(ranked.curve(&positive, [0, 2]).is_err(), "no negatives");
        assert!(ranked.curve(&positive[1..], [0, 1]).is_err(), "one entry is missing");
    }

    #[test]
    fn eleven_recalls_have_the_highest_precision_from_there_on() {
        // Precisions 1/1, 2/3, 3/6 at the recalls 1/3, 2/3, 1: the first for 0 to 0.3, the second to 0.6, the third to 1.
        let positive = [true, false, true, false, false, true];
        let found = eleven_point_average_precision(&[6.0, 5.0, 4.0, 3.0, 2.0, 1.0], &positive).unwrap();
        assert!((found - (4.0 + 3.0 * 2.0 / 3.0 + 4.0 * 0.5) / 11.0).abs() < 1e-12, "{found}");
        // A later precision that is higher counts for lower recalls too: 0/1, 1/2, 2/3, 3/4.
        let found =
            eleven_point_average_precision(&[4.0, 3.0, 2.0, 1.0], &[false, true, true, true]).unwrap();
        assert!((found - 0.75).abs() < 1e-12, "{found}");
        assert_eq!(eleven_point_average_precision(&[1.0; 4], &[true, true, false, false]).unwrap(), 0.5);
        assert!(eleven_point_average_precision(&[1.0], &[true]).is_err());
    }

    #[test]
    fn the_nearest_recall_decides() {
        // Recalls 1/3, 2/3, 1 after 0, 1, 3 of 4 negatives.
        let scores = [9.0, 7.0, 4.0, 8.0, 6.0, 5.0, 1.0];
        let positive = [true, true, true, false, false, false, false];
        assert_eq!(fpr_at_recall(&scores, &positive, 0.95).unwrap(), 0.75);
        // 0.8 is nearer to 2/3 than to 1: of the thresholds with that recall, the one with most false alarms.
        assert_eq!(fpr_at_recall(&scores, &positive, 0.8).unwrap(), 0.75);
        assert_eq!(fpr_at_recall(&scores, &positive, 0.3).unwrap(), 0.25);
    }

    #[test]
    fn scores_are_higher_for_what_is_less_certain() {
        let logits = [3.0, 1.0, 0.0, 1.0, 1.0, 1.0];
        let matrix = ScoreMatrix::new(&logits, 3).unwrap();
        assert_eq!(max_logit_scores(&matrix), [-3.0, -1.0]);
        let energy = energy_scores(&matrix, 1.0).unwrap();
        assert!((energy[1] + 1.0 + 3.0_f64.ln()).abs() < 1e-12);
        assert!(energy_scores(&matrix, 0.0).is_err());
        assert!(msp_scores(&matrix).is_err());
        let probabilities = crate::softmax(&matrix, 1.0).unwrap();
        let msp = msp_scores(&ScoreMatrix::new(&probabilities, 3).unwrap()).unwrap();
        assert!(msp[0] < msp[1] && (msp[1] + 1.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn one_kind_alone_has_no_curve() {
        for positive in [[true; 2], [false; 2]] {
            assert!(matches!(auroc(&[1.0, 2.0], &positive), Err(Error::Undefined { .. })));
        }
        assert!(average_precision(&[f64::NAN, 1.0], &[true, false]).is_err());
        assert!(fpr_at_recall(&[1.0], &[true, false], 0.95).is_err());
        assert!(fpr_at_recall(&[1.0, 2.0], &[true, false], 1.5).is_err());
        assert!(auroc(&[], &[]).is_err());
    }
}

//! Calibration over bins of equally many samples.

use super::{Calibration, ReliabilityBin};
use crate::Error;
use crate::error::{check_fractions, check_lengths};
use std::ops::Range;

/// Calibration over `bins` bins of equally many samples in order of confidence (Nguyen & O'Connor 2015): adaptive
/// calibration error is its `ece`. Where `bins` does not divide the number of samples, the first bins have one more, as in
/// NumPy's `array_split`; with fewer samples than bins each has its own. Equal confidences keep their order. A bin's `low`
/// and `high` are its lowest and highest confidence.
pub fn equal_mass_calibration(
    confidences: &[f64],
    correct: &[bool],
    bins: usize,
) -> Result<Calibration, Error> {
    let sorted = sort(confidences, correct)?;
    if bins == 0 {
        return Err(Error::Parameter { parameter: "bins", value: 0.0, expected: "at least 1" });
    }
    let (n, bins) = (sorted.len(), bins.min(sorted.len()));
    let start = |bin: usize| bin * (n / bins) + bin.min(n % bins);
    Ok(Calibration::of((0..bins).map(|bin| reliability(&sorted, start(bin)..start(bin + 1))).collect()))
}

/// What becomes of the most confident samples in [`rms_calibration`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopBin {
    /// They count like all others.
    Kept,
    /// They are left out of the sum, while their number stays in the denominator: what the code behind the published
    /// figures does (`calib_err` of hendrycks/outlier-exposure and hendrycks/natural-adv-examples loops over all bins but
    /// the last). Zero when there is but one bin.
    Dropped,
}

/// The root mean square calibration error (Hendrycks et al. 2019) over bins of `per_bin` samples (100 as published) in
/// order of confidence, the last of which takes the remainder too; fewer samples than that are one bin.
pub fn rms_calibration(
    confidences: &[f64],
    correct: &[bool],
    per_bin: usize,
    top: TopBin,
) -> Result<f64, Error> {
    let sorted = sort(confidences, correct)?;
    if per_bin == 0 {
        return Err(Error::Parameter { parameter: "per_bin", value: 0.0, expected: "at least 1" });
    }
    let n = sorted.len();
    let bins = (n / per_bin).max(1);
    let counted = if top == TopBin::Kept { bins } else { bins - 1 };
    let squared = |bin: usize| {
        let end = if bin + 1 == bins { n } else { (bin + 1) * per_bin };
        let bin = reliability(&sorted, bin * per_bin..end);
        bin.count as f64 / n as f64 * bin.gap().powi(2)
    };
    Ok((0..counted).map(squared).sum::<f64>().sqrt())
}

/// Pairs of confidence and verdict in order of confidence.
fn sort(confidences: &[f64], correct: &[bool]) -> Result<Vec<(f64, bool)>, Error> {
    check_lengths("confidences", confidences.len(), "correct", correct.len())?;
    check_fractions("confidences", confidences)?;
    let mut pairs: Vec<_> = confidences.iter().copied().zip(correct.iter().copied()).collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(pairs)
}

/// One bin of sorted pairs, which is not empty.
fn reliability(sorted: &[(f64, bool)], range: Range<usize>) -> ReliabilityBin {
    let pairs = &sorted[range];
    let count = pairs.len();
    ReliabilityBin {
        low: pairs[0].0,
        high: pairs[count - 1].0,
        count,
        confidence: pairs.iter().map(|pair| pair.0).sum::<f64>() / count as f64,
        accuracy: pairs.iter().filter(|pair| pair.1).count() as f64 / count as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_hold_equally_many_and_the_first_one_more() {
        let confidences = [0.9, 0.1, 0.5, 0.3, 0.7];
        let result = equal_mass_calibration(&confidences, &[true, false, true, false, true], 2).unwrap();
        let bins: Vec<_> = result.bins.iter().map(|bin| (bin.low, bin.high, bin.count)).collect();
        assert_eq!(bins, [(0.1, 0.5, 3), (0.7, 0.9, 2)]);
        let (first, second): (f64, f64) = (1.0 / 3.0 - 0.3, 1.0 - 0.8);
        assert!((result.ece - (0.6 * first + 0.4 * second)).abs() < 1e-12);
        assert!((result.max - second).abs() < 1e-12);
        assert_eq!(equal_mass_calibration(&confidences, &[true; 5], 15).unwrap().bins.len(), 5);
    }

    #[test]
    fn the_published_rms_drops_the_most_confident() {
        let confidences: Vec<f64> = (0..7).map(|i| f64::from(i) / 10.0).collect();
        let correct = [false, true, true, true, false, true, true];
        let gap = |right: f64, sum: f64, n: f64| n / 7.0 * (right / n - sum / n).powi(2);
        let (low, high) = (gap(2.0, 0.3, 3.0), gap(3.0, 1.8, 4.0));
        let rms = |top| rms_calibration(&confidences, &correct, 3, top).unwrap();
        assert!((rms(TopBin::Kept) - (low + high).sqrt()).abs() < 1e-12);
        assert!((rms(TopBin::Dropped) - low.sqrt()).abs() < 1e-12);
        assert_eq!(rms_calibration(&confidences, &correct, 100, TopBin::Dropped).unwrap(), 0.0);
        assert!(rms_calibration(&confidences, &correct, 100, TopBin::Kept).unwrap() > 0.0);
    }

    #[test]
    fn bad_input_is_refused() {
        assert!(equal_mass_calibration(&[0.5], &[true], 0).is_err());
        assert!(equal_mass_calibration(&[1.5], &[true], 1).is_err());
        assert!(equal_mass_calibration(&[], &[], 1).is_err());
        assert!(rms_calibration(&[0.5], &[true], 0, TopBin::Kept).is_err());
        assert!(rms_calibration(&[f64::NAN], &[true], 1, TopBin::Kept).is_err());
        assert!(rms_calibration(&[0.5], &[], 1, TopBin::Kept).is_err());
    }
}

//! Calibration of every class's probability, not only of the predicted one's.

use super::{calibration, equal_mass_calibration};
use crate::{Error, ScoreMatrix};

/// How confidences are put into bins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binning {
    /// Equal widths, as [`calibration`] has them.
    EqualWidth,
    /// Equally many samples, as [`equal_mass_calibration`] has them.
    EqualMass,
}

/// The mean over classes of the expected calibration error of the class's probability against whether it is the label.
/// With [`Binning::EqualWidth`] this is the class-wise (static) calibration error of Kull et al. 2019 and Nixon et al. 2019,
/// with [`Binning::EqualMass`] the latter's adaptive one. Small for many classes, most of whose probabilities are near 0.
pub fn class_wise_ece<T: Copy + Into<f64>>(
    probabilities: &ScoreMatrix<'_, T>,
    labels: &[i64],
    bins: usize,
    binning: Binning,
) -> Result<f64, Error> {
    probabilities.check_labels(labels)?;
    probabilities.check_probabilities()?;
    let mut sum = 0.0;
    for class in 0..probabilities.classes() {
        let own: Vec<f64> = probabilities.rows().map(|row| row[class].into().min(1.0)).collect();
        let is_label: Vec<bool> = labels.iter().map(|&label| label == class as i64).collect();
        sum += match binning {
            Binning::EqualWidth => calibration(&own, &is_label, bins)?.ece,
            Binning::EqualMass => equal_mass_calibration(&own, &is_label, bins)?.ece,
        };
    }
    Ok(sum / probabilities.classes() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_counts() {
        let values = [0.8, 0.2, 0.6, 0.4, 0.3, 0.7, 0.1, 0.9];
        let scores = ScoreMatrix::new(&values, 2).unwrap();
        let labels = [0, 1, 1, 1];
        // With two classes the second's gaps mirror the first's.
        let own = [0.8, 0.6, 0.3, 0.1];
        let is_label = [true, false, false, false];
        let expected = equal_mass_calibration(&own, &is_label, 2).unwrap().ece;
        let found = class_wise_ece(&scores, &labels, 2, Binning::EqualMass).unwrap();
        assert!((found - expected).abs() < 1e-12);
        // One bin: |share of the class - mean probability|.
        let one = class_wise_ece(&scores, &labels, 1, Binning::EqualWidth).unwrap();
        assert!((one - (0.45 - 0.25)).abs() < 1e-12);
        assert!(class_wise_ece(&scores, &[0], 2, Binning::EqualMass).is_err());
        assert!(class_wise_ece(&scores, &[0, 1, 1, 2], 2, Binning::EqualMass).is_err());
        assert!(class_wise_ece(&scores, &labels, 0, Binning::EqualWidth).is_err());
        let logits = ScoreMatrix::new(&[2.0, 3.0], 2).unwrap();
        assert!(class_wise_ece(&logits, &[0], 2, Binning::EqualWidth).is_err());
    }
}

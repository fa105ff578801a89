//! Effective robustness: how far a model's accuracy under shift lies above what its clean accuracy predicts
//! (Taori et al. 2020).

use crate::Error;
use crate::error::{check_lengths, check_values};
use serde::{Deserialize, Serialize};

/// The accuracy under a shift that the clean accuracy predicts: a straight line between log-odds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShiftFit {
    /// The line's slope.
    pub slope: f64,
    /// Its value at log-odds 0, an accuracy of one half.
    pub intercept: f64,
    /// The coefficient of determination, on log-odds.
    pub r2: f64,
    /// The number of models behind it.
    pub n: usize,
}

impl ShiftFit {
    /// Ordinary least squares of the log-odds of `shifted` on those of `clean`: fractions strictly between 0 and 1, one of
    /// each for every baseline model, and at least two models that differ in `clean`.
    pub fn new(clean: &[f64], shifted: &[f64]) -> Result<Self, Error> {
        check_lengths("clean", clean.len(), "shifted", shifted.len())?;
        for (what, values) in [("clean", clean), ("shifted", shifted)] {
            let inside = |value: f64| value > 0.0 && value < 1.0;
            check_values(what, values, "a fraction strictly between 0 and 1", inside)?;
        }
        let (x, y): (Vec<_>, Vec<_>) =
            (clean.iter().map(logit).collect(), shifted.iter().map(logit).collect());
        let n = x.len();
        let mean = |values: &[f64]| values.iter().sum::<f64>() / n as f64;
        let (mean_x, mean_y) = (mean(&x), mean(&y));
        let dot = |a: &[f64], mean_a: f64, b: &[f64], mean_b: f64| {
            a.iter().zip(b).map(|(a, b)| (a - mean_a) * (b - mean_b)).sum::<f64>()
        };
        let (xx, xy, yy) =
            (dot(&x, mean_x, &x, mean_x), dot(&x, mean_x, &y, mean_y), dot(&y, mean_y, &y, mean_y));
        if clean.iter().all(|&value| value == clean[0]) {
            let reason = "it takes two baseline models or more that differ in clean accuracy";
            return Err(Error::Undefined { what: "the fit", reason });
        }
        let slope = xy / xx;
        // Equal accuracies under the shift are fitted exactly.
        let r2 = if yy == 0.0 { 1.0 } else { xy * xy / (xx * yy) };
        Ok(Self { slope, intercept: mean_y - slope * mean_x, r2, n })
    }

    /// The accuracy under the shift that a model with this `clean` accuracy (a fraction) is expected to have.
    pub fn expected(&self, clean: f64) -> f64 {
        // A level line goes on beyond 0 and 1, where log-odds are infinite.
        let rise = if self.slope == 0.0 { 0.0 } else { self.slope * logit(&clean) };
        1.0 / (1.0 + (-(rise + self.intercept)).exp())
    }

    /// Effective robustness: `shifted` less what is expected at `clean`, in fractions.
    pub fn rho(&self, clean: f64, shifted: f64) -> f64 {
        shifted - self.expected(clean)
    }
}

/// The log-odds; infinite at 0 and 1.
fn logit(p: &f64) -> f64 {
    (p / (1.0 - p)).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_between_log_odds_is_found_again() {
        let odds = |z: f64| 1.0 / (1.0 + (-z).exp());
        let clean: Vec<f64> = (-4..6).map(|i| odds(0.5 * f64::from(i))).collect();
        let shifted: Vec<f64> = (-4..6).map(|i| odds(0.9 * 0.5 * f64::from(i) - 0.4)).collect();
        let fit = ShiftFit::new(&clean, &shifted).unwrap();
        assert!((fit.slope - 0.9).abs() < 1e-12 && (fit.intercept + 0.4).abs() < 1e-12);
        assert!((fit.r2 - 1.0).abs() < 1e-12 && fit.n == 10);
        assert!(fit.rho(clean[3], shifted[3]).abs() < 1e-12);
        assert!((fit.rho(clean[3], shifted[3] + 0.05) - 0.05).abs() < 1e-12);
        assert_eq!((fit.expected(0.0), fit.expected(1.0)), (0.0, 1.0));
    }

    #[test]
    fn what_has_no_line_is_an_error() {
        assert!(matches!(ShiftFit::new(&[0.7, 0.7], &[0.5, 0.6]), Err(Error::Undefined { .. })));
        assert!(matches!(ShiftFit::new(&[0.7], &[0.5]), Err(Error::Undefined { .. })));
        assert!(matches!(ShiftFit::new(&[0.7, 1.0], &[0.5, 0.6]), Err(Error::Value { index: 1, .. })));
        assert!(ShiftFit::new(&[0.7, 0.8], &[0.0, 0.6]).is_err());
        assert!(ShiftFit::new(&[], &[]).is_err());
        let level = ShiftFit::new(&[0.6, 0.7], &[0.5, 0.5]).unwrap();
        assert_eq!((level.r2, level.expected(0.0), level.expected(1.0)), (1.0, 0.5, 0.5));
    }
}

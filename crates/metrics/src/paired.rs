//! Whether two models that were tested on the same samples differ.

use crate::error::check_lengths;
use crate::interval::bootstrap_mean;
use crate::{Error, Interval};
use serde::{Deserialize, Serialize};

/// Two models' verdicts on the same samples, compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairedComparison {
    /// The second's accuracy less the first's.
    pub difference: f64,
    /// The percentile bootstrap interval of the difference: samples are drawn with both verdicts.
    pub interval: Interval,
    /// Samples that only the first has right.
    pub only_first: usize,
    /// Samples that only the second has right.
    pub only_second: usize,
    /// The p-value of McNemar's exact test (1947): how likely so unequal a split of the samples on which the two differ
    /// would be, were both as likely to be right.
    pub p_value: f64,
}

/// Compares verdicts on the same samples in the same order.
pub fn compare_paired(
    first: &[bool],
    second: &[bool],
    resamples: usize,
    level: f64,
    seed: u64,
) -> Result<PairedComparison, Error> {
    check_lengths("first", first.len(), "second", second.len())?;
    let differences: Vec<f64> =
        first.iter().zip(second).map(|(&first, &second)| f64::from(second) - f64::from(first)).collect();
    let count = |sign: f64| differences.iter().filter(|&&difference| difference == sign).count();
    let (only_first, only_second) = (count(-1.0), count(1.0));
    Ok(PairedComparison {
        difference: (only_second as f64 - only_first as f64) / first.len() as f64,
        interval: bootstrap_mean(&differences, resamples, level, seed)?,
        only_first,
        only_second,
        p_value: mcnemar(only_first, only_second),
    })
}

/// The two-sided p-value of McNemar's exact test from the numbers of samples that only one of two models has right: twice the
/// binomial probability, at one half, of a split at least as unequal; 1 where they never differ.
pub fn mcnemar(only_first: usize, only_second: usize) -> f64 {
    let (n, fewer) = (only_first + only_second, only_first.min(only_second));
    // Logarithms of binomial coefficients: 2ⁿ overflows long before real counts do.
    let factorial = |k: usize| libm::lgamma(k as f64 + 1.0);
    let term = |k: usize| factorial(n) - factorial(k) - factorial(n - k) - n as f64 * 2.0_f64.ln();
    let tail: f64 = (0..=fewer).map(|k| term(k).exp()).sum();
    (2.0 * tail).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exact_test_by_hand() {
        assert_eq!(mcnemar(0, 0), 1.0);
        assert_eq!(mcnemar(3, 3), 1.0);
        assert!((mcnemar(0, 5) - 2.0 / 32.0).abs() < 1e-12);
        assert!((mcnemar(8, 2) - 2.0 * (1.0 + 10.0 + 45.0) / 1024.0).abs() < 1e-12);
        assert_eq!(mcnemar(8, 2), mcnemar(2, 8));
        assert!(mcnemar(30_000, 20_000) < 1e-200);
        assert!((mcnemar(25_000, 25_000) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn differences_are_of_the_same_samples() {
        // Nine in ten samples decide nothing; of the others the second has three quarters.
        let first: Vec<bool> = (0..400).map(|i| i % 40 == 0 || i % 10 != 0).collect();
        let second: Vec<bool> = (0..400).map(|i| i % 40 != 0).collect();
        let found = compare_paired(&first, &second, 2000, 0.95, 1).unwrap();
        assert_eq!((found.only_first, found.only_second), (10, 30));
        assert!((found.difference - 0.05).abs() < 1e-12);
        // The standard error of the difference is sqrt(0.1 − 0.05²) / 20.
        assert!((found.interval.low - (0.05 - 1.96 * 0.0156)).abs() < 0.006, "{found:?}");
        assert!((found.interval.high - (0.05 + 1.96 * 0.0156)).abs() < 0.006, "{found:?}");
        assert!(found.p_value < 0.01);
        let same = compare_paired(&first, &first, 100, 0.95, 1).unwrap();
        assert_eq!((same.difference, same.p_value, same.interval.low), (0.0, 1.0, 0.0));
        assert!(compare_paired(&first, &second[1..], 100, 0.95, 1).is_err());
        assert!(compare_paired(&[], &[], 100, 0.95, 1).is_err());
    }
}

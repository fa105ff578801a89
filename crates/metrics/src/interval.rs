//! How far a figure can be trusted: Wilson and percentile bootstrap intervals.

use crate::Error;
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};

/// A confidence interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Confidence level, for example 0.95.
    pub level: f64,
    /// How it was made: `wilson`, or `bootstrap(resamples, seed)`.
    pub method: String,
}

/// The Wilson score interval (1927) of a proportion of `successes` out of `n` independent trials.
pub fn wilson(successes: usize, n: usize, level: f64) -> Result<Interval, Error> {
    if n == 0 {
        return Err(Error::Empty { what: "trials" });
    }
    if successes > n {
        let expected = "at most the number of trials";
        return Err(Error::Parameter { parameter: "successes", value: successes as f64, expected });
    }
    let z = two_sided_z(level)?;
    let (n, p) = (n as f64, successes as f64 / n as f64);
    let scale = 1.0 + z * z / n;
    let centre = (p + z * z / (2.0 * n)) / scale;
    let half = z / scale * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    // At 0 and 1 the end is exact; rounding must not move it.
    let low = if p == 0.0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if p == 1.0 { 1.0 } else { (centre + half).min(1.0) };
    Ok(Interval { low, high, level, method: "wilson".into() })
}

/// The percentile bootstrap interval (Efron 1979) of the mean of `values`.
pub fn bootstrap_mean(values: &[f64], resamples: usize, level: f64, seed: u64) -> Result<Interval, Error> {
    if let Some(index) = values.iter().position(|value| !value.is_finite()) {
        return Err(Error::Value {
            what: "values",
            index,
            value: values[index],
            expected: "a finite number",
        });
    }
    bootstrap(
        values.len(),
        |sample| sample.iter().map(|&i| values[i]).sum::<f64>() / sample.len() as f64,
        resamples,
        level,
        seed,
    )
}

/// The percentile bootstrap interval of any statistic of `n` units: `statistic` gets the indices of a
/// resample with replacement. Ends are quantiles with linear interpolation, as NumPy's default. Equal seeds
/// give equal intervals.
pub fn bootstrap(
    n: usize,
    mut statistic: impl FnMut(&[usize]) -> f64,
    resamples: usize,
    level: f64,
    seed: u64,
) -> Result<Interval, Error> {
    if n == 0 {
        return Err(Error::Empty { what: "values" });
    }
    if resamples == 0 {
        return Err(Error::Parameter { parameter: "resamples", value: 0.0, expected: "at least 1" });
    }
    check_level(level)?;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut sample = vec![0; n];
    let mut statistics = Vec::with_capacity(resamples);
    for index in 0..resamples {
        sample.fill_with(|| rng.random_range(0..n));
        let value = statistic(&sample);
        if value.is_nan() {
            return Err(Error::Value { what: "resampled statistic", index, value, expected: "a number" });
        }
        statistics.push(value);
    }
    statistics.sort_by(f64::total_cmp);
    let tail = (1.0 - level) / 2.0;
    Ok(Interval {
        low: quantile(&statistics, tail),
        high: quantile(&statistics, 1.0 - tail),
        level,
        method: format!("bootstrap({resamples}, seed {seed})"),
    })
}

/// The arithmetic mean; an error when there are no values.
pub fn mean(values: &[f64]) -> Result<f64, Error> {
    if values.is_empty() {
        Err(Error::Empty { what: "values" })
    } else {
        Ok(values.iter().sum::<f64>() / values.len() as f64)
    }
}

/// The quantile `q` in `0..=1` of sorted values, interpolating linearly.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = q * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    if below == above { below } else { below + (above - below) * at.fract() }
}

fn check_level(level: f64) -> Result<(), Error> {
    if level > 0.0 && level < 1.0 {
        Ok(())
    } else {
        Err(Error::Parameter {
            parameter: "level",
            value: level,
            expected: "between 0 and 1, for example 0.95",
        })
    }
}

/// The z for which a standard normal variable lies in `-z..=z` with probability `level`.
fn two_sided_z(level: f64) -> Result<f64, Error> {
    check_level(level)?;
    let (mut low, mut high) = (0.0, 40.0);
    while high - low > 1e-14 * high {
        let middle = 0.5 * (low + high);
        if libm::erfc(middle / std::f64::consts::SQRT_2) > 1.0 - level {
            low = middle
        } else {
            high = middle
        }
        if middle == low && middle == high {
            break;
        }
    }
    Ok(0.5 * (low + high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn z_values_are_the_textbook_ones() {
        for (level, z) in [(0.95, 1.959963984540054), (0.99, 2.5758293035489004), (0.5, 0.6744897501960817)] {
            assert!((two_sided_z(level).unwrap() - z).abs() < 1e-12, "{level}");
        }
        for level in [1e-12, 1.0 - 1e-15] {
            assert!(two_sided_z(level).unwrap().is_finite());
        }
    }

    #[test]
    fn wilson_holds_at_the_ends_and_refuses_nonsense() {
        assert_eq!(wilson(0, 10, 0.95).unwrap().low, 0.0);
        assert_eq!(wilson(10, 10, 0.95).unwrap().high, 1.0);
        assert!(wilson(10, 10, 0.95).unwrap().low < 0.75);
        assert!(wilson(0, 0, 0.95).is_err());
        assert!(wilson(3, 2, 0.95).is_err());
        for level in [0.0, 1.0, f64::NAN, -1.0] {
            assert!(wilson(1, 2, level).is_err());
        }
    }

    #[test]
    fn bootstrap_is_seeded_and_about_as_wide_as_theory_says() {
        let values: Vec<f64> = (0..400).map(|i| f64::from(i % 2)).collect();
        let interval = bootstrap_mean(&values, 2000, 0.95, 7).unwrap();
        assert_eq!(interval, bootstrap_mean(&values, 2000, 0.95, 7).unwrap());
        let irregular: Vec<f64> = (0..400).map(|i| f64::from(i).sin()).collect();
        let low = |seed| bootstrap_mean(&irregular, 200, 0.95, seed).unwrap().low;
        assert_ne!(low(7), low(8));
        // The standard error is 0.5 / sqrt(400) = 0.025.
        assert!((interval.low - (0.5 - 1.96 * 0.025)).abs() < 0.006, "{interval:?}");
        assert!((interval.high - (0.5 + 1.96 * 0.025)).abs() < 0.006, "{interval:?}");
        assert!(bootstrap_mean(&[], 10, 0.95, 0).is_err());
        assert!(bootstrap_mean(&[f64::NAN], 10, 0.95, 0).is_err());
        assert!(bootstrap_mean(&[1.0], 0, 0.95, 0).is_err());
        assert_eq!(bootstrap_mean(&[2.0], 5, 0.95, 0).unwrap().high, 2.0);
    }

    #[test]
    fn quantiles_interpolate() {
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), 3.0);
        assert_eq!(quantile(&[5.0], 0.3), 5.0);
    }
}

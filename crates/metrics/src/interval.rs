//! How far a figure can be trusted: Wilson and percentile bootstrap intervals.

use crate::Error;
use crate::error::{check_lengths, check_values};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A confidence interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Confidence level, for example 0.95.
    pub level: f64,
    /// How it was made: `wilson`, `bootstrap(resamples, seed)`, or `bootstrap of groups(groups, resamples, seed)`.
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
    check_values("values", values, "a finite number", f64::is_finite)?;
    bootstrap(
        values.len(),
        |sample| sample.iter().map(|&i| values[i]).sum::<f64>() / sample.len() as f64,
        resamples,
        level,
        seed,
    )
}

/// The percentile bootstrap interval of the mean of the means of several sets, whose sizes may differ: the values of each are resampled by
/// themselves. No set may be empty.
pub fn bootstrap_mean_of_means(
    sets: &[&[f64]],
    resamples: usize,
    level: f64,
    seed: u64,
) -> Result<Interval, Error> {
    for values in sets {
        check_values("values", values, "a finite number", f64::is_finite)?;
        mean(values)?;
    }
    let sizes: Vec<usize> = sets.iter().map(|values| values.len()).collect();
    let all: Vec<f64> = sets.concat();
    let statistic = |mut sample: &[usize]| {
        let mut sum = 0.0;
        for &size in &sizes {
            let (own, others) = sample.split_at(size);
            sum += own.iter().map(|&i| all[i]).sum::<f64>() / size as f64;
            sample = others;
        }
        sum / sizes.len() as f64
    };
    bootstrap_strata(&sizes, statistic, resamples, level, seed)
}

/// The percentile bootstrap interval of the mean of `values` that come in groups, such as several crops of one
/// photograph: whole groups are resampled (the cluster bootstrap), since values within one are not independent.
/// `groups` names the group of each value, by any number; there must be two groups at least.
pub fn bootstrap_groups(
    values: &[f64],
    groups: &[usize],
    resamples: usize,
    level: f64,
    seed: u64,
) -> Result<Interval, Error> {
    check_lengths("values", values.len(), "groups", groups.len())?;
    check_values("values", values, "a finite number", f64::is_finite)?;
    let mut totals = BTreeMap::<usize, (f64, usize)>::new();
    for (value, group) in values.iter().zip(groups) {
        let (sum, count) = totals.entry(*group).or_default();
        *sum += value;
        *count += 1;
    }
    let totals: Vec<_> = totals.into_values().collect();
    if totals.len() < 2 {
        return Err(Error::Parameter { parameter: "groups", value: 1.0, expected: "two groups or more" });
    }
    let mean = |sample: &[usize]| {
        let add =
            |(sum, count): (f64, usize), &group: &usize| (sum + totals[group].0, count + totals[group].1);
        let (sum, count) = sample.iter().fold((0.0, 0), add);
        sum / count as f64
    };
    let interval = bootstrap(totals.len(), mean, resamples, level, seed)?;
    let method = format!("bootstrap of groups({}, {resamples}, seed {seed})", totals.len());
    Ok(Interval { method, ..interval })
}

/// The percentile bootstrap interval of any statistic of `n` units: `statistic` gets the indices of a
/// resample with replacement. Ends are quantiles with linear interpolation, as NumPy's default. Equal seeds
/// give equal intervals.
pub fn bootstrap(
    n: usize,
    statistic: impl FnMut(&[usize]) -> f64,
    resamples: usize,
    level: f64,
    seed: u64,
) -> Result<Interval, Error> {
    bootstrap_strata(&[n], statistic, resamples, level, seed)
}

/// [`bootstrap`] of units that are of several kinds, of which `strata` has the numbers: each kind is resampled by itself, so that every
/// resample has as many of it. Indices count through the kinds in order, and a resample has its own in the same places.
pub fn bootstrap_strata(
    strata: &[usize],
    mut statistic: impl FnMut(&[usize]) -> f64,
    resamples: usize,
    level: f64,
    seed: u64,
) -> Result<Interval, Error> {
    let n = strata.iter().sum();
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
        let mut start = 0;
        for &size in strata {
            sample[start..start + size].fill_with(|| start + rng.random_range(0..size));
            start += size;
        }
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
pub(crate) fn quantile(sorted: &[f64], q: f64) -> f64 {
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
    fn strata_keep_their_numbers() {
        let mut seen = [0_usize; 5];
        let interval = bootstrap_strata(
            &[2, 0, 3],
            |sample| {
                assert!(
                    sample[..2].iter().all(|&i| i < 2) && sample[2..].iter().all(|&i| (2..5).contains(&i))
                );
                sample.iter().for_each(|&index| seen[index] += 1);
                sample[0] as f64
            },
            4000,
            0.95,
            1,
        );
        assert_eq!(interval.map(|interval| (interval.low, interval.high)), Ok((0.0, 1.0)));
        // Every unit of a kind is as likely.
        assert!(seen.iter().all(|&count| count.abs_diff(4000) < 250), "{seen:?}");
        assert!(bootstrap_strata(&[0, 0], |_| 0.0, 10, 0.95, 1).is_err());
    }

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
    fn means_of_means_weigh_sets_alike() {
        let (long, short): (Vec<f64>, [f64; 2]) = ((0..400).map(|i| f64::from(i % 2)).collect(), [3.0, 3.0]);
        let found = bootstrap_mean_of_means(&[&long, &short], 2000, 0.95, 1).unwrap();
        // The standard error of the first is 0.025, the second has none: half of it around 1.75.
        assert!((found.low - (1.75 - 1.96 * 0.0125)).abs() < 0.003, "{found:?}");
        assert!((found.high - (1.75 + 1.96 * 0.0125)).abs() < 0.003, "{found:?}");
        let alone = bootstrap_mean_of_means(&[&long], 100, 0.95, 7).unwrap();
        assert_eq!(alone, bootstrap_mean(&long, 100, 0.95, 7).unwrap());
        assert!(bootstrap_mean_of_means(&[&long, &[]], 10, 0.95, 0).is_err());
        assert!(bootstrap_mean_of_means(&[], 10, 0.95, 0).is_err());
    }

    #[test]
    fn groups_are_resampled_whole() {
        // 100 groups of 4 equal values: as uncertain as 100 values, not as 400.
        let values: Vec<f64> = (0..400).map(|i| f64::from(i / 4 % 2)).collect();
        let groups: Vec<usize> = (0..400).map(|i| 7 * (i / 4)).collect();
        let grouped = bootstrap_groups(&values, &groups, 2000, 0.95, 3).unwrap();
        assert_eq!(grouped, bootstrap_groups(&values, &groups, 2000, 0.95, 3).unwrap());
        assert_eq!(grouped.method, "bootstrap of groups(100, 2000, seed 3)");
        assert!((grouped.low - (0.5 - 1.96 * 0.05)).abs() < 0.012, "{grouped:?}");
        assert!((grouped.high - (0.5 + 1.96 * 0.05)).abs() < 0.012, "{grouped:?}");
        let alone = bootstrap_mean(&values, 2000, 0.95, 3).unwrap();
        assert!(grouped.high - grouped.low > 1.8 * (alone.high - alone.low));

        // Groups of one value each are no groups; the order of the values does not matter.
        let (some, each) = ([0.1, 0.9, 0.4, 0.2], [0, 1, 2, 3]);
        let plain = bootstrap_mean(&some, 300, 0.9, 5).unwrap();
        let singles = bootstrap_groups(&some, &each, 300, 0.9, 5).unwrap();
        assert!((plain.low - singles.low).abs() < 1e-12 && (plain.high - singles.high).abs() < 1e-12);
        let mixed = bootstrap_groups(&[1.0, 5.0, 2.0], &[0, 1, 0], 200, 0.9, 1).unwrap();
        let sorted = bootstrap_groups(&[1.0, 2.0, 5.0], &[0, 0, 1], 200, 0.9, 1).unwrap();
        assert_eq!(mixed, sorted);
        // A resample of the large group alone has the mean 1.5, of the small one 5, of both 8 / 3.
        assert_eq!((mixed.low, mixed.high), (1.5, 5.0));

        assert!(bootstrap_groups(&some, &[4; 4], 10, 0.9, 0).is_err());
        assert!(bootstrap_groups(&some, &[0, 1], 10, 0.9, 0).is_err());
        assert!(bootstrap_groups(&[], &[], 10, 0.9, 0).is_err());
        assert!(bootstrap_groups(&[f64::NAN, 1.0], &[0, 1], 10, 0.9, 0).is_err());
    }

    #[test]
    fn quantiles_interpolate() {
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), 3.0);
        assert_eq!(quantile(&[5.0], 0.3), 5.0);
    }
}

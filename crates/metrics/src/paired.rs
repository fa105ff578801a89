//! Whether two models that were tested on the same samples differ.

use crate::error::check_lengths;
use crate::interval::{bootstrap_mean, bootstrap_strata};
use crate::{DetectionCurve, Error, Interval, RankedScores};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
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

/// What one unit, which is an image or all images of one object, adds to two models' means: a sum of values and their number each. The
/// numbers differ where some values do not count, as decisions for neither shape nor texture.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PairedUnit {
    /// The first model's sum and number of values.
    pub first: (f64, f64),
    /// The second's.
    pub second: (f64, f64),
}

/// Two models' means over the same units, compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairedMeans {
    /// The second's mean less the first's.
    pub difference: f64,
    /// The percentile bootstrap interval of the difference: whole units are drawn, with both models' values.
    pub interval: Interval,
    /// Whether the difference is more than chance.
    pub test: Randomisation,
}

/// Fisher's randomisation test (1935) of paired units: how likely so large a difference would be, whatever its sign, were it chance which
/// of a unit's two results is which model's. It takes units for independent, and nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Randomisation {
    /// The two-sided p-value: the share of assignments whose difference is as large. Of drawn ones the true one counts with them.
    pub p_value: f64,
    /// Units on which the models differ: the others decide nothing.
    pub units: usize,
    /// How many assignments were drawn; `None` where all were tried, which is exact.
    pub draws: Option<usize>,
}

/// Units that differ up to which all assignments are tried: 65,536 of them.
const EXACT_UNITS: usize = 16;
/// Assignments that are drawn of more.
const DRAWS: usize = 9999;

/// Compares the means of two models over the same units; of several `strata`, the sums of the strata's means, where units are resampled
/// within their stratum. For the mean of the strata's means, divide the values by the number of strata.
///
/// # Errors
/// A stratum without units, and one, or a resample of it, in which no value counts; the bootstrap's own.
pub fn compare_units(
    strata: &[Vec<PairedUnit>],
    resamples: usize,
    level: f64,
    seed: u64,
) -> Result<PairedMeans, Error> {
    if strata.is_empty() || strata.iter().any(Vec::is_empty) {
        return Err(Error::Empty { what: "units" });
    }
    let totals: Vec<_> = strata.iter().map(|units| total(units.iter())).collect();
    let difference: f64 = totals.iter().map(PairedUnit::difference).sum();
    if !difference.is_finite() {
        return Err(Error::Undefined { what: "a mean", reason: "no value counts, or one is not finite" });
    }
    let sizes: Vec<usize> = strata.iter().map(Vec::len).collect();
    let all = strata.concat();
    let statistic = |mut sample: &[usize]| {
        let mut sum = 0.0;
        for &size in &sizes {
            let (own, others) = sample.split_at(size);
            sum += total(own.iter().map(|&unit| &all[unit])).difference();
            sample = others;
        }
        sum
    };
    let interval = bootstrap_strata(&sizes, statistic, resamples, level, seed)?;
    Ok(PairedMeans { difference, interval, test: randomisation(strata, &totals, difference, seed) })
}

/// What units come to together.
fn total<'a>(units: impl Iterator<Item = &'a PairedUnit>) -> PairedUnit {
    units.fold(PairedUnit::default(), |sum, unit| PairedUnit {
        first: (sum.first.0 + unit.first.0, sum.first.1 + unit.first.1),
        second: (sum.second.0 + unit.second.0, sum.second.1 + unit.second.1),
    })
}

impl PairedUnit {
    /// The second's mean less the first's; not a number where no value counts.
    fn difference(&self) -> f64 {
        self.second.0 / self.second.1 - self.first.0 / self.first.1
    }
}

/// The randomisation test of strata whose sums are `totals` and whose means differ by `difference` together.
fn randomisation(
    strata: &[Vec<PairedUnit>],
    totals: &[PairedUnit],
    difference: f64,
    seed: u64,
) -> Randomisation {
    // What is moved from the second model to the first when a unit's results change places.
    let moved: Vec<(usize, [f64; 2])> = (strata.iter().enumerate())
        .flat_map(|(stratum, units)| units.iter().map(move |unit| (stratum, unit)))
        .filter(|(_, unit)| unit.first != unit.second)
        .map(|(at, unit)| (at, [unit.second.0 - unit.first.0, unit.second.1 - unit.first.1]))
        .collect();
    let size =
        |unit: &PairedUnit| (unit.first.0 / unit.first.1).abs() + (unit.second.0 / unit.second.1).abs();
    // Sums in another order differ by rounding.
    let least = difference.abs() - 1e-12 * totals.iter().map(size).sum::<f64>();
    let mut changed = Vec::with_capacity(totals.len());
    // Whether the difference is as large with the results of some units in each other's place; one bit for each unit.
    let mut as_large = |swapped: &[u64]| {
        changed.clear();
        changed.extend_from_slice(totals);
        for (units, &word) in moved.chunks(64).zip(swapped) {
            for (bit, (stratum, [sum, count])) in units.iter().enumerate() {
                if word >> bit & 1 == 1 {
                    let PairedUnit { first, second } = &mut changed[*stratum];
                    *first = (first.0 + sum, first.1 + count);
                    *second = (second.0 - sum, second.1 - count);
                }
            }
        }
        let found: f64 = changed.iter().map(PairedUnit::difference).sum();
        // An assignment that leaves a model without a value is no evidence.
        found.is_nan() || found.abs() >= least
    };
    let units = moved.len();
    if units <= EXACT_UNITS {
        let all = 1_u64 << units;
        let hits = (0..all).filter(|&assignment| as_large(&[assignment])).count();
        return Randomisation { p_value: hits as f64 / all as f64, units, draws: None };
    }
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut swapped = vec![0; units.div_ceil(64)];
    let mut drawn = || {
        swapped.fill_with(|| rng.random());
        as_large(&swapped)
    };
    let hits = (0..DRAWS).filter(|_| drawn()).count();
    Randomisation { p_value: (hits + 1) as f64 / (DRAWS + 1) as f64, units, draws: Some(DRAWS) }
}

/// The percentile bootstrap interval of the difference of two models' figures of detection on the same samples, the second's less the
/// first's: `statistic` of a curve, such as [`DetectionCurve::auroc`]. Positives and negatives are resampled apart, so that their numbers
/// stay.
pub fn compare_detection(
    first: &[f64],
    second: &[f64],
    positive: &[bool],
    statistic: impl Fn(&DetectionCurve) -> Result<f64, Error>,
    resamples: usize,
    level: f64,
    seed: u64,
) -> Result<Interval, Error> {
    check_lengths("first", first.len(), "second", second.len())?;
    let models = [RankedScores::new(first)?, RankedScores::new(second)?];
    let difference = |places: &[usize]| {
        let [of_first, of_second] = models.each_ref().map(|ranked| {
            let curve = ranked.curve(positive, places.iter().copied());
            curve.and_then(|curve| statistic(&curve))
        });
        Ok::<f64, Error>(of_second? - of_first?)
    };
    let all: Vec<usize> = (0..first.len()).collect();
    if !difference(&all)?.is_finite() {
        let reason = "it is not a number for one of the two";
        return Err(Error::Undefined { what: "the difference", reason });
    }
    let places = |kind: bool| all.iter().copied().filter(move |&place| positive[place] == kind);
    let kinds: Vec<usize> = places(true).chain(places(false)).collect();
    let positives = places(true).count();
    let mut drawn = Vec::with_capacity(kinds.len());
    let resampled = |sample: &[usize]| {
        drawn.clear();
        drawn.extend(sample.iter().map(|&index| kinds[index]));
        difference(&drawn).unwrap_or(f64::NAN)
    };
    bootstrap_strata(&[positives, positive.len() - positives], resampled, resamples, level, seed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auroc;

    /// Units of one value each.
    fn units(pairs: &[(f64, f64)]) -> Vec<PairedUnit> {
        pairs
            .iter()
            .map(|&(first, second)| PairedUnit { first: (first, 1.0), second: (second, 1.0) })
            .collect()
    }

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

    #[test]
    fn all_assignments_of_few_units_are_tried() {
        let compare = |pairs: &[(f64, f64)]| compare_units(&[units(pairs)], 200, 0.95, 1).unwrap();
        // Differences 2, 1, -0.5, 3, 0.25 and -1, whose sum is 4.75: as large is every assignment of the signs with |sum| ≥ 4.75.
        let pairs = [(0.0, 2.0), (1.0, 2.0), (0.5, 0.0), (-1.0, 2.0), (0.5, 0.75), (1.0, 0.0), (4.0, 4.0)];
        let found = compare(&pairs);
        let differences = [2.0, 1.0, -0.5, 3.0, 0.25, -1.0];
        let signed =
            |signs: u32| (0..6).map(move |at| differences[at] * f64::from(1 - 2 * (signs as i32 >> at & 1)));
        let as_large = (0..64).filter(|&signs| signed(signs).sum::<f64>().abs() >= 4.75).count();
        assert_eq!(found.test, Randomisation { p_value: as_large as f64 / 64.0, units: 6, draws: None });
        // Of 7.75 no more than 1.5 may have the other sign: nothing, 0.25, 0.5, either 1, 0.25 and 0.5, either 1 with either of these: ten
        // choices, and as many of the opposite signs.
        assert_eq!(as_large, 20);
        assert!((found.difference - 4.75 / 7.0).abs() < 1e-12);
        assert!(found.interval.low <= found.difference && found.difference <= found.interval.high);

        // Of units that are right or wrong it is McNemar's test.
        let right = [(0.0, 1.0), (0.0, 1.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0), (0.0, 0.0)];
        assert!((compare(&right).test.p_value - mcnemar(1, 3)).abs() < 1e-9);
        let same = compare(&right[4..]).test;
        assert_eq!((same.p_value, same.units), (1.0, 0));
    }

    #[test]
    fn of_many_units_some_are_drawn() {
        let pairs: Vec<_> = (0..100).map(|at| if at < 62 { (0.0, 1.0) } else { (1.0, 0.0) }).collect();
        let found = compare_units(&[units(&pairs)], 100, 0.95, 3).unwrap();
        assert_eq!((found.test.units, found.test.draws), (100, Some(9999)));
        // 0.0210; the standard error of 9999 draws is 0.0014.
        assert!((found.test.p_value - mcnemar(38, 62)).abs() < 0.006, "{found:?}");
        assert_eq!(found, compare_units(&[units(&pairs)], 100, 0.95, 3).unwrap());
        let certain: Vec<_> = vec![(0.0, 1.0); 40];
        assert_eq!(compare_units(&[units(&certain)], 100, 0.95, 3).unwrap().test.p_value, 1.0 / 10_000.0);
    }

    #[test]
    fn strata_are_resampled_apart_and_values_may_not_count() {
        // The first stratum is always 1 better, the second 0 or 1: halves of each.
        let half =
            |pairs: &[(f64, f64)]| units(&pairs.iter().map(|(a, b)| (a / 2.0, b / 2.0)).collect::<Vec<_>>());
        let strata = [half(&[(0.0, 1.0)]), half(&[(0.0, 0.0), (0.0, 1.0)])];
        let found = compare_units(&strata, 500, 0.95, 1).unwrap();
        assert_eq!((found.difference, found.interval.low, found.interval.high), (0.75, 0.5, 1.0));

        // Of the first model's decisions two count and one is for the shape, of the second's all three.
        let decided = |first, second| PairedUnit { first, second };
        let images = vec![
            decided((1.0, 1.0), (1.0, 1.0)),
            decided((0.0, 1.0), (1.0, 1.0)),
            decided((0.0, 0.0), (1.0, 1.0)),
        ];
        // A resample may have none of the first's, which no interval can tell.
        assert!(matches!(
            compare_units(std::slice::from_ref(&images), 500, 0.95, 1),
            Err(Error::Value { .. })
        ));
        let doubled = vec![images[0], images[1], decided((1.0, 2.0), (3.0, 3.0))];
        let found = compare_units(&[doubled], 500, 0.95, 1).unwrap();
        assert!((found.difference - (5.0 / 5.0 - 2.0 / 4.0)).abs() < 1e-12);
        // Two units differ: 1 - 0.5 as it is, 0.8 - 0.75, 0.75 - 0.8 and 0.5 - 1 with either or both exchanged.
        assert_eq!((found.test.units, found.test.p_value), (2, 0.5));
        assert!(compare_units(&[], 10, 0.95, 1).is_err() && compare_units(&[vec![]], 10, 0.95, 1).is_err());
    }

    #[test]
    fn detection_is_of_the_same_samples() {
        let positive: Vec<bool> = (0..80).map(|at| at % 4 == 1).collect();
        let noise = |at: usize, by: usize| (at * by % 101) as f64 / 101.0;
        let scores = |gain: f64| -> Vec<f64> {
            (0..80).map(|at| noise(at, 37) + if positive[at] { gain } else { 0.0 }).collect()
        };
        let (weak, strong) = (scores(0.1), scores(0.6));
        let area = |curve: &DetectionCurve| Ok(curve.auroc());
        let compare = |a: &[f64], b: &[f64]| compare_detection(a, b, &positive, area, 400, 0.95, 1).unwrap();
        let (found, back) = (compare(&weak, &strong), compare(&strong, &weak));
        let difference = auroc(&strong, &positive).unwrap() - auroc(&weak, &positive).unwrap();
        assert!(0.0 < found.low && found.low < difference && difference < found.high, "{found:?}");
        assert!((found.low + back.high).abs() < 1e-12 && (found.high + back.low).abs() < 1e-12);
        // The same scores differ in no resample, and a scale does not matter.
        let larger: Vec<f64> = weak.iter().map(|score| 10.0 * score).collect();
        let same = compare(&weak, &larger);
        assert_eq!((same.low, same.high), (0.0, 0.0));
        let fpr95 = |curve: &DetectionCurve| curve.fpr_at_recall(0.95);
        let found = compare_detection(&weak, &strong, &positive, fpr95, 200, 0.95, 1).unwrap();
        assert!(found.high <= 0.0, "{found:?}");
        assert!(compare_detection(&weak, &strong[1..], &positive, area, 10, 0.95, 1).is_err());
        assert!(compare_detection(&weak, &strong, &[true; 80], area, 10, 0.95, 1).is_err());
    }
}

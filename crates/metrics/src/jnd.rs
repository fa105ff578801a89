//! Just noticeable differences: whether people who look at two patches call them the same (BAPPS; Zhang et al. 2018).

use crate::error::{check_fractions, check_lengths, check_values};
use crate::{Error, Interval, bootstrap_strata};

/// The average precision of small distances for pairs called the same: `same` is the fraction of people who did. Precision is
/// made to fall with recall as in Pascal VOC's `voc_ap`, whose area this is, so that it is not scikit-learn's. Equal distances
/// keep their order. Errs when nobody called any pair the same.
pub fn jnd_map(distances: &[f64], same: &[f64]) -> Result<f64, Error> {
    let ranked = Ranked::new(distances, same)?;
    let area = ranked.area(&vec![1; same.len()], &mut Vec::new());
    let reason = "no pair was called the same by anyone";
    area.ok_or(Error::Undefined { what: "the JND mAP", reason })
}

/// The percentile bootstrap interval of the mean of [`jnd_map`] over several sets, each of distances and of the fractions who called
/// the pair the same. Pairs are resampled within their set. A resample in which nobody called any pair the same has found none: 0.
pub fn jnd_map_interval(
    sets: &[(&[f64], &[f64])],
    resamples: usize,
    level: f64,
    seed: u64,
) -> Result<Interval, Error> {
    let ranked =
        sets.iter().map(|(d, same)| Ok([Ranked::new(d, same)?])).collect::<Result<Vec<_>, Error>>()?;
    resampled(&ranked, |[area]| area, resamples, level, seed)
}

/// The same of the difference between two distances on the same pairs, the second's mean less the first's: sets of both distances and of
/// the fractions who called the pair the same.
pub fn compare_jnd_map(
    sets: &[(&[f64], &[f64], &[f64])],
    resamples: usize,
    level: f64,
    seed: u64,
) -> Result<Interval, Error> {
    let ranked =
        sets.iter().map(|(first, second, same)| Ok([Ranked::new(first, same)?, Ranked::new(second, same)?]));
    let ranked = ranked.collect::<Result<Vec<_>, Error>>()?;
    resampled(&ranked, |[first, second]| second - first, resamples, level, seed)
}

/// The interval of the mean over sets of what `of` makes of the areas of the `N` rankings of each.
fn resampled<const N: usize>(
    sets: &[[Ranked<'_>; N]],
    of: impl Fn([f64; N]) -> f64,
    resamples: usize,
    level: f64,
    seed: u64,
) -> Result<Interval, Error> {
    let sizes: Vec<usize> = sets.iter().map(|set| set[0].same.len()).collect();
    if sizes.contains(&0) {
        return Err(Error::Empty { what: "pairs" });
    }
    let (mut counts, mut curve) = (vec![0; sizes.iter().sum()], Vec::new());
    let statistic = |sample: &[usize]| {
        counts.fill(0);
        sample.iter().for_each(|&index| counts[index] += 1);
        let mut rest = counts.as_slice();
        let each = |set: &[Ranked<'_>; N]| {
            let (own, others) = rest.split_at(set[0].same.len());
            rest = others;
            of(std::array::from_fn(|at| set[at].area(own, &mut curve).unwrap_or(0.0)))
        };
        sets.iter().map(each).sum::<f64>() / sets.len() as f64
    };
    bootstrap_strata(&sizes, statistic, resamples, level, seed)
}

/// Pairs by their distances, so that resamples of them need no sorting.
struct Ranked<'a> {
    /// The pairs, the nearest first.
    order: Vec<usize>,
    same: &'a [f64],
}

impl<'a> Ranked<'a> {
    fn new(distances: &[f64], same: &'a [f64]) -> Result<Self, Error> {
        check_lengths("distances", distances.len(), "same", same.len())?;
        check_values("distances", distances, "a number", |distance| !distance.is_nan())?;
        check_fractions("same", same)?;
        let mut order: Vec<usize> = (0..distances.len()).collect();
        order.sort_by(|&a, &b| distances[a].total_cmp(&distances[b]));
        Ok(Self { order, same })
    }

    /// The area where each pair is there as often as `counts` says; `None` where nobody called any of them the same. `curve` is memory
    /// for (recall, precision).
    fn area(&self, counts: &[u32], curve: &mut Vec<(f64, f64)>) -> Option<f64> {
        let all: f64 = self.same.iter().zip(counts).map(|(same, &count)| same * f64::from(count)).sum();
        if all == 0.0 {
            return None;
        }
        curve.clear();
        let mut hits = 0.0;
        for &index in &self.order {
            for _ in 0..counts[index] {
                hits += self.same[index];
                curve.push((hits / all, hits / (curve.len() + 1) as f64));
            }
        }
        // From the end, no precision is below one at higher recall.
        let mut highest = 0.0_f64;
        for (_, precision) in curve.iter_mut().rev() {
            highest = highest.max(*precision);
            *precision = highest;
        }
        let (mut area, mut previous) = (0.0, 0.0);
        for &(recall, precision) in curve.iter() {
            area += (recall - previous) * precision;
            previous = recall;
        }
        Some(area)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        assert_eq!(jnd_map(&[0.1, 0.2, 0.3], &[1.0, 1.0, 0.0]).unwrap(), 1.0);
        // Order: not, same, same. Precisions 0, 1/2, 2/3; the envelope raises the first two to 2/3.
        assert!((jnd_map(&[0.3, 0.1, 0.2], &[1.0, 0.0, 1.0]).unwrap() - 2.0 / 3.0).abs() < 1e-12);
        assert!(matches!(jnd_map(&[0.1], &[0.0]), Err(Error::Undefined { .. })));
        assert!(jnd_map(&[0.1], &[1.5]).is_err() && jnd_map(&[f64::NAN], &[1.0]).is_err());
        assert!(jnd_map(&[], &[]).is_err() && jnd_map(&[0.1], &[0.5, 0.5]).is_err());
    }
    #[test]
    fn a_resample_is_scored_as_the_pairs_that_it_has() {
        let (distances, same) = ([0.3, 0.1, 0.2, 0.5], [1.0, 0.25, 0.5, 0.75]);
        let ranked = Ranked::new(&distances, &same).unwrap();
        let counts = [2, 0, 1, 1];
        let repeated: Vec<usize> = (0..4).flat_map(|i| vec![i; counts[i] as usize]).collect();
        let of = |values: &[f64; 4]| repeated.iter().map(|&i| values[i]).collect::<Vec<_>>();
        let expected = jnd_map(&of(&distances), &of(&same)).unwrap();
        assert_eq!(ranked.area(&counts, &mut Vec::new()), Some(expected));
        assert_eq!(Ranked::new(&distances, &[0.0; 4]).unwrap().area(&counts, &mut Vec::new()), None);
    }

    #[test]
    fn intervals_hold_the_figure_and_narrow_with_more_pairs() {
        let set = |n: usize| -> (Vec<f64>, Vec<f64>) {
            let noise = |i: usize| (i * 7919 % 1000) as f64 / 1000.0;
            (
                (0..n).map(noise).collect(),
                (0..n).map(|i| if noise(i) + noise(i + 13) < 1.0 { 1.0 } else { 0.0 }).collect(),
            )
        };
        let width = |n| {
            let (distances, same) = set(n);
            let map = jnd_map(&distances, &same).unwrap();
            let found = jnd_map_interval(&[(&distances, &same)], 300, 0.95, 1).unwrap();
            assert!(found.low < map && map < found.high, "{found:?} {map}");
            found.high - found.low
        };
        assert!(width(40) > 2.0 * width(900));
        // Of several sets the mean: of one that is always right and one without a pair called the same, one half.
        let (right, none) = ((&[0.1, 0.2][..], &[1.0, 1.0][..]), (&[0.1][..], &[0.0][..]));
        let found = jnd_map_interval(&[right, none], 50, 0.95, 1).unwrap();
        assert_eq!((found.low, found.high), (0.5, 0.5));
        assert!(jnd_map_interval(&[], 50, 0.95, 1).is_err());
        assert!(jnd_map_interval(&[right, (&[], &[])], 50, 0.95, 1).is_err());
    }

    #[test]
    fn two_distances_are_compared_on_the_same_pairs() {
        let same: Vec<f64> = (0..60).map(|i| f64::from(u8::from(i % 3 == 0))).collect();
        let noise = |i: usize| (i * 7919 % 1000) as f64 / 1000.0;
        let distances = |gain: f64| (0..60).map(|i| noise(i) - gain * same[i]).collect::<Vec<_>>();
        let (weak, strong) = (distances(0.1), distances(0.7));
        let compare = |a, b| compare_jnd_map(&[(a, b, &same[..])], 300, 0.95, 1).unwrap();
        let found = compare(&weak, &strong);
        let difference = jnd_map(&strong, &same).unwrap() - jnd_map(&weak, &same).unwrap();
        assert!(
            0.0 < found.low && found.low < difference && difference < found.high,
            "{found:?} {difference}"
        );
        let none = compare(&weak, &weak);
        assert_eq!((none.low, none.high), (0.0, 0.0));
        assert!(compare_jnd_map(&[(&weak, &strong[1..], &same)], 10, 0.95, 1).is_err());
    }
}

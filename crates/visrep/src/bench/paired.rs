//! What records of single images say of the difference between two models' figures.

use super::compare::Side;
use super::figures::{Figure, Kind, Statistic, Term, figure};
use super::results::{ModelEntry, Verdicts};
use anyhow::Result;
use serde::Serialize;
use std::collections::BTreeMap;
use visrep_metrics::{
    Error, Interval, PairedUnit, Randomisation, Score, compare_detection, compare_jnd_map, compare_paired,
    compare_units,
};
use visrep_probe::{Groups, LEVEL, RESAMPLES};

/// What records of single images say of a difference.
pub enum Paired {
    /// How sure it is.
    Compared {
        /// The paired bootstrap interval; none where it cannot be had, as of images of one object alone.
        interval: Option<Interval>,
        /// Whether it is more than chance, where there is a test.
        test: Option<Test>,
    },
    /// Both have records, but not of the same images.
    OtherImages,
}

/// A test of whether two models differ.
#[derive(Debug)]
pub enum Test {
    /// Of single images that are right or wrong.
    McNemar(McNemar),
    /// Of means of anything, and of images of which several show one object.
    Randomisation(Randomised),
}

/// How the verdicts on single images differ.
#[derive(Debug, Serialize)]
pub struct McNemar {
    /// Images that only the first has right.
    pub only_a: usize,
    /// Images that only the second has right.
    pub only_b: usize,
    /// The two-sided p-value.
    pub p_value: f64,
}

/// Fisher's randomisation test, and of what.
#[derive(Debug, Serialize)]
pub struct Randomised {
    /// The test: its `units` are those of which the models' results differ.
    #[serde(flatten)]
    pub found: Randomisation,
    /// `images`, or `objects` of which several images show one.
    pub of: &'static str,
    /// The seed of draws.
    pub seed: u64,
}

/// A record of both models.
struct Pair {
    weight: f64,
    images: String,
    a: Vec<f64>,
    b: Vec<f64>,
    /// How far each image is positive, where `a` and `b` are ranks.
    positive: Option<Vec<f64>>,
    /// Whether `a` and `b` are right or wrong.
    right: bool,
    groups: Groups,
}

/// What became of the search for a record on both sides.
enum Found {
    Pair(Pair),
    /// A side has none.
    Nothing,
    OtherImages,
}

impl Paired {
    /// `None` for figures that single images do not make, or that are made of other parts on the two sides, and where a side has no record.
    pub fn find(
        first: (&Side, &ModelEntry),
        second: (&Side, &ModelEntry),
        (score, other): (&Score, &Score),
        seed: u64,
    ) -> Result<Option<Self>> {
        let found = figure(first, score).filter(|found| Some(found) == figure(second, other).as_ref());
        let Some(Figure { terms, kind }) = found else { return Ok(None) };
        let mut pairs = Vec::with_capacity(terms.len());
        for term in &terms {
            match Pair::find(first, second, score, term)? {
                Found::Pair(pair) => pairs.push(pair),
                Found::Nothing => return Ok(None),
                Found::OtherImages => return Ok(Some(Self::OtherImages)),
            }
        }
        match kind {
            Kind::Mean | Kind::MeanOverValues | Kind::MeanOfSets => means(&pairs, kind, seed),
            Kind::Detection(statistic) => detection(&pairs, statistic, seed),
            Kind::JndMap => {
                let sets =
                    pairs.iter().map(|pair| Some((&pair.a[..], &pair.b[..], pair.positive.as_deref()?)));
                let sets: Option<Vec<_>> = sets.collect();
                sets.map(|sets| compared(compare_jnd_map(&sets, RESAMPLES, LEVEL, seed), None)).transpose()
            }
        }
    }
}

impl Pair {
    fn find(
        first: (&Side, &ModelEntry),
        second: (&Side, &ModelEntry),
        score: &Score,
        term: &Term,
    ) -> Result<Found> {
        fn record<'a>(
            (side, model): (&'a Side, &'a ModelEntry),
            score: &'a Score,
            term: &Term,
        ) -> Option<&'a Verdicts> {
            side.verdicts(model, &score.data, &score.suite)
                .find(|found| found.task == term.task && found.metric == term.metric)
        }
        let (Some(a), Some(b)) = (record(first, score, term), record(second, score, term)) else {
            return Ok(Found::Nothing);
        };
        if a.images != b.images || a.n != b.n {
            return Ok(Found::OtherImages);
        }
        // Older results do not say what images have in common: the other side may.
        let [of_a, of_b] = [first.0, second.0].map(|side| side.groups(&a.images, a.n));
        let (of_a, of_b) = (of_a?, of_b?);
        let groups = match (of_a, of_b) {
            (Some(of_a), Some(of_b)) if of_a != of_b => return Ok(Found::OtherImages),
            (found, other) => found.or(other).unwrap_or_default(),
        };
        let pair = |a_values, b_values, positive| Self {
            weight: term.weight,
            images: a.images.clone(),
            a: a_values,
            b: b_values,
            positive,
            right: a.metric.is_empty(),
            groups,
        };
        Ok(match (a.unpack_ranks()?, b.unpack_ranks()?) {
            (Some((of_a, positive)), Some((of_b, others))) if positive == others => {
                Found::Pair(pair(of_a, of_b, Some(positive)))
            }
            (None, None) => Found::Pair(pair(a.unpack_values()?, b.unpack_values()?, None)),
            _ => Found::OtherImages,
        })
    }

    /// What each image adds to the figure of a mean over the values of a factor, times the number of images; `None` where it is not known at
    /// which value images are.
    fn shares(&self) -> Option<Vec<f64>> {
        let at = &self.groups.values;
        if at.len() != self.a.len() {
            return None;
        }
        let mut counts = BTreeMap::<u32, usize>::new();
        at.iter().for_each(|value| *counts.entry(*value).or_default() += 1);
        let all = at.len() as f64 / counts.len() as f64;
        Some(at.iter().map(|value| all / counts[value] as f64).collect())
    }
}

/// Compares weighted sums of means.
fn means(pairs: &[Pair], kind: Kind, seed: u64) -> Result<Option<Paired>> {
    if pairs.iter().any(|pair| pair.positive.is_some()) {
        return Ok(None);
    }
    if let ([pair], Kind::Mean) = (pairs, kind)
        && pair.right
        && pair.groups.objects.is_empty()
        && pair.weight.abs() == 1.0
    {
        let right = |values: &[f64]| values.iter().map(|&value| value == 1.0).collect::<Vec<_>>();
        let found = compare_paired(&right(&pair.a), &right(&pair.b), RESAMPLES, LEVEL, seed)?;
        let interval = if pair.weight > 0.0 { found.interval } else { negated(found.interval) };
        let (only_a, only_b) = (found.only_first, found.only_second);
        let test = Test::McNemar(McNemar { only_a, only_b, p_value: found.p_value });
        return Ok(Some(Paired::Compared { interval: Some(interval), test: Some(test) }));
    }
    // Results on one image are not independent: what it adds to the figure is one value. Where sets may have images of their own, each
    // set is a stratum.
    let one_set = !matches!(kind, Kind::MeanOfSets);
    let mut strata: Vec<(&Pair, Vec<PairedUnit>)> = Vec::new();
    for pair in pairs {
        let shares = match kind {
            Kind::MeanOverValues => match pair.shares() {
                Some(shares) => shares,
                None => return Ok(None),
            },
            _ => vec![1.0; pair.a.len()],
        };
        let of = |value: f64, share: f64| {
            if value.is_nan() { (0.0, 0.0) } else { (pair.weight * share * value, 1.0) }
        };
        let units = pair.a.iter().zip(&pair.b).zip(shares);
        let units = units.map(|((&a, &b), share)| PairedUnit { first: of(a, share), second: of(b, share) });
        match strata.iter_mut().find(|(known, _)| one_set || known.images == pair.images) {
            None => strata.push((pair, units.collect())),
            Some((known, _)) if known.images != pair.images => return Ok(None),
            Some((_, sums)) => {
                for (sum, unit) in sums.iter_mut().zip(units) {
                    sum.first.0 += unit.first.0;
                    sum.second.0 += unit.second.0;
                }
            }
        }
    }
    let grouped = strata.iter().any(|(pair, _)| !pair.groups.objects.is_empty());
    let strata: Vec<_> =
        strata.into_iter().map(|(pair, units)| by_object(&pair.groups.objects, units)).collect();
    // Of one object alone nothing can be drawn.
    if grouped && strata.iter().any(|units| units.len() < 2) {
        return Ok(Some(Paired::Compared { interval: None, test: None }));
    }
    let objects: usize = strata.iter().map(Vec::len).sum();
    let (interval, test) = match compare_units(&strata, RESAMPLES, LEVEL, seed) {
        Ok(found) => (Ok(found.interval), Some(found.test)),
        Err(error) => (Err(error), None),
    };
    let method = |interval: &Interval| match grouped {
        true => format!("bootstrap of groups({objects}, {RESAMPLES}, seed {seed})"),
        false => interval.method.clone(),
    };
    let interval = interval.map(|interval| Interval { method: method(&interval), ..interval });
    let of = if grouped { "objects" } else { "images" };
    let test = test.map(|found| Test::Randomisation(Randomised { found, of, seed }));
    compared(interval, test).map(Some)
}

/// The units of images that show objects of these numbers; each is a unit where there are none.
fn by_object(objects: &[u32], images: Vec<PairedUnit>) -> Vec<PairedUnit> {
    if objects.is_empty() {
        return images;
    }
    let mut units = BTreeMap::<u32, PairedUnit>::new();
    for (&object, image) in objects.iter().zip(images) {
        let PairedUnit { first, second } = units.entry(object).or_default();
        *first = (first.0 + image.first.0, first.1 + image.first.1);
        *second = (second.0 + image.second.0, second.1 + image.second.1);
    }
    units.into_values().collect()
}

/// Compares a statistic of one record's scores.
fn detection(pairs: &[Pair], statistic: Statistic, seed: u64) -> Result<Option<Paired>> {
    let [Pair { a, b, positive: Some(positive), .. }] = pairs else { return Ok(None) };
    let positive: Vec<bool> = positive.iter().map(|&share| share > 0.5).collect();
    compared(compare_detection(a, b, &positive, statistic, RESAMPLES, LEVEL, seed), None).map(Some)
}

/// A comparison, without an interval where a figure, or a resample of it, has none.
fn compared(interval: Result<Interval, Error>, test: Option<Test>) -> Result<Paired> {
    Ok(match interval {
        Ok(interval) => Paired::Compared { interval: Some(interval), test },
        Err(Error::Undefined { .. } | Error::Value { .. }) => Paired::Compared { interval: None, test: None },
        Err(error) => return Err(error.into()),
    })
}

/// The interval of minus the value.
fn negated(interval: Interval) -> Interval {
    Interval { low: -interval.high, high: -interval.low, ..interval }
}

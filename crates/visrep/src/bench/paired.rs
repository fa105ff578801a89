//! What verdicts on single images say of the difference between two models' figures.

use super::compare::Side;
use super::results::ModelEntry;
use anyhow::Result;
use serde::Serialize;
use visrep_corrupt::Corruption;
use visrep_metrics::{ALEXNET_CLEAN_ERROR, ALEXNET_ERRORS, Interval, Score, bootstrap_mean, compare_paired};
use visrep_probe::{LEVEL, RESAMPLES};

/// What verdicts on single images say of a difference.
pub enum Paired {
    /// How sure it is.
    Verdicts {
        /// The paired bootstrap interval.
        interval: Interval,
        /// The test, of a fraction of images that are right or wrong.
        mcnemar: Option<McNemar>,
    },
    /// Both have verdicts, but not on the same images.
    OtherImages,
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

/// One of the sets of verdicts that a figure is made of, and how much the figure grows where all of its images become right.
type Term = (String, f64);

impl Paired {
    /// `None` for figures that are no weighted sum of fractions of images that are right, or not the same one on both sides, and where
    /// a side has no record.
    pub fn find(
        first: (&Side, &ModelEntry),
        second: (&Side, &ModelEntry),
        (score, other): (&Score, &Score),
        seed: u64,
    ) -> Result<Option<Self>> {
        let Some(terms) =
            terms(first, score).filter(|terms| Some(terms) == self::terms(second, other).as_ref())
        else {
            return Ok(None);
        };
        let mut pairs = Vec::with_capacity(terms.len());
        let mut images = None;
        for (task, weight) in &terms {
            let find = |(side, model): (&Side, &ModelEntry)| -> Result<Option<(String, Vec<bool>)>> {
                let found = side.verdicts(model, &score.data, &score.suite).find(|found| found.task == *task);
                found.map(|found| Ok((found.images.clone(), found.unpack()?))).transpose()
            };
            match (find(first)?, find(second)?) {
                (Some((of_a, a)), Some((of_b, b))) if of_a == of_b && a.len() == b.len() => {
                    // An image's part in the figure is the sum of its verdicts': they must be of the same image.
                    if *images.get_or_insert_with(|| of_a.clone()) != of_a {
                        return Ok(None);
                    }
                    pairs.push((*weight, a, b));
                }
                (Some(_), Some(_)) => return Ok(Some(Self::OtherImages)),
                _ => return Ok(None),
            }
        }
        if let [(weight, a, b)] = pairs.as_slice()
            && weight.abs() == 1.0
        {
            let found = compare_paired(a, b, RESAMPLES, LEVEL, seed)?;
            let interval = if *weight > 0.0 { found.interval } else { negated(found.interval) };
            let (only_a, only_b) = (found.only_first, found.only_second);
            let mcnemar = Some(McNemar { only_a, only_b, p_value: found.p_value });
            return Ok(Some(Self::Verdicts { interval, mcnemar }));
        }
        // Verdicts on one image are not independent: what it adds to the figure is one value.
        let Some(n) = pairs.first().map(|(_, a, _)| a.len()) else { return Ok(None) };
        let mut differences = vec![0.0; n];
        for (weight, a, b) in &pairs {
            for ((difference, &a), &b) in differences.iter_mut().zip(a).zip(b) {
                *difference += weight * (f64::from(b) - f64::from(a));
            }
        }
        let interval = bootstrap_mean(&differences, RESAMPLES, LEVEL, seed)?;
        Ok(Some(Self::Verdicts { interval, mcnemar: None }))
    }
}

/// What a figure is made of; `None` for those that verdicts do not make.
fn terms((side, model): (&Side, &ModelEntry), score: &Score) -> Option<Vec<Term>> {
    let each = |tasks: Vec<String>, weight: f64| tasks.into_iter().map(|task| (task, weight)).collect();
    let corruptions = || corruptions(score);
    match score.metric.as_str() {
        "top1" => {
            // A mean over seeds or splits has a record for each: `pets/seed-0` and so on.
            let part = format!("{}/", score.task);
            let tasks = || side.verdicts(model, &score.data, &score.suite).map(|found| &found.task);
            if tasks().any(|task| *task == score.task) {
                return Some(vec![(score.task.clone(), 1.0)]);
            }
            let parts: Vec<_> = tasks().filter(|task| task.starts_with(&part)).cloned().collect();
            let weight = 1.0 / parts.len().max(1) as f64;
            (!parts.is_empty()).then(|| each(parts, weight))
        }
        "error" => Some(vec![(score.task.clone(), -1.0)]),
        "mean-error" => {
            let tasks: Vec<_> = corruptions().iter().flat_map(|name| severities(name)).collect();
            let weight = -1.0 / tasks.len().max(1) as f64;
            Some(each(tasks, weight))
        }
        "ce" | "mce" => normalised(&corruptions(), |alexnet| alexnet.iter().sum(), 0.0),
        "relative-mce" => {
            let excess = |alexnet: &[f64; 5]| alexnet.iter().map(|error| error - ALEXNET_CLEAN_ERROR).sum();
            normalised(&corruptions(), excess, 5.0)
        }
        _ => None,
    }
}

/// The terms of a mean over `corruptions` of errors summed over severities, less `clean` times the clean error, and divided by
/// what `of` makes of AlexNet's.
fn normalised(corruptions: &[String], of: impl Fn(&[f64; 5]) -> f64, clean: f64) -> Option<Vec<Term>> {
    let mut terms = Vec::new();
    let mut of_clean = 0.0;
    for name in corruptions {
        let (_, alexnet) = ALEXNET_ERRORS.iter().find(|(known, _)| known == name)?;
        let share = 1.0 / (corruptions.len() as f64 * of(alexnet));
        terms.extend(severities(name).map(|task| (task, -share)));
        of_clean += clean * share;
    }
    if clean > 0.0 {
        terms.push(("clean".to_owned(), of_clean));
    }
    Some(terms)
}

/// The tasks of a corruption.
fn severities(corruption: &str) -> impl Iterator<Item = String> + use<> {
    let corruption = corruption.to_owned();
    (1..=5).map(move |severity| format!("{corruption}/{severity}"))
}

/// The corruptions that a figure over severities, or over corruptions too, averages.
fn corruptions(score: &Score) -> Vec<String> {
    if score.task != "mean" {
        return vec![score.task.clone()];
    }
    // As `15: gaussian_noise, shot_noise, …`; older results do not say.
    match score.protocol.get("corruptions").and_then(|listed| listed.split_once(": ")) {
        Some((_, names)) => names.split(", ").map(str::to_owned).collect(),
        None => Corruption::BENCHMARK.map(|corruption| corruption.name().to_owned()).to_vec(),
    }
}

/// The interval of minus the value.
fn negated(interval: Interval) -> Interval {
    Interval { low: -interval.high, high: -interval.low, ..interval }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::Results;
    use serde_json::json;
    use std::collections::BTreeMap;
    use visrep_metrics::{corruption_error, mean_corruption_error, relative_mean_corruption_error};

    /// Without verdicts: what the figures are made of does not depend on them.
    fn side() -> Side {
        let results = json!({
            "schema": 1, "visrep": "", "command": "", "finished": "", "seconds": 0.0, "environment": [],
            "models": [{
                "id": "a", "label": "", "about": "", "architecture": "", "weights": "", "parameters": 1,
            }],
            "datasets": [], "scores": [],
            "details": {"reliability": [], "confusion": [], "verdicts": []},
        });
        Side { file: "a.json".into(), results: serde_json::from_value::<Results>(results).unwrap() }
    }

    fn score(task: &str, metric: &str) -> Score {
        Score {
            suite: "imagenet-c".into(),
            task: task.into(),
            metric: metric.into(),
            value: 0.0,
            n: 1,
            interval: None,
            protocol: BTreeMap::new(),
            model: String::new(),
            weights: String::new(),
            data: "imagenet-c".into(),
        }
    }

    #[test]
    fn figures_of_corruptions_are_sums_of_errors() {
        let side = side();
        // Errors of two models: of the first, and by how much the second's are lower.
        let error = |lower: f64, at: usize, severity: usize| {
            0.9 - 0.02 * at as f64 - 0.03 * severity as f64 - lower * (at + 1) as f64
        };
        let clean = |lower: f64| 0.3 - lower;
        let of = |lower: f64| {
            let corruptions = Corruption::BENCHMARK.iter().enumerate();
            corruptions
                .map(|(at, name)| (name.name(), std::array::from_fn(|severity| error(lower, at, severity))))
                .collect::<Vec<_>>()
        };
        let right = |lower: f64, task: &str| match task.split_once('/') {
            Some((name, severity)) => {
                let at = Corruption::BENCHMARK.iter().position(|known| known.name() == name).unwrap();
                1.0 - error(lower, at, severity.parse::<usize>().unwrap() - 1)
            }
            None => 1.0 - clean(lower),
        };
        let by_terms = |task: &str, metric: &str| -> f64 {
            let found = terms((&side, &side.results.models[0]), &score(task, metric)).unwrap();
            found.iter().map(|(task, weight)| weight * (right(0.01, task) - right(0.0, task))).sum()
        };
        let difference = |figure: &dyn Fn(f64) -> f64| figure(0.01) - figure(0.0);
        type Figure<'a> = (&'a str, &'a str, &'a dyn Fn(f64) -> f64);
        let figures: [Figure<'_>; 4] = [
            ("mean", "mce", &|lower| mean_corruption_error(&of(lower)).unwrap().mce),
            ("mean", "relative-mce", &|lower| {
                relative_mean_corruption_error(&of(lower), clean(lower)).unwrap().mce
            }),
            ("snow", "ce", &|lower| corruption_error("snow", &of(lower)[7].1).unwrap()),
            ("fog", "mean-error", &|lower| of(lower)[9].1.iter().sum::<f64>() / 5.0),
        ];
        for (task, metric, figure) in figures {
            let (found, expected) = (by_terms(task, metric), difference(figure));
            assert!((found - expected).abs() < 1e-12, "{metric}: {found} {expected}");
        }
    }

    #[test]
    fn other_figures_have_no_terms() {
        let side = side();
        let of = |task: &str, metric: &str| terms((&side, &side.results.models[0]), &score(task, metric));
        assert!(of("mean", "mean-ece").is_none());
        assert!(of("pets", "top1").is_none(), "there are no verdicts");
        assert!(of("speckle_noise", "ce").is_none(), "AlexNet's errors are of the fifteen");
    }
}

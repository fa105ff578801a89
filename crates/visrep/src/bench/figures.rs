//! What figures are made of: weighted records of single images.

use super::compare::Side;
use super::results::ModelEntry;
use visrep_corrupt::Corruption;
use visrep_metrics::{
    ALEXNET_CLEAN_ERROR, ALEXNET_ERRORS, DetectionCurve, Error, Score, VTAB_TASKS, VtabGroup,
};
use visrep_perceptual::BappsSet;

/// A figure by the records that it is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// The records.
    pub terms: Vec<Term>,
    /// How they make it.
    pub kind: Kind,
}

/// One of the records that a figure is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// The record's task.
    pub task: String,
    /// The record's metric; none of verdicts that are right or wrong, and of ranks.
    pub metric: String,
    /// How much the figure grows where all of the record's images gain one.
    pub weight: f64,
}

/// A statistic of detection.
pub type Statistic = fn(&DetectionCurve) -> Result<f64, Error>;

/// How records make a figure.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// The weighted sum of their means, on the same images all.
    Mean,
    /// The same of means over the values of a factor.
    MeanOverValues,
    /// The same of records on images of their own.
    MeanOfSets,
    /// A statistic of one record's scores.
    Detection(Statistic),
    /// The mean over records of the JND mAP.
    JndMap,
}

impl PartialEq for Kind {
    /// Of two figures of one metric, to which the statistic belongs.
    fn eq(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// Customary: the false alarms where 95 % of outliers are found.
fn fpr95(curve: &DetectionCurve) -> Result<f64, Error> {
    curve.fpr_at_recall(0.95)
}

/// The tasks of BAPPS's sets that a figure averages: those of `mean`, `distortions` and `real-algorithms`, after what stands before for the
/// distance; else the figure's own.
fn bapps_sets(score: &Score) -> Vec<String> {
    let sets: &[(&str, &[BappsSet])] = match score.metric.as_str() {
        "map" => &[("mean", &BappsSet::JND)],
        _ => &[
            ("mean", &BappsSet::VALIDATION),
            ("distortions", BappsSet::DISTORTIONS),
            ("real-algorithms", BappsSet::REAL_ALGORITHMS),
        ],
    };
    let of_mean = |(name, sets): &(&str, &[BappsSet])| {
        let before = score.task.strip_suffix(name)?;
        let ends = before.is_empty() || before.ends_with('-') || before.ends_with(' ');
        ends.then(|| sets.iter().map(|set| format!("{before}{set}")).collect())
    };
    sets.iter().find_map(of_mean).unwrap_or_else(|| vec![score.task.clone()])
}

/// What a figure is made of; `None` for those that no record of single images makes.
pub fn figure((side, model): (&Side, &ModelEntry), score: &Score) -> Option<Figure> {
    let mean = |tasks: Vec<String>, metric: &str, sign: f64| {
        let weight = sign / tasks.len().max(1) as f64;
        tasks.into_iter().map(|task| Term { task, metric: metric.to_owned(), weight }).collect()
    };
    let same = |terms: Vec<Term>| Some(Figure { terms, kind: Kind::Mean });
    let own = || vec![score.task.clone()];
    let corruptions = || corruptions(score);
    let metric = score.metric.as_str();
    match metric {
        "top1" | "mean-top1" => {
            let records = side.verdicts(model, &score.data, &score.suite);
            let tasks: Vec<_> =
                records.filter(|found| found.metric.is_empty()).map(|found| &found.task).collect();
            if tasks.contains(&&score.task) {
                let kind = if metric == "top1" { Kind::Mean } else { Kind::MeanOverValues };
                return Some(Figure { terms: mean(own(), "", 1.0), kind });
            }
            // A mean over seeds, splits or places has a record for each: `pets/seed-0` and so on.
            let part = format!("{}/", score.task);
            let parts: Vec<_> = tasks.into_iter().filter(|task| task.starts_with(&part)).cloned().collect();
            (!parts.is_empty()).then(|| Figure { terms: mean(parts, "", 1.0), kind: Kind::Mean })
        }
        "error" => same(mean(own(), "", -1.0)),
        "mean-error" => {
            same(mean(corruptions().iter().flat_map(|name| severities(name)).collect(), "", -1.0))
        }
        "ce" | "mce" => same(normalised(&corruptions(), |alexnet| alexnet.iter().sum(), 0.0)?),
        "relative-mce" => {
            let excess = |alexnet: &[f64; 5]| alexnet.iter().map(|error| error - ALEXNET_CLEAN_ERROR).sum();
            same(normalised(&corruptions(), excess, 5.0)?)
        }
        "shape-bias" => same(mean(own(), metric, 1.0)),
        "flip-probability" | "top5-distance" => same(mean(perturbations(score), metric, 1.0)),
        "mean_19" | "mean_of_found" | "mean_of_groups" | "natural" | "specialized" | "structured" => {
            let tasks =
                side.verdicts(model, &score.data, &score.suite).filter(|found| found.metric.is_empty());
            let terms = vtab(score, &tasks.map(|found| found.task.as_str()).collect::<Vec<_>>())?;
            Some(Figure { terms, kind: Kind::MeanOfSets })
        }
        "2afc" => Some(Figure { terms: mean(bapps_sets(score), metric, 1.0), kind: Kind::MeanOfSets }),
        "map" => Some(Figure { terms: mean(bapps_sets(score), "", 1.0), kind: Kind::JndMap }),
        "aupr" => Some(Figure {
            terms: mean(own(), "", 1.0),
            kind: Kind::Detection(|curve| Ok(curve.average_precision())),
        }),
        "auroc" => {
            Some(Figure { terms: mean(own(), "", 1.0), kind: Kind::Detection(|curve| Ok(curve.auroc())) })
        }
        "fpr95" => Some(Figure { terms: mean(own(), "", 1.0), kind: Kind::Detection(fpr95) }),
        _ => None,
    }
}

/// The tasks of the perturbations that a figure of sequences averages: those of `mean`, or of `mean_2` those with `_2`; else its own.
fn perturbations(score: &Score) -> Vec<String> {
    let names = score.protocol.get("perturbations").and_then(|listed| listed.split_once(": "));
    match (score.task.strip_prefix("mean"), names) {
        (Some(difficulty), Some((_, names))) => {
            names.split(", ").map(|name| format!("{name}{difficulty}")).collect()
        }
        _ => vec![score.task.clone()],
    }
}

/// The terms of a mean over VTAB's tasks that have these records, of which a task has one (`dtd`) or one for each seed (`dtd/seed-0`); `None`
/// where they are of fewer tasks than the figure.
fn vtab(score: &Score, records: &[&str]) -> Option<Vec<Term>> {
    let group = |metric| match metric {
        "natural" => Some(VtabGroup::Natural),
        "specialized" => Some(VtabGroup::Specialized),
        "structured" => Some(VtabGroup::Structured),
        _ => None,
    };
    let metric = score.metric.as_str();
    let tasks: Vec<(VtabGroup, Vec<&str>)> = VTAB_TASKS
        .iter()
        .filter(|(_, of)| group(metric).is_none_or(|group| group == *of))
        .map(|(task, of)| {
            let own = |record: &&&str| record.split('/').next() == Some(*task);
            (*of, records.iter().filter(own).copied().collect::<Vec<_>>())
        })
        .filter(|(_, records)| !records.is_empty())
        .collect();
    if tasks.len() != score.n {
        return None;
    }
    let share = |of: VtabGroup| match metric {
        "mean_of_groups" => 1.0 / (3 * tasks.iter().filter(|(group, _)| *group == of).count()) as f64,
        _ => 1.0 / tasks.len() as f64,
    };
    let terms = tasks.iter().flat_map(|(of, records)| {
        let weight = share(*of) / records.len() as f64;
        records.iter().map(move |task| Term { task: (*task).to_owned(), metric: String::new(), weight })
    });
    Some(terms.collect())
}

/// The terms of a mean over `corruptions` of errors summed over severities, less `clean` times the clean error, and divided by
/// what `of` makes of AlexNet's.
fn normalised(corruptions: &[String], of: impl Fn(&[f64; 5]) -> f64, clean: f64) -> Option<Vec<Term>> {
    let mut terms = Vec::new();
    let mut of_clean = 0.0;
    for name in corruptions {
        let (_, alexnet) = ALEXNET_ERRORS.iter().find(|(known, _)| known == name)?;
        let share = 1.0 / (corruptions.len() as f64 * of(alexnet));
        terms.extend(severities(name).map(|task| Term { task, metric: String::new(), weight: -share }));
        of_clean += clean * share;
    }
    if clean > 0.0 {
        terms.push(Term { task: "clean".to_owned(), metric: String::new(), weight: of_clean });
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::Results;
    use crate::bench::testing;
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
        testing::score("imagenet-c", task, metric, 0.0)
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
            let found = super::figure((&side, &side.results.models[0]), &score(task, metric)).unwrap();
            found
                .terms
                .iter()
                .map(|term| term.weight * (right(0.01, &term.task) - right(0.0, &term.task)))
                .sum()
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
        let of = |task: &str, metric: &str| figure((&side, &side.results.models[0]), &score(task, metric));
        assert!(of("mean", "mean-ece").is_none());
        assert!(of("pets", "top1").is_none(), "there are no verdicts");
        assert!(of("speckle_noise", "ce").is_none(), "AlexNet's errors are of the fifteen");
    }

    #[test]
    fn means_of_vtab_are_of_their_tasks_and_these_of_their_seeds() {
        let all: Vec<_> = VTAB_TASKS.iter().map(|(task, _)| *task).collect();
        let of =
            |metric: &str, n: usize, records: &[&str]| vtab(&Score { n, ..score("mean", metric) }, records);
        let found = of("mean_of_groups", 19, &all).unwrap();
        let weight = |task: &str| found.iter().find(|term| term.task == task).unwrap().weight;
        assert_eq!(
            (weight("dtd"), weight("eurosat"), weight("kitti_distance")),
            (1.0 / 21.0, 1.0 / 12.0, 1.0 / 24.0)
        );
        assert!((found.iter().map(|term| term.weight).sum::<f64>() - 1.0).abs() < 1e-12);
        let found = of("mean_of_found", 2, &["dtd/seed-0", "dtd/seed-1", "pets", "ours"]).unwrap();
        let mut found: Vec<_> = found.iter().map(|term| (term.task.as_str(), term.weight)).collect();
        found.sort_by_key(|(task, _)| *task);
        assert_eq!(found, [("dtd/seed-0", 0.25), ("dtd/seed-1", 0.25), ("pets", 0.5)]);
        assert!(of("mean_19", 19, &all[1..]).is_none(), "one has no record");
        assert_eq!(of("specialized", 4, &all).unwrap().len(), 4);
    }

    #[test]
    fn means_over_sets_are_of_their_sets() {
        let side = side();
        let of = |task: &str, metric: &str| {
            let found = figure((&side, &side.results.models[0]), &score(task, metric)).unwrap();
            let tasks: Vec<_> = found.terms.iter().map(|term| term.task.clone()).collect();
            (tasks.join(", "), found.terms[0].weight, found.terms[0].metric.clone())
        };
        assert_eq!(
            of("style-distortions", "2afc"),
            ("style-traditional, style-cnn".into(), 0.5, "2afc".into())
        );
        assert_eq!(of("mean", "map"), ("traditional, cnn".into(), 0.5, String::new()));
        assert_eq!(of("deblur", "2afc"), ("deblur".into(), 1.0, "2afc".into()));
        assert_eq!(of("tilt_2", "flip-probability"), ("tilt_2".into(), 1.0, "flip-probability".into()));
        let listed = BTreeMap::from([("perturbations".to_owned(), "2: tilt, scale".to_owned())]);
        let mean = Score { protocol: listed, ..score("mean_3", "top5-distance") };
        assert_eq!(perturbations(&mean), ["tilt_3", "scale_3"]);
    }
}

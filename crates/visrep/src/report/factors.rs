//! Curves of figures against a factor of variation: of the scores whose task is `FACTOR/VALUE`.

use super::plots::{self, Series};
use crate::bench::results::Results;
use crate::bench::unit::Unit;
use anyhow::Result;
use visrep_metrics::Score;

/// The figures that are drawn so, and how a plot's axis calls them.
const DRAWN: [(&str, &str); 7] = [
    ("accuracy", "accuracy"),
    ("success", "success"),
    ("invariance", "invariance of features"),
    ("invariance-l2", "invariance of features by L2"),
    ("equivariance", "equivariance of features"),
    ("cosine-similarity", "cosine similarity"),
    ("relative-distance", "distance to that between photographs"),
];

/// The factor and the numbers of its value that a score is at.
fn at(score: &Score) -> Option<(&str, Vec<f64>)> {
    let (factor, value) = score.task.split_once('/')?;
    let numbers: Option<Vec<f64>> = value.split(',').map(|number| number.parse().ok()).collect();
    Some((factor, numbers?))
}

/// Whether a score is a point of a curve, and no row of a table.
pub(super) fn is_point(score: &Score) -> bool {
    let drawn =
        score.metric.starts_with("invariance-") || DRAWN.iter().any(|(metric, _)| *metric == score.metric);
    drawn && at(score).is_some()
}

/// The curves of a suite, a plot for each factor and figure; of a factor of two numbers one plot for each, over the mean of the other.
pub(super) fn curves(results: &Results, suite: &str) -> Result<Vec<String>> {
    // Of several distances on one suite the first form is drawn: the others are in the table's files.
    let first = |score: &&Score| score.protocol.get("form").is_none_or(|form| form == "baseline");
    let scores: Vec<_> =
        results.scores.iter().filter(|score| score.suite == suite && is_point(score)).filter(first).collect();
    let mut factors: Vec<&str> = Vec::new();
    for score in &scores {
        if let Some((factor, _)) = at(score)
            && !factors.contains(&factor)
        {
            factors.push(factor);
        }
    }
    let mut drawn = Vec::new();
    for factor in factors {
        for (metric, axis) in DRAWN {
            let unit = Unit::of(metric);
            let points: Vec<(usize, Vec<f64>, f64)> = scores
                .iter()
                .filter(|score| score.metric == metric)
                .filter_map(|score| {
                    let (found, numbers) = at(score)?;
                    let point = (results.model_of(score)?, numbers, unit.shown(score.value));
                    (found == factor).then_some(point)
                })
                .collect();
            let axes = points.iter().map(|(_, numbers, _)| numbers.len()).max().unwrap_or_default();
            for nth in 0..axes {
                let name = match (axes, nth) {
                    (2, 0) => format!("{factor}: x"),
                    (2, _) => format!("{factor}: y"),
                    _ => factor.to_owned(),
                };
                let series: Vec<Series<'_>> = (0..results.models.len())
                    .map(|model| Series {
                        name: &results.models[model].label,
                        colour: model,
                        points: means(
                            points
                                .iter()
                                .filter(|point| point.0 == model)
                                .map(|(_, n, value)| (n[nth], *value)),
                        ),
                    })
                    .filter(|series| !series.points.is_empty())
                    .collect();
                // A curve has two points or more.
                if series.iter().any(|series| series.points.len() > 1) {
                    let plot = plots::against_value(&name, &unit.title(axis), unit.shown(1.0), &series)
                        .map_err(anyhow::Error::from_boxed)?;
                    drawn.push(plot);
                }
            }
        }
    }
    Ok(drawn)
}

/// The mean of the values at each place, by place.
fn means(points: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let mut points: Vec<_> = points.collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points
        .chunk_by(|a, b| a.0 == b.0)
        .map(|same| (same[0].0, same.iter().map(|point| point.1).sum::<f64>() / same.len() as f64))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::testing;

    fn results(points: &[(&str, &str, f64)]) -> Results {
        let score =
            |&(task, metric, value): &(&str, &str, f64)| testing::score("si-score", task, metric, value);
        let mut results = testing::results(&["w"], points.iter().map(score).collect());
        results.models[0].label = "ours".into();
        results
    }

    #[test]
    fn each_factor_has_a_curve_and_a_place_has_two() {
        let points = [
            ("size/0.2", "accuracy", 0.5),
            ("size/0.1", "accuracy", 0.25),
            ("size", "mean-top1", 0.4),
            ("location/0,0", "accuracy", 0.1),
            ("location/0,1", "accuracy", 0.3),
            ("location/1,0", "accuracy", 0.5),
            ("rotation/1", "accuracy", 0.5),
            ("background bg1", "accuracy", 0.5),
        ];
        let drawn = curves(&results(&points), "si-score").unwrap();
        assert_eq!(drawn.len(), 3, "size, and both directions of the location; one angle is no curve");
        assert!(drawn[0].contains("size") && drawn[0].contains("ours") && drawn[1].contains("location: x"));
        assert!(drawn.iter().all(|plot| plot.matches("<circle").count() == 2));
        let rows = results(&points).scores.iter().filter(|score| !is_point(score)).count();
        assert_eq!(rows, 2, "the mean and the background are rows of the table");
    }

    #[test]
    fn values_at_one_place_are_averaged_in_order() {
        let found = means([(1.0, 50.0), (0.0, 10.0), (0.0, 30.0)].into_iter());
        assert_eq!(found, [(0.0, 20.0), (1.0, 50.0)]);
    }
}

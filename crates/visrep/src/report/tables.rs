//! The report's tables, as the template wants them.

use super::gallery::{Distortion, Gallery};
use super::plots::MODEL_COLOURS;
use super::{Named, factors, named};
use crate::bench::headline::suite_name;
use crate::bench::results::{DatasetEntry, PIXELS, Results};
use crate::bench::table;
use crate::bench::unit::{Better, Unit};
use serde::Serialize;
use visrep_metrics::Score;

/// A figure drawn as a bar with its interval.
#[derive(Serialize)]
pub struct Bar {
    text: String,
    interval: String,
    title: String,
    width: f64,
    low: Option<f64>,
    span: f64,
    colour: &'static str,
    best: bool,
}

impl Bar {
    /// A bar whose full width is `full`.
    fn new(score: &Score, colour: usize, unit: Unit, full: f64) -> Self {
        let percent = |value: f64| (100.0 * value / full).clamp(0.0, 100.0);
        let interval = score.interval.as_ref();
        Self {
            text: unit.text(score.value, 1),
            interval: interval.map_or_else(String::new, |interval| {
                format!("{} to {}", unit.text(interval.low, 1), unit.text(interval.high, 1))
            }),
            title: format!("{} of {}, n = {}", score.metric, score.weights, score.n),
            width: percent(score.value),
            low: interval.map(|interval| percent(interval.low)),
            span: interval.map_or(0.0, |interval| percent(interval.high) - percent(interval.low)),
            colour: MODEL_COLOURS[colour % MODEL_COLOURS.len()],
            best: false,
        }
    }
}

/// A named row of bars.
#[derive(Serialize)]
pub struct Row {
    name: String,
    unit: &'static str,
    cells: Vec<Option<Bar>>,
}

/// Rows about one data set.
#[derive(Serialize)]
pub struct Group {
    name: String,
    about: String,
    rows: Vec<Row>,
}

/// What frozen features can do, data set by data set.
pub fn transfer(results: &Results) -> Vec<Group> {
    let group = |set: &DatasetEntry| Group {
        name: set.label.clone(),
        about: format!("{} classes, {} training and {} test images", set.classes.len(), set.train, set.test),
        rows: rows(results, results.models.len(), |score| {
            (score.data == set.id && score.metric == "top1").then(|| suite_name(score)).flatten()
        }),
    };
    results.datasets.iter().map(group).collect()
}

/// Rows of the scores that `name` names, one column for each model, and the last for plain pixels where scores are
/// about them; the best of each row is marked where more or less is better. Bars are shares of 1, or of the row's highest where that is more.
pub(super) fn rows(results: &Results, columns: usize, name: impl Fn(&Score) -> Option<String>) -> Vec<Row> {
    let place = |score: &Score| {
        let pixels = (score.model == PIXELS).then_some(columns - 1);
        Some((results.model_of(score).or(pixels)?, name(score)?))
    };
    table::rows(&results.scores, columns, place).into_iter().map(Row::new).collect()
}

impl Row {
    fn new(row: table::Row<'_>) -> Self {
        let found = || row.scores.iter().flatten();
        let end =
            |score: &&Score| score.interval.as_ref().map_or(score.value, |found| found.high.max(score.value));
        let full = found().map(end).filter(|value| value.is_finite()).fold(1.0, f64::max);
        let rank = |score: &Score| Better::of(&score.metric).rank(score.value);
        let best = found().filter_map(|score| rank(score)).fold(f64::NEG_INFINITY, f64::max);
        let several = row.scores.len() > 1;
        let cell = |(column, score): (usize, &Option<&Score>)| {
            score.map(|score| Bar {
                best: several && rank(score) == Some(best),
                ..Bar::new(score, column, row.unit, full)
            })
        };
        let cells = row.scores.iter().enumerate().map(cell).collect();
        Self { name: row.name, unit: row.unit.symbol(), cells }
    }
}

/// A sentence that says how a trained model compares with the floor.
#[derive(Serialize)]
pub struct Verdict {
    change: String,
    direction: &'static str,
    text: String,
}

/// For each data set and trained model, what it gains over the random initialisation: by nearest neighbours, which
/// judge the features as they are, and by the linear probe, which may pick from them.
pub fn verdicts(results: &Results) -> Vec<Verdict> {
    let top1 = |suite: &str, model: usize, set: &DatasetEntry| {
        results.scores.iter().find(|score| {
            score.data == set.id
                && score.suite == suite
                && score.metric == "top1"
                && results.model_of(score) == Some(model)
        })
    };
    let mut verdicts = Vec::new();
    for set in &results.datasets {
        for (model, entry) in results.models.iter().enumerate().skip(1) {
            let pair = |suite: &str| Some((top1(suite, 0, set)?, top1(suite, model, set)?));
            let (Some((floor, knn)), Some((linear_floor, linear))) = (pair("knn"), pair("linear")) else {
                continue;
            };
            let percent = |score: &Score| 100.0 * score.value;
            verdicts.push(Verdict {
                change: format!("{:+.1} points", percent(knn) - percent(floor)),
                direction: direction(floor, knn),
                text: format!(
                    "{} on {}: nearest neighbours right for {:.1} % of images, {:.1} % with random features; linear \
                     probe {:.1} against {:.1} %",
                    entry.label,
                    set.label,
                    percent(knn),
                    percent(floor),
                    percent(linear),
                    percent(linear_floor)
                ),
            });
        }
    }
    verdicts
}

/// Up or down only where the intervals do not overlap.
fn direction(floor: &Score, score: &Score) -> &'static str {
    let ends =
        |score: &Score| score.interval.as_ref().map_or((score.value, score.value), |i| (i.low, i.high));
    let ((floor_low, floor_high), (low, high)) = (ends(floor), ends(score));
    if low > floor_high {
        "up"
    } else if high < floor_low {
        "down"
    } else {
        "even"
    }
}

/// The mCE of each model, where the labels are ImageNet's.
pub fn mce(results: &Results) -> Vec<Named> {
    let of = results.scores.iter().filter(|score| score.suite == "imagenet-c" && score.metric == "mce");
    named(of.filter_map(|score| {
        let model = results.model_of(score)?;
        Some((results.models[model].label.clone(), format!("{:.1}", 100.0 * score.value)))
    }))
}

/// Accuracy of one model against severity.
pub struct Curve {
    /// Index of the model.
    pub model: usize,
    /// Severity (0 is clean) and accuracy as a fraction.
    pub accuracy: Vec<(f64, f64)>,
}

/// Results under corruption on one data set.
#[derive(Serialize)]
pub struct CorruptionSet {
    /// The data set.
    pub name: String,
    rows: Vec<CorruptionRow>,
    /// Accuracy against severity, the mean over corruptions.
    #[serde(skip)]
    pub mean_curves: Vec<Curve>,
    /// The same for each corruption.
    #[serde(skip)]
    pub curves: Vec<(String, Vec<Curve>)>,
}

impl CorruptionSet {
    /// The number of corruptions.
    pub fn len(&self) -> usize {
        self.curves.len()
    }
}

#[derive(Serialize)]
struct CorruptionRow {
    name: String,
    cells: Vec<CorruptionCell>,
}

#[derive(Serialize)]
struct CorruptionCell {
    error: String,
    error_shade: String,
    ece: String,
    ece_shade: String,
}

impl CorruptionCell {
    fn new(error: Option<f64>, ece: Option<f64>) -> Self {
        let text = |value: Option<f64>| {
            value.map_or_else(|| "-".to_owned(), |value| format!("{:.1}", 100.0 * value))
        };
        let shade = |value: Option<f64>, full: f64| {
            format!("rgba(217,98,43,{:.2})", 0.65 * (value.unwrap_or(0.0) / full).clamp(0.0, 1.0))
        };
        Self {
            error: text(error),
            error_shade: shade(error, 1.0),
            ece: text(ece),
            ece_shade: shade(ece, 0.5),
        }
    }
}

/// A score of `suite` under corruption, taken apart: the task is `corruption/severity`.
fn corruption_of<'a>(score: &'a Score, suite: &str) -> Option<(&'a str, u32)> {
    if score.suite != suite || factors::is_point(score) {
        return None;
    }
    let (name, severity) = score.task.split_once('/')?;
    Some((name, severity.parse().ok()?))
}

/// Tables and curves under corruption, data set by data set.
pub fn corruption_sets(results: &Results) -> Vec<CorruptionSet> {
    let of_set = |set: &DatasetEntry| corruption_set(results, &set.id, &set.label, "imagenet-c");
    results.datasets.iter().filter_map(of_set).collect()
}

/// The table and curves of one suite on one data set.
pub(super) fn corruption_set(
    results: &Results,
    data: &str,
    label: &str,
    suite: &str,
) -> Option<CorruptionSet> {
    let scores: Vec<_> = (results.scores.iter())
        .filter(|score| score.data == data)
        .filter_map(|score| Some((score, corruption_of(score, suite)?, results.model_of(score)?)))
        .collect();
    let mut names: Vec<&str> = Vec::new();
    for (_, (name, _), _) in &scores {
        if !names.contains(name) {
            names.push(name);
        }
    }
    if names.is_empty() {
        return None;
    }
    let value = |name: &str, severity: u32, model: usize, metric: &str| {
        let found = scores
            .iter()
            .find(|(score, of, by)| *of == (name, severity) && *by == model && score.metric == metric);
        found.map(|(score, ..)| score.value)
    };
    let mean =
        |values: Vec<f64>| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
    let over_severities =
        |name: &str, model, metric| mean((1..=5).filter_map(|s| value(name, s, model, metric)).collect());
    let models = 0..results.models.len();
    let clean = |model: usize| {
        let own = |score: &&Score| score.data == data && results.model_of(score) == Some(model);
        let found = results.scores.iter().filter(own).find_map(|score| {
            match (score.suite.as_str(), score.task.as_str(), score.metric.as_str()) {
                ("linear", _, "top1") => Some(score.value),
                (found, "clean", "error") if found == suite && suite == data => Some(1.0 - score.value),
                _ => None,
            }
        });
        found.map(|accuracy| (0.0, accuracy))
    };
    let curve = |names: &[&str], model: usize| Curve {
        model,
        accuracy: (clean(model).into_iter())
            .chain((1..=5).filter_map(|severity| {
                let errors = names.iter().filter_map(|name| value(name, severity, model, "error")).collect();
                Some((f64::from(severity), 1.0 - mean(errors)?))
            }))
            .collect(),
    };
    let cells = |names: &[&str]| {
        let of = |model, metric| {
            mean(names.iter().filter_map(|name| over_severities(name, model, metric)).collect())
        };
        models.clone().map(|model| CorruptionCell::new(of(model, "error"), of(model, "ece"))).collect()
    };
    let row = |name: &str, names: &[&str]| CorruptionRow { name: name.to_owned(), cells: cells(names) };
    let mut rows: Vec<_> = names.iter().map(|name| row(&name.replace('_', " "), &[name])).collect();
    if names.len() > 1 {
        rows.push(row("mean", &names));
    }
    Some(CorruptionSet {
        name: label.to_owned(),
        rows,
        mean_curves: models.clone().map(|model| curve(&names, model)).collect(),
        curves: names
            .iter()
            .map(|name| (name.replace('_', " "), models.clone().map(|model| curve(&[name], model)).collect()))
            .collect(),
    })
}

/// Confusion matrices of one data set.
#[derive(Serialize)]
pub struct ConfusionSet {
    name: String,
    classes: Vec<String>,
    matrices: Vec<Matrix>,
}

#[derive(Serialize)]
struct Matrix {
    model: String,
    rows: Vec<MatrixRow>,
}

#[derive(Serialize)]
struct MatrixRow {
    class: String,
    cells: Vec<MatrixCell>,
}

#[derive(Serialize)]
struct MatrixCell {
    n: u64,
    shade: String,
    ink: &'static str,
}

/// Above this many classes a matrix cannot be read.
const CONFUSION_CLASSES: usize = 25;

/// The confusion matrices that are small enough to be read.
pub fn confusion(results: &Results) -> Vec<ConfusionSet> {
    let of_set = |set: &DatasetEntry| {
        let matrices: Vec<_> = (results.details.confusion.iter())
            .filter(|found| found.data == set.id)
            .filter_map(|found| {
                let model = results.models.iter().position(|model| model.id == found.model)?;
                let rows =
                    found.counts.iter().zip(&set.classes).enumerate().map(|(truth, (counts, class))| {
                        let all = counts.iter().sum::<u64>().max(1) as f64;
                        let cell = |(answer, &n): (usize, &u64)| {
                            let share = n as f64 / all;
                            let (colour, share) = if answer == truth {
                                ("29,111,216", share)
                            } else {
                                ("200,64,47", share * 2.0)
                            };
                            let share = share.min(1.0);
                            MatrixCell {
                                n,
                                shade: format!("rgba({colour},{:.2})", 0.85 * share),
                                ink: if share > 0.55 { "#fff" } else { "#1f242c" },
                            }
                        };
                        MatrixRow {
                            class: class.clone(),
                            cells: counts.iter().enumerate().map(cell).collect(),
                        }
                    });
                Some(Matrix { model: results.models[model].label.clone(), rows: rows.collect() })
            })
            .collect();
        ConfusionSet { name: set.label.clone(), classes: set.classes.clone(), matrices }
    };
    let small = results.datasets.iter().filter(|set| set.classes.len() <= CONFUSION_CLASSES);
    small.map(of_set).filter(|set| !set.matrices.is_empty()).collect()
}

/// 2AFC scores with their examples.
#[derive(Serialize)]
pub struct Similarity<'a> {
    about: &'static str,
    columns: Vec<String>,
    rows: Vec<Row>,
    examples: &'a [Distortion],
}

/// The 2AFC table: one row for each distortion, one column for each model.
pub fn similarity<'a>(results: &Results, gallery: &'a Gallery) -> Option<Similarity<'a>> {
    let mut columns: Vec<_> = results.models.iter().map(|model| model.label.clone()).collect();
    columns.push("Pixels, mean squared error".to_owned());
    let rows = rows(results, columns.len(), |score| {
        (score.suite == "similarity" && score.metric == "2afc").then(|| score.task.replace('_', " "))
    });
    let about = "Photographs under the same distortion at two strengths: how often the distance between features finds the weaker one nearer. \
        The order follows from how the images were made; these are not human judgements.";
    (!rows.is_empty()).then_some(Similarity { about, columns, rows, examples: &gallery.distortions })
}

/// How a group of scores was measured.
#[derive(Serialize)]
pub struct Protocol {
    name: String,
    items: Vec<Named>,
}

/// The protocol behind each kind of score, each once.
pub fn protocols(results: &Results) -> Vec<Protocol> {
    let mut found: Vec<Protocol> = Vec::new();
    for score in &results.scores {
        let Some(model) = results.model_of(score) else { continue };
        let name = format!("{}, {}, {}", score.suite, score.data, results.models[model].label);
        if found.iter().all(|protocol| protocol.name != name) {
            let items = named(score.protocol.iter().map(|(key, value)| (key.clone(), value.clone())));
            found.push(Protocol { name, items });
        }
    }
    found
}

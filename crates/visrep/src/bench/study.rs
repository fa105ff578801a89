//! How the perceptual scores of models go with their accuracy on ImageNet: the study of Kumar et al. 2022, in which scores rise with accuracy and
//! then fall.

use super::compare::Side;
use super::results::ModelEntry;
use super::spread::{correlation, ranks};
use anyhow::{Result, bail};
use serde::Serialize;
use std::collections::HashMap;
use std::fmt;
use visrep_metrics::{Interval, Score};

/// The accuracy that scores are compared with, unless the user names another.
pub const ACCURACY: &str = "imagenet-val";

/// The suites of perceptual scores, with their metric.
const SCORES: [(&str, &str); 2] = [("bapps-2afc", "2afc"), ("bapps-jnd", "map")];

/// Perceptual scores against accuracy.
#[derive(Debug, Serialize)]
pub struct Study {
    /// Where the accuracies are from.
    pub accuracy: String,
    /// A series for each distance of each suite.
    pub series: Vec<Series>,
    /// What was left out, and why.
    pub notes: Vec<String>,
}

/// One distance of all models.
#[derive(Debug, Serialize)]
pub struct Series {
    /// The suite.
    pub suite: String,
    /// The distance: `baseline`, `style` and so on.
    pub form: String,
    /// The models, by rising accuracy.
    pub points: Vec<Point>,
    /// Pearson's correlation of score and accuracy; none of fewer than three models, or where one of the two is the same for all.
    pub pearson: Option<f64>,
    /// Spearman's rank correlation, under the same conditions.
    pub spearman: Option<f64>,
}

/// One model.
#[derive(Debug, Serialize)]
pub struct Point {
    /// The model, as people read it.
    pub model: String,
    /// Its accuracy, a fraction.
    pub accuracy: f64,
    /// Its perceptual score, a fraction: the mean over the sets.
    pub score: f64,
    /// The score's interval.
    pub interval: Option<Interval>,
    /// Whether no other model is at least as good in both and better in one: the Pareto front.
    pub on_front: bool,
}

/// Where accuracies are from.
pub enum Accuracies {
    /// The top-1 of a suite, or `SUITE/TASK`, in the same files.
    Suite(String),
    /// Of models by their id or architecture, fractions; and the name of the file that gives them.
    Given(HashMap<String, f64>, String),
}

impl Accuracies {
    fn of(&self, side: &Side, model: &ModelEntry) -> Option<f64> {
        match self {
            Self::Given(all, _) => all.get(&model.id).or_else(|| all.get(&model.architecture)).copied(),
            Self::Suite(unit) => {
                let (suite, task) = unit.split_once('/').unwrap_or((unit, unit));
                let of = |score: &&Score| {
                    score.metric == "top1"
                        && score.suite == suite
                        && (score.task == task || score.task == "mean")
                };
                side.scores(model).find(of).map(|score| score.value)
            }
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Suite(name) | Self::Given(_, name) => name,
        }
    }
}

impl Study {
    /// The study of all models of `sides` that have an accuracy and a score.
    ///
    /// # Errors
    /// Fewer than two models that have both.
    pub fn new(sides: &[Side], accuracies: &Accuracies) -> Result<Self> {
        let (mut series, mut notes): (Vec<Series>, Vec<String>) = (Vec::new(), Vec::new());
        let mut seen = Vec::new();
        for (side, model) in
            sides.iter().flat_map(|side| side.results.models.iter().map(move |model| (side, model)))
        {
            let name = format!("{} ({})", model.label, side.file);
            // The same file may have been named in several ways.
            let digest =
                model.weights.split_once("(sha256 ").map_or(model.weights.as_str(), |(_, digest)| digest);
            if seen.contains(&(&model.architecture, digest)) {
                notes.push(format!("{name} is there already, with the same weights: left out"));
                continue;
            }
            seen.push((&model.architecture, digest));
            let Some(accuracy) = accuracies.of(side, model) else {
                notes.push(format!("{name} has no accuracy in {}: left out", accuracies.name()));
                continue;
            };
            let scores: Vec<(&str, String, &Score)> = side
                .scores(model)
                .filter_map(|score| form_of(score).map(|(suite, form)| (suite, form, score)))
                .collect();
            if scores.is_empty() {
                notes.push(format!("{name} has no mean of bapps-2afc or bapps-jnd: left out"));
            }
            for (suite, form, score) in scores {
                let at = series.iter().position(|of| of.suite == suite && of.form == form);
                let at = at.unwrap_or_else(|| {
                    let suite = suite.to_owned();
                    series.push(Series { suite, form, points: Vec::new(), pearson: None, spearman: None });
                    series.len() - 1
                });
                series[at].points.push(Point {
                    model: name.clone(),
                    accuracy,
                    score: score.value,
                    interval: score.interval.clone(),
                    on_front: false,
                });
            }
        }
        series.retain(|of| of.points.len() > 1);
        if series.is_empty() {
            let notes: String = notes.iter().map(|note| format!("\n  {note}")).collect();
            bail!(
                "no two models have both an accuracy ({}) and a perceptual score: run `visrep bench {ACCURACY} bapps-2afc` on several{notes}",
                accuracies.name()
            );
        }
        series.iter_mut().for_each(Series::finish);
        Ok(Self { accuracy: accuracies.name().to_owned(), series, notes })
    }

    /// Every point, one to a line.
    pub fn csv(&self) -> Result<Vec<u8>> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["suite", "form", "model", "accuracy", "score", "low", "high", "on_front"])?;
        for series in &self.series {
            for point in &series.points {
                let end = |end: fn(&Interval) -> f64| {
                    point.interval.as_ref().map(|interval| end(interval).to_string()).unwrap_or_default()
                };
                writer.write_record([
                    &series.suite,
                    &series.form,
                    &point.model,
                    &point.accuracy.to_string(),
                    &point.score.to_string(),
                    &end(|interval| interval.low),
                    &end(|interval| interval.high),
                    &point.on_front.to_string(),
                ])?;
            }
        }
        Ok(writer.into_inner()?)
    }
}

/// The suite and the distance of a score that is the mean over sets; none of other scores, of single taps, whose names differ between models,
/// and of distances that look at no model.
fn form_of(score: &Score) -> Option<(&'static str, String)> {
    let (suite, _) =
        SCORES.into_iter().find(|found| *found == (score.suite.as_str(), score.metric.as_str()))?;
    let form = score.protocol.get("form")?;
    let mean = score.task == "mean" || score.task == format!("{form}-mean");
    let own = !form.starts_with("tap ") && !["psnr", "ssim", "ms-ssim"].contains(&form.as_str());
    (mean && own).then(|| (suite, form.clone()))
}

impl Series {
    fn finish(&mut self) {
        self.points.sort_by(|a, b| a.accuracy.total_cmp(&b.accuracy));
        let (accuracies, scores): (Vec<f64>, Vec<f64>) =
            self.points.iter().map(|point| (point.accuracy, point.score)).unzip();
        for point in &mut self.points {
            let better = |(&accuracy, &score): (&f64, &f64)| {
                accuracy >= point.accuracy
                    && score >= point.score
                    && (accuracy > point.accuracy || score > point.score)
            };
            point.on_front = !accuracies.iter().zip(&scores).any(better);
        }
        if self.points.len() > 2 {
            self.pearson = correlation(&accuracies, &scores);
            self.spearman = correlation(&ranks(&accuracies), &ranks(&scores));
        }
    }

    /// The model with the highest score.
    pub fn best(&self) -> Option<&Point> {
        self.points.iter().max_by(|a, b| a.score.total_cmp(&b.score))
    }
}

impl fmt::Display for Study {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |series: &Series| format!("{} {}", series.suite, series.form);
        let wide = self.series.iter().map(|series| name(series).chars().count()).max().unwrap_or_default();
        writeln!(f, "{:wide$}  {:>6}  {:>6}  {:>6}  best", "", "models", "r", "rho")?;
        let or_dash = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.2}"));
        for series in &self.series {
            let best = series.best().map_or_else(String::new, |point| {
                format!("{:.2} % by {} at {:.2} %", 100.0 * point.score, point.model, 100.0 * point.accuracy)
            });
            writeln!(
                f,
                "{:wide$}  {:>6}  {:>6}  {:>6}  {best}",
                name(series),
                series.points.len(),
                or_dash(series.pearson),
                or_dash(series.spearman)
            )?;
        }
        writeln!(
            f,
            "\nr, rho: Pearson's and Spearman's correlation of the score with the accuracy, {}",
            self.accuracy
        )?;
        self.notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))
    }
}

//! The report of `visrep bench SUITE…`: one table of all models, and a section for each suite with its plots.

use super::plots::{self, Point};
use super::{Drawn, Legend, Named, draw, drawn, factors, legend, named, reliability_plots, tables};
use crate::bench::headline::Headlines;
use crate::bench::results::Results;
use crate::bench::unit::Unit;
use anyhow::Result;
use serde::Serialize;
use visrep_metrics::Score;

/// What the template is given.
#[derive(Serialize)]
struct Page<'a> {
    title: &'static str,
    subtitle: String,
    models: Vec<Legend<'a>>,
    summary: Vec<tables::Row>,
    overview: Option<String>,
    sections: Vec<Section<'a>>,
    missing: Vec<Named>,
    command: &'a str,
    version: &'a str,
    environment: Vec<Named>,
    protocols: Vec<tables::Protocol>,
    footer: String,
}

/// One suite.
#[derive(Serialize)]
struct Section<'a> {
    name: &'a str,
    about: Option<&'static str>,
    notes: Vec<Named>,
    plots: Vec<String>,
    curves: Vec<String>,
    corruption: Option<Drawn>,
    reliability: Vec<Named>,
    rows: Vec<tables::Row>,
}

/// The figures whose values by task are worth a plot.
const PLOTTED: [(&str, &str); 10] = [
    ("top1", "top-1"),
    ("aupr", "AUPR"),
    ("flip-probability", "flip probability"),
    ("shape-bias", "shape bias"),
    ("2afc", "2AFC"),
    ("map", "JND mAP"),
    ("mean-error", "mean error over severities"),
    ("mean-relative-distance", "distance of distorted photographs, of that between photographs"),
    ("growth", "distances that grow with the distortion"),
    ("fine-to-coarse", "distance of the finest noise, of that of the coarsest"),
];

/// Draws the page.
pub fn render(results: &Results, missing: &[(String, String)]) -> Result<String> {
    let suites = results.suites();
    let headlines = Headlines::of(results);
    let page = Page {
        title: "visrep bench",
        subtitle: format!(
            "{} model{} on {} suite{}",
            results.models.len(),
            if results.models.len() == 1 { "" } else { "s" },
            suites.len(),
            if suites.len() == 1 { "" } else { "s" }
        ),
        models: legend(results),
        summary: tables::rows(results, results.models.len(), |score| headlines.suite_name(score)),
        overview: overview(results, &headlines)?,
        sections: suites.iter().map(|suite| section(results, suite)).collect::<Result<_>>()?,
        missing: named(missing.iter().cloned()),
        command: &results.command,
        version: &results.visrep,
        environment: named(results.environment.iter().cloned()),
        protocols: tables::protocols(results),
        footer: format!("Made by visrep {} on {}.", results.visrep, results.finished),
    };
    draw(include_str!("suites.html"), &page)
}

/// The accuracy on every set whose accuracy is its figure, of all models in one plot.
fn overview(results: &Results, headlines: &Headlines<'_>) -> Result<Option<String>> {
    let of = |score: &Score| {
        (score.metric == "top1" && score.suite != "attacks").then(|| headlines.suite_name(score)).flatten()
    };
    categories(results, "accuracy by test set", Unit::Percent, of)
}

/// A plot of the scores of one unit that `name` names, if there are two names or more.
fn categories(
    results: &Results,
    title: &str,
    unit: Unit,
    name: impl Fn(&Score) -> Option<String>,
) -> Result<Option<String>> {
    let (mut names, mut points) = (Vec::<String>::new(), Vec::new());
    for score in &results.scores {
        let (Some(model), Some(name)) = (results.model_of(score), name(score)) else { continue };
        let category = names.iter().position(|found| *found == name).unwrap_or_else(|| {
            names.push(name);
            names.len() - 1
        });
        let interval =
            score.interval.as_ref().map(|interval| (unit.shown(interval.low), unit.shown(interval.high)));
        points.push(Point { category, model, value: unit.shown(score.value), interval });
    }
    if names.len() < 2 {
        return Ok(None);
    }
    let names: Vec<_> = names.iter().map(|name| name.replace(": top-1", "").replace('_', " ")).collect();
    plots::by_category(&unit.title(title), &names, results.models.len(), &points)
        .map(Some)
        .map_err(anyhow::Error::from_boxed)
}

fn section<'a>(results: &'a Results, suite: &'a str) -> Result<Section<'a>> {
    let notes = results.notes(suite).into_iter().map(|(about, note)| (about, note.to_owned()));
    let mut plots = Vec::new();
    for (metric, title) in PLOTTED {
        let own = |score: &Score| score.suite == suite && score.metric == metric;
        // Of several distances on one suite, sets are drawn of the first form, and of all forms the mean over sets.
        let form = |score: &Score| score.protocol.get("form").cloned();
        let of = |score: &Score| {
            let first = form(score).is_none_or(|form| form == "baseline");
            (own(score) && first && score.task != "mean" && score.task != suite).then(|| score.task.clone())
        };
        let unit = Unit::of(metric);
        plots.extend(categories(results, title, unit, of)?);
        let by_form = |score: &Score| form(score).filter(|_| own(score) && score.task.ends_with("mean"));
        plots.extend(categories(results, &format!("{title}, mean by distance"), unit, by_form)?);
    }
    let set = tables::corruption_set(results, suite, suite, suite);
    let mut conditions: Vec<&str> = Vec::new();
    for found in results.details.reliability.iter().filter(|found| found.data == suite) {
        if !conditions.contains(&found.condition.as_str()) {
            conditions.push(&found.condition);
        }
    }
    let row = |condition: &&str| -> Result<Named> {
        let drawn = reliability_plots(results, suite, condition)?.concat();
        Ok(Named { name: (*condition).to_owned(), value: drawn })
    };
    let corrupted = set.is_some();
    // Of corruptions, single conditions are in the table and the curves; of factors, single values are in the curves.
    let listed = |score: &Score| {
        let condition = corrupted && score.task.contains('/');
        let task = if score.task == suite { String::new() } else { format!("{}: ", score.task) };
        (score.suite == suite && !condition && !factors::is_point(score))
            .then(|| format!("{task}{}", score.metric))
    };
    Ok(Section {
        name: suite,
        about: crate::bench::published::registry::all()
            .iter()
            .map(|known| known.info())
            .find(|info| info.name == suite)
            .map(|info| info.about),
        notes: named(notes),
        plots,
        curves: factors::curves(results, suite)?,
        corruption: set.map(|set| drawn(results, set)).transpose()?,
        reliability: conditions.iter().map(row).collect::<Result<_>>()?,
        rows: tables::rows(results, results.models.len(), listed),
    })
}

//! `report.html`: one self-contained page that draws `results.json` and a few pictures.

mod factors;
pub mod gallery;
mod plots;
pub mod study;
pub mod suites;
mod tables;

use crate::bench::results::{DatasetEntry, Reliability, Results};
use anyhow::{Context, Result};
use gallery::Gallery;
use minijinja::Environment;
use minijinja::value::Serde;
use plots::{MODEL_COLOURS, ReliabilityBar, Series};
use serde::Serialize;
use tables::{CorruptionSet, corruption_sets};

/// What the template is given.
#[derive(Serialize)]
struct Page<'a> {
    title: &'static str,
    subtitle: String,
    models: Vec<Legend<'a>>,
    verdicts: Vec<tables::Verdict>,
    transfer: Vec<tables::Group>,
    corruption_count: Option<usize>,
    mce: Vec<Named>,
    corruption: Vec<Drawn>,
    reliability: Vec<ReliabilityRow>,
    confusion: Vec<tables::ConfusionSet>,
    similarity: Option<tables::Similarity<'a>>,
    neighbours: &'a [gallery::Neighbours],
    views: Option<&'a gallery::Views>,
    command: &'a str,
    version: &'a str,
    environment: Vec<Named>,
    datasets: Vec<DatasetFacts<'a>>,
    protocols: Vec<tables::Protocol>,
    footer: String,
}

/// A model in the legend.
#[derive(Serialize)]
struct Legend<'a> {
    label: &'a str,
    about: &'a str,
    colour: &'static str,
}

/// A data set in the protocol section.
#[derive(Serialize)]
struct DatasetFacts<'a> {
    name: &'a str,
    facts: Vec<Named>,
}

/// Draws the page.
pub fn render(results: &Results, gallery: &Gallery) -> Result<String> {
    let corruption = corruption_sets(results);
    let page = Page {
        title: "visrep bench",
        subtitle: subtitle(results),
        models: legend(results),
        verdicts: tables::verdicts(results),
        transfer: tables::transfer(results),
        corruption_count: corruption.iter().map(CorruptionSet::len).max(),
        mce: tables::mce(results),
        corruption: corruption.into_iter().map(|set| drawn(results, set)).collect::<Result<_>>()?,
        reliability: reliability(results)?,
        confusion: tables::confusion(results),
        similarity: tables::similarity(results, gallery),
        neighbours: &gallery.neighbours,
        views: gallery.views.as_ref(),
        command: &results.command,
        version: &results.visrep,
        environment: named(results.environment.iter().cloned()),
        datasets: results.datasets.iter().map(facts).collect(),
        protocols: tables::protocols(results),
        footer: format!(
            "Made by visrep {} on {} in {:.0} s.",
            results.visrep, results.finished, results.seconds
        ),
    };
    draw(include_str!("comparison.html"), &page)
}

/// Fills a page's template, which extends `page.html` and may use what all pages share.
fn draw(template: &str, page: &impl Serialize) -> Result<String> {
    let mut environment = Environment::new();
    for (name, shared) in [
        ("page.html", include_str!("page.html")),
        ("style.css", include_str!("style.css")),
        ("table.html", include_str!("table.html")),
        ("protocols.html", include_str!("protocols.html")),
    ] {
        environment.add_template(name, shared)?;
    }
    environment.add_template("report.html", template)?;
    environment.get_template("report.html")?.render(Serde(page)).context("cannot draw the report")
}

fn legend(results: &Results) -> Vec<Legend<'_>> {
    (results.models.iter().zip(MODEL_COLOURS.into_iter().cycle()))
        .map(|(model, colour)| Legend { label: &model.label, about: &model.about, colour })
        .collect()
}

fn facts(set: &DatasetEntry) -> DatasetFacts<'_> {
    let facts = [
        ("split", set.split.clone()),
        ("images", format!("{} train, {} test", set.train, set.test)),
        ("classes", format!("{}: {}", set.classes.len(), abridged(&set.classes))),
    ];
    DatasetFacts { name: &set.label, facts: named(facts.map(|(name, value)| (name.to_owned(), value))) }
}

/// A name and a value, for lists of facts.
#[derive(Serialize)]
struct Named {
    name: String,
    value: String,
}

fn named(pairs: impl IntoIterator<Item = (String, String)>) -> Vec<Named> {
    pairs.into_iter().map(|(name, value)| Named { name, value }).collect()
}

fn subtitle(results: &Results) -> String {
    let sets: Vec<_> = results.datasets.iter().map(|set| set.label.as_str()).collect();
    let models = results.models.len();
    format!("{models} model{}, measured on: {}", if models == 1 { "" } else { "s" }, sets.join(", "))
}

fn abridged(classes: &[String]) -> String {
    const SHOWN: usize = 20;
    let more = if classes.len() > SHOWN { ", ..." } else { "" };
    format!("{}{more}", classes[..classes.len().min(SHOWN)].join(", "))
}

/// A corruption table with its plots.
#[derive(Serialize)]
struct Drawn {
    #[serde(flatten)]
    set: CorruptionSet,
    mean_plot: String,
    plots: Vec<String>,
}

fn drawn(results: &Results, set: CorruptionSet) -> Result<Drawn> {
    let plot = |title: &str, curves: &[tables::Curve], size| {
        let series: Vec<_> = curves
            .iter()
            .map(|curve| Series {
                name: &results.models[curve.model].label,
                colour: curve.model,
                points: curve
                    .accuracy
                    .iter()
                    .map(|&(severity, accuracy)| (severity, 100.0 * accuracy))
                    .collect(),
            })
            .collect();
        plots::accuracy_against_severity(title, &series, size).map_err(anyhow::Error::from_boxed)
    };
    let title = match set.curves.as_slice() {
        [(corruption, _)] => format!("{}: {corruption}", set.name),
        _ => format!("{}: mean over corruptions", set.name),
    };
    let mean_plot = plot(&title, &set.mean_curves, (500, 340))?;
    let plots = set.curves.iter().map(|(corruption, curves)| plot(corruption, curves, (200, 150)));
    let plots = plots.collect::<Result<_>>()?;
    Ok(Drawn { set, mean_plot, plots })
}

/// A row of reliability diagrams, one for each model.
#[derive(Serialize)]
struct ReliabilityRow {
    name: String,
    plots: Vec<String>,
}

fn reliability(results: &Results) -> Result<Vec<ReliabilityRow>> {
    let mut rows: Vec<ReliabilityRow> = Vec::new();
    for set in &results.datasets {
        for condition in ["clean", "corrupted"] {
            let plots = reliability_plots(results, &set.id, condition)?;
            if !plots.is_empty() {
                let images = if condition == "clean" {
                    "clean images"
                } else {
                    "all corruptions and severities pooled"
                };
                rows.push(ReliabilityRow { name: format!("{}, {images}", set.label), plots });
            }
        }
    }
    Ok(rows)
}

/// The reliability diagrams of one condition, one for each model that has it.
fn reliability_plots(results: &Results, data: &str, condition: &str) -> Result<Vec<String>> {
    let of_row = |found: &&Reliability| found.data == data && found.condition == condition;
    let mut plots = Vec::new();
    for found in results.details.reliability.iter().filter(of_row) {
        let Some(model) = results.models.iter().position(|model| model.id == found.model) else {
            continue;
        };
        let all: usize = found.bins.iter().map(|bin| bin.count).sum();
        let bars: Vec<_> = (found.bins.iter())
            .map(|bin| ReliabilityBar {
                low: bin.low,
                high: bin.high,
                accuracy: (bin.count > 0).then_some(bin.accuracy),
                share: bin.count as f64 / all.max(1) as f64,
            })
            .collect();
        let title = format!("{}, ECE {:.1} %", results.models[model].label, 100.0 * found.ece);
        plots.push(plots::reliability(&title, model, &bars).map_err(anyhow::Error::from_boxed)?);
    }
    Ok(plots)
}

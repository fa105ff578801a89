//! The page of `visrep bench study perceptual`: a plot of scores against accuracy for each form of distance.

use super::plots::{self, Mark};
use super::{Legend, draw};
use crate::bench::study::{Series, Study};
use anyhow::Result;
use serde::Serialize;

/// What the template is given.
#[derive(Serialize)]
struct Page<'a> {
    title: &'static str,
    subtitle: String,
    models: Vec<Legend<'a>>,
    plots: Vec<String>,
    series: &'a [Series],
    notes: &'a [String],
    footer: String,
}

/// Draws the page.
pub fn render(study: &Study) -> Result<String> {
    let page = Page {
        title: "Perceptual scores against accuracy",
        subtitle: format!("Each point is a model; accuracy: {}", study.accuracy),
        models: Vec::new(),
        plots: study.series.iter().map(plot).collect::<Result<_>>()?,
        series: &study.series,
        notes: &study.notes,
        footer: format!("Made by visrep {}.", env!("CARGO_PKG_VERSION")),
    };
    draw(include_str!("study.html"), &page)
}

fn plot(series: &Series) -> Result<String> {
    let marks: Vec<Mark> = series
        .points
        .iter()
        .map(|point| Mark {
            x: 100.0 * point.accuracy,
            y: 100.0 * point.score,
            interval: point.interval.as_ref().map(|interval| (100.0 * interval.low, 100.0 * interval.high)),
            marked: point.on_front,
        })
        .collect();
    let title = format!("{}, {}", series.suite, series.form);
    plots::scatter(&title, ("accuracy, %", "perceptual score, %"), &marks).map_err(anyhow::Error::from_boxed)
}

//! `visrep plot`: the curves of runs.

use super::output;
use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use plotters::coord::Shift;
use plotters::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Draw the metrics of one or several runs
///
/// One panel for each metric, with a line for each run. The file's ending decides the format: .svg or .png.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    visrep plot runs/digits\n  \
    visrep plot runs/seed0 runs/seed1 --metric loss --metric knn_top1 --output loss.png --smooth 0.9")]
pub struct Plot {
    /// Folders of `visrep train`, or their metrics.jsonl
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// A metric to draw; may be repeated [default: all but the speed]
    #[arg(long = "metric", value_name = "NAME")]
    metrics: Vec<String>,
    /// The image, .svg or .png
    #[arg(long, value_name = "FILE", default_value = "curves.svg")]
    output: PathBuf,
    /// How much of a running mean stays at each point, 0 (draw the points as they are) to below 1
    #[arg(long, value_name = "X", default_value_t = 0.0)]
    smooth: f64,
}

/// A run's points (step, value) of each metric.
struct Curves {
    name: String,
    metrics: BTreeMap<String, Vec<(f64, f64)>>,
}

const PANEL: (u32, u32) = (460, 280);
const COLUMNS: usize = 2;
const TITLE: u32 = 30;
const TEXT: RGBColor = RGBColor(0x4a, 0x50, 0x5a);
const GRID: RGBColor = RGBColor(0xe6, 0xe8, 0xec);
const FONT: &str = crate::font::FAMILY;
const COLOURS: [RGBColor; 6] = [
    RGBColor(0x1d, 0x6f, 0xd8),
    RGBColor(0xd9, 0x62, 0x2b),
    RGBColor(0x2f, 0x9e, 0x62),
    RGBColor(0x8a, 0x4f, 0xd0),
    RGBColor(0xb8, 0x86, 0x0b),
    RGBColor(0x8a, 0x8f, 0x98),
];

impl Plot {
    pub fn run(self) -> Result<()> {
        if !(0.0..1.0).contains(&self.smooth) {
            bail!("--smooth {} must be within 0 and 1, below 1", self.smooth);
        }
        let runs = self.runs.iter().map(|run| Curves::read(run, self.smooth)).collect::<Result<Vec<_>>>()?;
        let metrics = self.chosen(&runs)?;
        let rows = metrics.len().div_ceil(COLUMNS);
        let columns = metrics.len().min(COLUMNS) as u32;
        let size = (PANEL.0 * columns, PANEL.1 * rows as u32 + TITLE);
        let grid = (rows, columns as usize);
        match self.output.extension().and_then(|ending| ending.to_str()) {
            Some("svg") => {
                let mut svg = String::new();
                let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
                draw(&area, &runs, &metrics, grid)?;
                drop(area);
                output::replace(&self.output, |to| Ok(std::fs::write(to, &svg)?))?;
            }
            Some("png") => {
                let mut pixels = vec![0; size.0 as usize * size.1 as usize * 3];
                let area = BitMapBackend::with_buffer(&mut pixels, size).into_drawing_area();
                draw(&area, &runs, &metrics, grid)?;
                drop(area);
                output::replace(&self.output, |to| write_png(to, size, &pixels))?;
            }
            _ => bail!("{}: name a file that ends in .svg or .png", self.output.display()),
        }
        output::say(&format!("{}\n", self.output.display()))
    }

    /// The metrics to draw: those asked for, or all that there are.
    fn chosen(&self, runs: &[Curves]) -> Result<Vec<String>> {
        let mut known: Vec<&String> = runs.iter().flat_map(|run| run.metrics.keys()).collect();
        known.sort_unstable();
        known.dedup();
        if self.metrics.is_empty() {
            let mut all: Vec<String> =
                known.into_iter().filter(|name| *name != "images_per_second").cloned().collect();
            // What everybody looks for comes first.
            all.sort_by_key(|name| (name != "loss", name.starts_with("watch_")));
            return Ok(all);
        }
        if let Some(unknown) = self.metrics.iter().find(|name| !known.contains(name)) {
            let known: Vec<&str> = known.into_iter().map(String::as_str).collect();
            bail!("no run has the metric {unknown:?}; there are {}", known.join(", "));
        }
        Ok(self.metrics.clone())
    }
}

impl Curves {
    /// Reads `metrics.jsonl`, or that of the folder `path`. A last line that is still being written is left out.
    fn read(path: &Path, smooth: f64) -> Result<Self> {
        let file = if path.is_dir() { path.join("metrics.jsonl") } else { path.to_owned() };
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("{}: cannot read the metrics of a run", file.display()))?;
        let mut metrics: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
        let mut lines = text.lines().enumerate().peekable();
        while let Some((number, line)) = lines.next() {
            let values: serde_json::Map<String, serde_json::Value> = match serde_json::from_str(line) {
                Ok(values) => values,
                Err(_) if lines.peek().is_none() => break,
                Err(error) => bail!("{}, line {}: {error}", file.display(), number + 1),
            };
            let Some(step) = values.get("step").and_then(serde_json::Value::as_f64) else {
                bail!("{}, line {}: has no step", file.display(), number + 1);
            };
            for (name, value) in values {
                if let Some(value) = value.as_f64().filter(|_| name != "step" && name != "epoch") {
                    metrics.entry(name).or_default().push((step, value));
                }
            }
        }
        if metrics.is_empty() {
            bail!("{}: holds no metrics yet", file.display());
        }
        for points in metrics.values_mut() {
            let mut mean = points.first().map_or(0.0, |point| point.1);
            for (_, value) in points {
                mean = smooth * mean + (1.0 - smooth) * *value;
                *value = mean;
            }
        }
        Ok(Self { name: path.display().to_string(), metrics })
    }
}

/// Draws the panels below a line that names the runs.
fn draw<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    runs: &[Curves],
    metrics: &[String],
    grid: (usize, usize),
) -> Result<()>
where
    B::ErrorType: 'static,
{
    let failed = |error: DrawingAreaErrorKind<B::ErrorType>| anyhow!("cannot draw: {error}");
    crate::font::register();
    area.fill(&WHITE).map_err(failed)?;
    let (names, panels) = area.split_vertically(TITLE);
    let width = area.dim_in_pixel().0 as i32 / runs.len() as i32;
    for (i, run) in runs.iter().enumerate() {
        let (x, colour) = (12 + width * i as i32, COLOURS[i % COLOURS.len()]);
        names.draw(&Rectangle::new([(x, 13), (x + 18, 16)], colour.filled())).map_err(failed)?;
        let style = (FONT, 13).into_font().color(&TEXT);
        names.draw(&Text::new(run.name.clone(), (x + 24, 8), style)).map_err(failed)?;
    }
    for (panel, metric) in panels.split_evenly(grid).iter().zip(metrics) {
        let lines: Vec<_> = runs
            .iter()
            .enumerate()
            .filter_map(|(i, run)| Some((COLOURS[i % COLOURS.len()], run.metrics.get(metric)?)))
            .collect();
        let points = || lines.iter().flat_map(|(_, points)| points.iter().copied());
        let (x, y) = (range(points().map(|point| point.0)), range(points().map(|point| point.1)));
        let mut chart = ChartBuilder::on(panel)
            .margin(10)
            .caption(metric, (FONT, 15).into_font().color(&TEXT))
            .x_label_area_size(24)
            .y_label_area_size(56)
            .build_cartesian_2d(x, y)
            .map_err(failed)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(GRID)
            .label_style((FONT, 11).into_font().color(&TEXT))
            .x_labels(6)
            .y_labels(6)
            .x_label_formatter(&|step| format!("{step:.0}"))
            .y_label_formatter(&|value| short(*value))
            .draw()
            .map_err(failed)?;
        for (colour, points) in lines {
            chart
                .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))
                .map_err(failed)?;
        }
    }
    area.present().map_err(failed)
}

/// From the least of `values` to the largest, and never nothing.
fn range(values: impl Iterator<Item = f64>) -> std::ops::Range<f64> {
    let (low, high) =
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
    if low < high { low..high } else { low - 0.5..low + 0.5 }
}

/// A number of an axis in few characters.
fn short(value: f64) -> String {
    if value != 0.0 && !(0.01..100_000.0).contains(&value.abs()) {
        return format!("{value:.1e}");
    }
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Writes RGB pixels as a PNG file.
fn write_png(path: &Path, size: (u32, u32), pixels: &[u8]) -> Result<()> {
    let mut encoder =
        png::Encoder::new(std::io::BufWriter::new(std::fs::File::create(path)?), size.0, size.1);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    Ok(writer.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_few_characters_and_some_extent() {
        let texts = [0.0, 0.5, 12.0, 1234.5, 0.00012, -0.002, 3e9].map(short);
        assert_eq!(texts, ["0", "0.5", "12", "1234.5", "1.2e-4", "-2.0e-3", "3.0e9"]);
        assert_eq!(range([2.0, 1.0].into_iter()), 1.0..2.0);
        assert_eq!(range([2.0].into_iter()), 1.5..2.5);
    }

    #[test]
    fn a_last_line_in_the_making_is_left_out_and_means_run_along() {
        let folder = tempfile::tempdir().unwrap();
        let text = "{\"step\":1,\"epoch\":0,\"loss\":4.0}\n{\"step\":2,\"loss\":2.0,\"knn_top1\":0.5}\n{\"step\":3,\"lo";
        std::fs::write(folder.path().join("metrics.jsonl"), text).unwrap();
        let curves = Curves::read(folder.path(), 0.5).unwrap();
        assert_eq!(curves.metrics["loss"], [(1.0, 4.0), (2.0, 3.0)]);
        assert_eq!(curves.metrics["knn_top1"], [(2.0, 0.5)]);
        assert_eq!(curves.metrics.len(), 2);
        std::fs::write(folder.path().join("metrics.jsonl"), "nonsense\n{\"step\":1}\n").unwrap();
        assert!(Curves::read(folder.path(), 0.0).is_err());
    }
}

//! `visrep data inspect`: what a source holds, and what is broken in it.

use super::progress_bar;
use crate::commands::output;
use crate::source::{self, Source};
use anyhow::{Context, Result, bail};
use clap::Args;
use std::collections::BTreeMap;
use std::path::PathBuf;
use visrep_data::{Dataset, SampleImage, contact_sheet, decode_sample};
use visrep_decode::{DecodeOptions, encode_png, read_header};

/// Count samples, classes, formats and sizes, and find broken images
///
/// Reads every image's header; with --decode every pixel too. The exit code is 1 when an image is broken.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  visrep data inspect fixtures:digits\n  visrep data inspect ~/images --decode\n  \
    visrep data inspect train.parquet --sheet train.png"
)]
pub(super) struct Inspect {
    #[arg(value_name = "SRC", help = source::HELP)]
    source: Source,
    /// Decode every image, which finds damage behind an intact header
    #[arg(long)]
    decode: bool,
    /// Draw a contact sheet, a row for each class, to this PNG file
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
}

/// Rows and columns of a contact sheet, and the side of its cells in pixels.
const SHEET: (usize, usize, u32) = (20, 12, 96);

/// How many broken samples are printed one by one.
const SHOWN: usize = 20;

#[derive(Default)]
struct Findings {
    formats: BTreeMap<String, usize>,
    sizes: BTreeMap<(u32, u32), usize>,
    labels: BTreeMap<u32, usize>,
    unlabelled: usize,
    bytes: u64,
    broken: Vec<String>,
}

impl Inspect {
    pub(super) fn run(self) -> Result<()> {
        let data = self.source.open()?;
        let progress = progress_bar(data.len())?;
        let mut findings = Findings::default();
        for index in 0..data.len() {
            findings.add(&*data, index, self.decode);
            progress.inc(1);
        }
        progress.finish_and_clear();
        output::say(&findings.text(&self.source.to_string(), &*data))?;
        if let Some(path) = &self.sheet {
            let (rows, columns, cell) = SHEET;
            let sheet = contact_sheet(&*data, rows, columns, cell);
            visrep_models::write_atomically(path, &encode_png(&sheet.image)?)
                .with_context(|| format!("the contact sheet {}", path.display()))?;
            output::say(&describe_sheet(path, &sheet.rows, data.classes()))?;
        }
        if !findings.broken.is_empty() {
            bail!("{} of {} images are broken", findings.broken.len(), data.len());
        }
        Ok(())
    }
}

impl Findings {
    fn add(&mut self, data: &dyn Dataset, index: usize, decode: bool) {
        let options = DecodeOptions::default();
        let looked = data.get(index).map_err(|error| error.to_string()).and_then(|sample| {
            match sample.label {
                Some(label) => *self.labels.entry(label).or_default() += 1,
                None => self.unlabelled += 1,
            }
            let (format, size) = match &sample.image {
                SampleImage::Encoded(bytes) => {
                    self.bytes += bytes.len() as u64;
                    let header = read_header(bytes).map_err(|error| format!("{}: {error}", sample.key))?;
                    (format!("{:?}", header.format), (header.width, header.height))
                }
                SampleImage::Decoded(image) => ("decoded".to_owned(), (image.width(), image.height())),
            };
            if decode {
                decode_sample(&sample, &options).map_err(|error| error.to_string())?;
            }
            *self.formats.entry(format).or_default() += 1;
            *self.sizes.entry(size).or_default() += 1;
            Ok(())
        });
        if let Err(message) = looked {
            self.broken.push(message);
        }
    }

    /// What was found, for people.
    fn text(&self, name: &str, data: &dyn Dataset) -> String {
        let mut lines = vec![format!("{name}: {} images, {:.1} MB", data.len(), self.bytes as f64 / 1e6)];
        let formats: Vec<_> = self.formats.iter().map(|(format, n)| format!("{format} {n}")).collect();
        lines.push(format!("formats: {}", formats.join(", ")));
        let (wide, high) = (self.sides(|size| size.0), self.sides(|size| size.1));
        lines.push(format!(
            "sizes: {} different; smallest, median and largest: {wide} wide, {high} high",
            self.sizes.len()
        ));
        self.describe_labels(data, &mut lines);
        lines.extend(self.broken.iter().take(SHOWN).map(|message| format!("broken: {message}")));
        if self.broken.len() > SHOWN {
            lines.push(format!("and {} more broken images", self.broken.len() - SHOWN));
        }
        lines.join("\n") + "\n"
    }

    /// The smallest, the median and the largest of one side.
    fn sides(&self, side: fn(&(u32, u32)) -> u32) -> String {
        let mut counts = BTreeMap::<u32, usize>::new();
        self.sizes.iter().for_each(|(size, n)| *counts.entry(side(size)).or_default() += n);
        let middle = self.sizes.values().sum::<usize>() / 2;
        let mut before = 0;
        let median = counts.iter().find(|(_, n)| {
            before += **n;
            before > middle
        });
        let sides = [counts.keys().next(), median.map(|(side, _)| side), counts.keys().next_back()];
        sides.map(|side| side.map_or_else(|| "-".to_owned(), u32::to_string)).join(" ")
    }

    fn describe_labels(&self, data: &dyn Dataset, lines: &mut Vec<String>) {
        let (Some(fewest), Some(most)) = (self.labels.values().min(), self.labels.values().max()) else {
            lines.push("labels: none".to_owned());
            return;
        };
        lines.push(format!(
            "classes: {} named, {} present, {fewest} to {most} images each, {} images unlabelled",
            data.classes().len(),
            self.labels.len(),
            self.unlabelled
        ));
        for (label, n) in self.labels.iter().take(SHOWN) {
            let name = data.classes().get(*label as usize).map_or("", String::as_str);
            lines.push(format!("  {label:>4}  {n:>7}  {name}"));
        }
        if self.labels.len() > SHOWN {
            lines.push(format!("  and {} more", self.labels.len() - SHOWN));
        }
    }
}

/// What the rows of a contact sheet are, for people.
fn describe_sheet(path: &std::path::Path, rows: &[Option<u32>], classes: &[String]) -> String {
    if rows.iter().all(Option::is_none) {
        return format!("sheet: {}\n", path.display());
    }
    let name = |label: &Option<u32>| match label {
        Some(label) => classes.get(*label as usize).cloned().unwrap_or_else(|| label.to_string()),
        None => "no label".to_owned(),
    };
    let mut names: Vec<_> = rows.iter().map(name).collect();
    names.dedup();
    format!("sheet: {}; from the top: {}\n", path.display(), names.join(", "))
}

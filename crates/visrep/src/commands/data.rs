//! `visrep data`: looking at images before anything is computed from them.

use super::output;
use crate::source::{self, Source};
use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use visrep_data::{Dataset, SampleImage, decode_sample};
use visrep_decode::{DecodeOptions, read_header};

/// Look at a source of images
#[derive(Args)]
pub struct Data {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Subcommand)]
enum DataCommand {
    Inspect(Inspect),
}

impl Data {
    pub fn run(self) -> Result<()> {
        match self.command {
            DataCommand::Inspect(inspect) => inspect.run(),
        }
    }
}

/// Count samples, classes, formats and sizes, and find broken images
///
/// Reads every image's header; with --decode every pixel too. The exit code is 1 when an image is broken.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  visrep data inspect fixtures:digits\n  visrep data inspect ~/images --decode"
)]
struct Inspect {
    #[arg(value_name = "SRC", help = source::HELP)]
    source: Source,
    /// Decode every image, which finds damage behind an intact header
    #[arg(long)]
    decode: bool,
}

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
    fn run(self) -> Result<()> {
        let data = self.source.open()?;
        let progress = ProgressBar::new(data.len() as u64).with_style(ProgressStyle::with_template(
            "{bar:30} {human_pos}/{human_len} images  {per_sec}  {eta} left",
        )?);
        let mut findings = Findings::default();
        for index in 0..data.len() {
            findings.add(&*data, index, self.decode);
            progress.inc(1);
        }
        progress.finish_and_clear();
        output::say(&findings.text(&self.source.to_string(), &*data))?;
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
        let range = |side: fn(&(u32, u32)) -> u32| {
            let sides = || self.sizes.keys().map(side);
            format!("{} to {}", sides().min().unwrap_or_default(), sides().max().unwrap_or_default())
        };
        let (wide, high) = (range(|size| size.0), range(|size| size.1));
        lines.push(format!("sizes: {} different, {wide} wide, {high} high", self.sizes.len()));
        self.describe_labels(data, &mut lines);
        lines.extend(self.broken.iter().take(SHOWN).map(|message| format!("broken: {message}")));
        if self.broken.len() > SHOWN {
            lines.push(format!("and {} more broken images", self.broken.len() - SHOWN));
        }
        lines.join("\n") + "\n"
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

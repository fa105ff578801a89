//! `visrep data inspect`: what a source holds, and what is broken in it.

use super::progress_bar;
use crate::commands::output;
use crate::source::{self, Source};
use anyhow::{Context, Result, bail};
use clap::Args;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
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

/// Samples that a thread takes at once: neighbours, which many sources read together.
const RUN: usize = 64;

#[derive(Debug, Default, PartialEq, Eq)]
struct Findings {
    formats: BTreeMap<String, usize>,
    sizes: BTreeMap<(u32, u32), usize>,
    labels: BTreeMap<u32, usize>,
    unlabelled: usize,
    /// Bytes of encoded images, and of those that are stored as pixels.
    encoded: u64,
    pixels: u64,
    /// By index in the dataset.
    broken: BTreeMap<usize, String>,
}

impl Inspect {
    pub(super) fn run(self) -> Result<()> {
        let data = self.source.open()?;
        let progress = progress_bar(data.len())?;
        let findings = Findings::gather(&*data, self.decode, |n| progress.inc(n));
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
    /// Looks at every sample, on as many threads as there are cores; `done` is told of each few.
    fn gather(data: &dyn Dataset, decode: bool, done: impl Fn(u64) + Sync) -> Self {
        let next = AtomicUsize::new(0);
        let look = || {
            let mut findings = Self::default();
            loop {
                let first = next.fetch_add(RUN, Ordering::Relaxed);
                let run = first..(first + RUN).min(data.len());
                if run.is_empty() {
                    return findings;
                }
                let count = run.len() as u64;
                run.for_each(|index| findings.add(data, index, decode));
                done(count);
            }
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            // Fewer threads than asked for do the work as well.
            let others: Vec<_> = (1..threads)
                .filter_map(|_| std::thread::Builder::new().spawn_scoped(scope, look).ok())
                .collect();
            let mut all = look();
            for other in others {
                match other.join() {
                    Ok(findings) => all.merge(findings),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            all
        })
    }

    fn merge(&mut self, other: Self) {
        fn counts<K: Ord>(into: &mut BTreeMap<K, usize>, from: BTreeMap<K, usize>) {
            from.into_iter().for_each(|(key, n)| *into.entry(key).or_default() += n);
        }
        counts(&mut self.formats, other.formats);
        counts(&mut self.sizes, other.sizes);
        counts(&mut self.labels, other.labels);
        self.unlabelled += other.unlabelled;
        self.encoded += other.encoded;
        self.pixels += other.pixels;
        self.broken.extend(other.broken);
    }

    fn add(&mut self, data: &dyn Dataset, index: usize, decode: bool) {
        let options = DecodeOptions::default();
        let looked = data.get(index).map_err(|error| error.to_string()).and_then(|sample| {
            match sample.label {
                Some(label) => *self.labels.entry(label).or_default() += 1,
                None => self.unlabelled += 1,
            }
            let (format, size) = match &sample.image {
                SampleImage::Encoded(bytes) => {
                    self.encoded += bytes.len() as u64;
                    let header = read_header(bytes).map_err(|error| format!("{}: {error}", sample.key))?;
                    (format!("{:?}", header.format), (header.width, header.height))
                }
                SampleImage::Decoded(image) => {
                    self.pixels += image.data().len() as u64;
                    ("pixels".to_owned(), (image.width(), image.height()))
                }
            };
            if decode {
                decode_sample(&sample, &options).map_err(|error| error.to_string())?;
            }
            *self.formats.entry(format).or_default() += 1;
            *self.sizes.entry(size).or_default() += 1;
            Ok(())
        });
        if let Err(message) = looked {
            self.broken.insert(index, message);
        }
    }

    /// What was found, for people.
    fn text(&self, name: &str, data: &dyn Dataset) -> String {
        let mut lines = vec![format!("{name}: {} images", data.len())];
        if self.encoded > 0 {
            lines[0] += &format!(", {} encoded", output::size(self.encoded));
        }
        if self.pixels > 0 {
            lines[0] += &format!(", {} as RGB pixels", output::size(self.pixels));
        }
        let formats: Vec<_> = self.formats.iter().map(|(format, n)| format!("{format} {n}")).collect();
        lines.push(format!("formats: {}", formats.join(", ")));
        let (wide, high) = (self.sides(|size| size.0), self.sides(|size| size.1));
        lines.push(format!(
            "sizes: {} different; smallest, median and largest: {wide} wide, {high} high",
            self.sizes.len()
        ));
        self.describe_labels(data, &mut lines);
        lines.extend(self.broken.values().take(SHOWN).map(|message| format!("broken: {message}")));
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;
    use visrep_data::{InMemory, Sample};
    use visrep_decode::RgbImage;

    #[test]
    fn many_threads_find_what_one_does_in_the_same_order() {
        let sample = |index: u32| {
            let image = RgbImage::filled(1 + index % 5, 3, [index as u8; 3]);
            let image = match index % 7 {
                0 => SampleImage::Encoded(vec![1, 2, 3].into()),
                1 => SampleImage::Decoded(image),
                _ => SampleImage::Encoded(encode_png(&image).unwrap().into()),
            };
            Sample {
                image,
                label: (!index.is_multiple_of(3)).then_some(index % 3),
                key: format!("sample {index}"),
            }
        };
        let data = InMemory::new((0..1000).map(sample).collect(), vec![]);
        let mut one = Findings::default();
        (0..1000).for_each(|index| one.add(&data, index, true));
        let done = AtomicU64::new(0);
        let all = Findings::gather(&data, true, |n| {
            done.fetch_add(n, Ordering::Relaxed);
        });
        assert_eq!((&all, done.into_inner()), (&one, 1000));
        assert_eq!((all.broken.len(), all.formats["pixels"], all.formats["Png"]), (143, 143, 714));
        assert!(all.text("set", &data).contains("broken: sample 0: "));
    }
}

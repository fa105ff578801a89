//! ImageNet-P and CIFAR-10-P: how often, and how far, predictions change along sequences of nearly equal frames (Hendrycks & Dietterich
//! 2019).

use super::folder::{find, missing, need};
use super::head::{Classes, Pass, View, as_stored_protocol, part_of};
use super::published::{Measure, Published};
use crate::Error;
use serde_json::Value;
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use visrep_corrupt::Perturbation;
use visrep_data::{Dataset, Ffmpeg, Fingerprint, RawImages, SequenceFiles, Subset};
use visrep_metrics::{
    RankingDistance, Reference, bootstrap_mean, flip_probability, mean, mean_ranking_distance,
    mean_rate_against_baseline,
};
use visrep_models::Model;
use visrep_probe::{Findings, LEVEL, RESAMPLES, Recorder, SuiteContext, SuiteInfo, TaskVerdicts};

/// A suite of sequences.
pub(super) struct Sequences {
    info: SuiteInfo,
    classes: Classes,
    places: &'static [&'static str],
    form: Form,
    /// Those that means are over.
    benchmark: &'static [Perturbation; 10],
}

#[derive(Clone, Copy)]
enum Form {
    /// A video for each sequence, `PERTURBATION/SYNSET/NAME.mp4`, or a folder of frames, `PERTURBATION/SYNSET/NAME/00.png`.
    Frames,
    /// An array for each perturbation: `PERTURBATION.npy`.
    Arrays,
}

pub(super) const IMAGENET_P: Sequences = Sequences {
    info: SuiteInfo {
        name: "imagenet-p",
        about: "how often predictions flip along sequences of ImageNet's images (Hendrycks & Dietterich 2019)",
        expects: &[
            "imagenet-p/PERTURBATION/SYNSET/NAME.mp4 as published, which the program `ffmpeg` decodes, or NAME/00.png and so on, the frames; \
             gaussian_noise_2, _3 and shot_noise_2, _3 too where they are",
            "imagenet-p/baseline.json, optional: {\"gaussian_noise\": {\"flip\": 0.2, \"top5\": 0.6}, …} for mFR and mT5D",
        ],
        published: "zenodo.org, record 3565846, as H.264, read as it is; or `visrep corrupt --all --suite imagenet-p`",
    },
    classes: Classes::ImageNet1k,
    places: &["imagenet-p", "ImageNet-P"],
    form: Form::Frames,
    benchmark: &Perturbation::BENCHMARK,
};

pub(super) const CIFAR_10_P: Sequences = Sequences {
    info: SuiteInfo {
        name: "cifar-10-p",
        about: "how often predictions flip along sequences of CIFAR-10's images (Hendrycks & Dietterich 2019)",
        expects: &["CIFAR-10-P/PERTURBATION.npy", "CIFAR-10-P/baseline.json, optional"],
        published: "zenodo.org, record 2535967, CIFAR-10-P.tar",
    },
    classes: Classes::Cifar10,
    places: &["CIFAR-10-P", "cifar-10-p"],
    form: Form::Arrays,
    benchmark: &Perturbation::CIFAR_BENCHMARK,
};

/// How hard a comparison is: of noise its strength, for which there are sequences of their own; of the others how many frames lie between
/// two that are compared.
const DIFFICULTIES: [usize; 3] = [1, 2, 3];

/// The sequences of one perturbation: frames one after the other.
struct Part {
    perturbation: Perturbation,
    /// Of noise, the one that was stored; of the others, the highest that is evaluated.
    difficulty: usize,
    frames: Arc<dyn Dataset>,
    /// How many frames each sequence has.
    lengths: Vec<usize>,
    /// How they are stored, for the protocol.
    stored: String,
}

impl Part {
    fn open(
        path: &Path,
        perturbation: Perturbation,
        difficulty: usize,
        form: Form,
        context: &SuiteContext,
        ffmpeg: &OnceCell<Ffmpeg>,
    ) -> Result<Self, Error> {
        let wrong = |problem: String| Error::Layout { path: path.into(), problem };
        let part = match form {
            Form::Arrays => {
                let (data, each) = RawImages::open_npy_sequences(path)?;
                let lengths = vec![each; data.len() / each];
                let chosen = context.places(lengths.len());
                let part = Self {
                    perturbation,
                    difficulty,
                    frames: Arc::new(data),
                    lengths,
                    stored: "arrays".into(),
                };
                if chosen.len() < part.lengths.len() { part.only(&chosen) } else { part }
            }
            Form::Frames => {
                let files = SequenceFiles::below(path)?;
                // Chosen first: of the others nothing is read.
                let chosen = context.places(files.len());
                let files = files.only(&chosen);
                let (count, videos) = (files.len(), files.videos());
                let (frames, lengths) = files.open(|| found(ffmpeg))?;
                let version = ffmpeg.get().map_or("", Ffmpeg::version);
                let published = format!("H.264 as published, ffmpeg {version} ({})", std::env::consts::ARCH);
                let stored = match videos {
                    0 => "frames".to_owned(),
                    _ if videos == count => published,
                    _ => format!("{videos} of {count} as {published}, the others as frames"),
                };
                Self { perturbation, difficulty, frames, lengths, stored }
            }
        };
        if part.lengths.is_empty() {
            return Err(wrong(
                "has no sequences: neither videos, SYNSET/NAME.mp4, nor folders of frames, SYNSET/NAME/00.png and so on".into(),
            ));
        }
        if let Some(sequence) = part.lengths.iter().position(|&length| length < 2) {
            return Err(wrong(format!(
                "has a sequence of one frame (number {sequence}): there is nothing to compare it with"
            )));
        }
        Ok(part)
    }

    /// The chosen sequences.
    fn only(self, chosen: &[usize]) -> Self {
        let starts: Vec<usize> = (self.lengths.iter())
            .scan(0, |start, &length| {
                *start += length;
                Some(*start - length)
            })
            .collect();
        let indices = chosen.iter().flat_map(|&at| starts[at]..starts[at] + self.lengths[at]).collect();
        let lengths = chosen.iter().map(|&at| self.lengths[at]).collect();
        Self { frames: Arc::new(Subset::new(self.frames, indices)), lengths, ..self }
    }

    /// What is compared with what, with the difficulty of it. A stride that is longer than a sequence is left out.
    fn comparisons(&self) -> Vec<(usize, Reference)> {
        // Frames of noise have no order: each is compared with the first, which is clean.
        if self.perturbation.is_noise() {
            return vec![(self.difficulty, Reference::First)];
        }
        let strides =
            (1..=self.difficulty).filter(|stride| self.lengths.iter().all(|length| length > stride));
        strides.map(|stride| (stride, Reference::Previous { stride })).collect()
    }

    /// The sequences, by their first frames.
    fn names(&self) -> Vec<String> {
        let first = |start: &mut usize, &length: &usize| {
            let key = self.frames.key(*start);
            *start += length;
            Some(key)
        };
        self.lengths.iter().scan(0, first).collect()
    }

    /// What each comparison comes to.
    fn measure(&self, pass: &Pass<'_>) -> Result<Vec<Along>, Error> {
        let comparisons = self.comparisons();
        let mut found = vec![(Vec::new(), Vec::new()); comparisons.len()];
        let mut lengths = self.lengths.iter().copied();
        let mut length = lengths.next().unwrap_or_default();
        let mut sequence: Vec<Vec<f64>> = Vec::with_capacity(length);
        pass.each(Arc::clone(&self.frames), View::AsStored, self.perturbation.name(), |_, logits| {
            let classes = usize::try_from(logits.size()[1]).unwrap_or(1);
            let values = Vec::<f32>::try_from(logits.f_flatten(0, -1)?)?;
            for row in values.chunks_exact(classes) {
                sequence.push(row.iter().copied().map(f64::from).collect());
                if sequence.len() < length {
                    continue;
                }
                let predictions: Vec<i64> = sequence.iter().map(|row| arg_max(row)).collect();
                let whole = [std::mem::take(&mut sequence)];
                for ((flips, distances), &(_, reference)) in found.iter_mut().zip(&comparisons) {
                    flips.push(flip_probability(&[predictions.as_slice()], reference)?);
                    distances.push(mean_ranking_distance(&whole, reference, RankingDistance::Top5)?);
                }
                length = lengths.next().unwrap_or_default();
            }
            Ok(())
        })?;
        Ok(found)
    }
}

/// The program that decodes videos, looked for once.
fn found(ffmpeg: &OnceCell<Ffmpeg>) -> Result<Ffmpeg, visrep_data::Error> {
    if let Some(found) = ffmpeg.get() {
        return Ok(found.clone());
    }
    let found = Ffmpeg::find()?;
    Ok(ffmpeg.get_or_init(|| found).clone())
}

/// For each sequence, the fraction of flips and the mean top-5 distance.
type Along = (Vec<f64>, Vec<f64>);

/// A perturbation, or the mean, at a difficulty: the first has no number, as the published folders.
fn at(name: &str, difficulty: usize) -> String {
    if difficulty == 1 { name.to_owned() } else { format!("{name}_{difficulty}") }
}

fn arg_max(row: &[f64]) -> i64 {
    (1..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best }) as i64
}

impl Published for Sequences {
    type Found = Opened;

    fn info(&self) -> SuiteInfo {
        self.info
    }

    fn tasks(&self) -> Vec<String> {
        self.benchmark.iter().map(|perturbation| perturbation.name().to_owned()).collect()
    }

    fn find(&self, root: &Path, task: Option<&str>, context: &SuiteContext) -> Result<Opened, Error> {
        let folder = need(&self.info, root, self.places)?;
        let (mut parts, mut notes, ffmpeg) = (Vec::new(), Vec::new(), OnceCell::new());
        let asked = |perturbation: &Perturbation| task.is_none_or(|task| task == perturbation.name());
        for perturbation in Perturbation::ALL.into_iter().filter(asked) {
            let stored = |difficulty: usize| match self.form {
                Form::Frames => at(perturbation.name(), difficulty),
                Form::Arrays => format!("{}.npy", at(perturbation.name(), difficulty)),
            };
            let hardest = DIFFICULTIES[DIFFICULTIES.len() - 1];
            // Of noise each difficulty is stored, of the others one is read in several ways.
            let difficulties: &[_] = if perturbation.is_noise() { &DIFFICULTIES } else { &[hardest] };
            for &difficulty in difficulties {
                let name = stored(if perturbation.is_noise() { difficulty } else { 1 });
                match find(&folder, &[&name]) {
                    Some(path) => {
                        parts.push(Part::open(&path, perturbation, difficulty, self.form, context, &ffmpeg)?)
                    }
                    None if self.benchmark.contains(&perturbation) && name == stored(1) => {
                        notes.push(format!("{perturbation}: there is no {}", folder.join(name).display()));
                    }
                    None => {}
                }
            }
        }
        if parts.is_empty() {
            return Err(missing(&self.info, &folder, &[task.unwrap_or("gaussian_noise")]));
        }
        let baseline = find(&folder, &["baseline.json"])
            .map(|path| Baseline::read(&path, self.benchmark))
            .transpose()?;
        let Self { info, classes, benchmark, .. } = *self;
        Ok(Opened { info, classes, benchmark, parts, baseline, notes })
    }
}

/// AlexNet's figures, which its authors never published with their code: measured, or from a source of one's own.
struct Baseline(Value);

impl Baseline {
    fn read(path: &Path, benchmark: &[Perturbation]) -> Result<Self, Error> {
        let bytes =
            std::fs::read(path).map_err(|source| visrep_data::Error::Io { path: path.into(), source })?;
        let found = serde_json::from_slice(&bytes).ok().map(Self);
        let complete = |found: &Self| benchmark.iter().all(|&p| found.of(p).is_some());
        found.filter(complete).ok_or_else(|| Error::Layout {
            path: path.into(),
            problem: format!(
                "is no baseline: for each of the ten perturbations ({}) it must have numbers above 0, as in \
                 {{\"gaussian_noise\": {{\"flip\": 0.2, \"top5\": 0.6}}, …}}",
                benchmark.iter().map(|found| found.name()).collect::<Vec<_>>().join(", ")
            ),
        })
    }

    /// Flip probability and top-5 distance.
    fn of(&self, perturbation: Perturbation) -> Option<(f64, f64)> {
        let number = |key: &str| {
            self.0
                .get(perturbation.name())?
                .get(key)?
                .as_f64()
                .filter(|&value| value > 0.0 && value.is_finite())
        };
        Some((number("flip")?, number("top5")?))
    }
}

pub(super) struct Opened {
    info: SuiteInfo,
    classes: Classes,
    benchmark: &'static [Perturbation; 10],
    parts: Vec<Part>,
    baseline: Option<Baseline>,
    notes: Vec<String>,
}

impl Measure for Opened {
    fn sets(&self) -> Vec<&Arc<dyn Dataset>> {
        self.parts.iter().map(|part| &part.frames).collect()
    }

    fn beside(&self, hash: &mut Fingerprint) -> Result<(), Error> {
        for part in &self.parts {
            hash.text(&at(part.perturbation.name(), part.difficulty));
            part.lengths.iter().for_each(|&length| hash.number(length as u64));
        }
        self.baseline.iter().for_each(|Baseline(figures)| hash.text(&figures.to_string()));
        Ok(())
    }

    fn measure(&self, model: &Model, context: &SuiteContext) -> Result<Findings, Error> {
        let mut record = self.classes.begin(self.info.name, model, context, &self.notes)?;
        record.entry("preprocessing", as_stored_protocol(model.preprocessing()));
        let pass = Pass { model, context };
        let mut found = Vec::new();
        for part in &self.parts {
            let name = part.perturbation.name();
            record.entry("sequences", part.stored.clone());
            let kept = part_of(&at(name, part.difficulty), &part.frames);
            let measured = context.parts.get(&kept, || part.measure(&pass))?;
            for ((difficulty, reference), (flips, distances)) in part.comparisons().into_iter().zip(measured)
            {
                record.entry(
                    "reference",
                    match reference {
                        Reference::First => "the first frame".to_owned(),
                        Reference::Previous { stride: 1 } => "the frame before".to_owned(),
                        Reference::Previous { stride } => format!("the frame {stride} before"),
                    },
                );
                let (flip, distance, n) = (mean(&flips)?, mean(&distances)?, flips.len());
                for (metric, value, values) in
                    [("flip-probability", flip, flips), ("top5-distance", distance, distances)]
                {
                    let interval = bootstrap_mean(&values, RESAMPLES, LEVEL, context.seed)?;
                    let task = at(name, difficulty);
                    record.figure(task.as_str(), metric, value, n, Some(interval));
                    let verdicts = TaskVerdicts::of_values(task, metric, part.names(), values);
                    record.findings.verdicts.push(verdicts);
                }
                if self.benchmark.contains(&part.perturbation) {
                    found.push((difficulty, Found { perturbation: part.perturbation, flip, distance, n }));
                }
            }
        }
        let forms: BTreeSet<&str> = self.parts.iter().map(|part| part.stored.as_str()).collect();
        record.entry("sequences", Vec::from_iter(forms).join("; "));
        record.entry(
            "reference",
            "the first frame for noise, else the frame before, or 2 or 3 before by the difficulty",
        );
        for difficulty in DIFFICULTIES {
            let own = found.iter().filter(|(of, _)| *of == difficulty).map(|&(_, found)| found);
            self.means(&mut record, difficulty, &own.collect::<Vec<_>>())?;
        }
        Ok(record.findings)
    }
}

/// A perturbation's figures.
#[derive(Clone, Copy)]
struct Found {
    perturbation: Perturbation,
    flip: f64,
    distance: f64,
    n: usize,
}

impl Opened {
    /// Adds the means over the benchmark's perturbations at one difficulty, where there are several.
    fn means(&self, record: &mut Recorder<'_>, difficulty: usize, found: &[Found]) -> Result<(), Error> {
        if found.len() < 2 {
            return Ok(());
        }
        let n = found.iter().map(|found| found.n).sum();
        let names: Vec<_> = found.iter().map(|found| found.perturbation.name()).collect();
        record.entry("perturbations", format!("{}: {}", names.len(), names.join(", ")));
        let of = |figure: fn(&Found) -> f64| mean(&found.iter().map(figure).collect::<Vec<_>>());
        record.figure(at("mean", difficulty), "flip-probability", of(|found| found.flip)?, n, None);
        record.figure(at("mean", difficulty), "top5-distance", of(|found| found.distance)?, n, None);
        // The baseline is of the first.
        if difficulty > 1 {
            return Ok(());
        }
        match &self.baseline {
            Some(baseline) if found.len() == self.benchmark.len() => {
                let (mut flips, mut distances) = (Vec::new(), Vec::new());
                for found in found {
                    let Some((of_flips, of_distances)) = baseline.of(found.perturbation) else { continue };
                    flips.push((found.flip, of_flips));
                    distances.push((found.distance, of_distances));
                }
                record.entry("normaliser", "baseline.json");
                record.figure("mean", "mfr", mean_rate_against_baseline(&flips)?, n, None);
                record.figure("mean", "mt5d", mean_rate_against_baseline(&distances)?, n, None);
            }
            Some(_) => record.findings.notes.push("mFR and mT5D are means over all ten perturbations".into()),
            None => record.findings.notes.push(
                "mFR and mT5D need AlexNet's figures, which were never published: give baseline.json".into(),
            ),
        }
        Ok(())
    }
}

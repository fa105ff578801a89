//! What `--all` makes: which set of what data, prepared how.

use super::{Corrupt, benchmark, sequences, tables};
use crate::commands::made::record::Settings;
use crate::commands::{default_workers, output};
use anyhow::{Context, Result, bail};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use visrep_augment::{Compose, Filter, Resize, presets};
use visrep_corrupt::{Corruption, Difficulty, Frost, FrostSource, Perturbation, Scale, Severity, Suite};
use visrep_data::Dataset;

/// The JPEG quality of the published sets.
const PUBLISHED_QUALITY: u8 = 85;
/// How many samples left out are printed one by one.
const SHOWN: usize = 20;

/// A published set, by name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Set {
    Corruptions(Suite),
    /// Sequences, with or without the extras.
    Sequences {
        extra: bool,
    },
}

impl FromStr for Set {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "imagenet-p" => Ok(Self::Sequences { extra: false }),
            "imagenet-p-extra" => Ok(Self::Sequences { extra: true }),
            other => other
                .parse()
                .map(Self::Corruptions)
                .map_err(|error: visrep_corrupt::Error| format!("{error}, imagenet-p, imagenet-p-extra")),
        }
    }
}

/// What is made of each image.
pub(super) enum Kind {
    Corruptions { corruptions: Vec<Corruption>, severities: Vec<Severity>, jpeg: Option<u8>, frost: Frost },
    Sequences { perturbations: Vec<Perturbation>, difficulty: Difficulty },
}

pub(super) struct Plan {
    pub(super) data: Arc<dyn Dataset>,
    pub(super) output: PathBuf,
    /// Rows of each Parquet file of a folder; none for image files, and for one Parquet file, which has no limit.
    pub(super) rows_per_file: Option<usize>,
    pub(super) kind: Kind,
    /// The shorter side after the resize and the side of the crop; none where images are taken as they are.
    pub(super) size: Option<(u32, u32)>,
    pub(super) scale: Scale,
    pub(super) seed: u64,
    pub(super) workers: usize,
    frost: String,
}

impl Plan {
    pub(super) fn new(args: Corrupt) -> Result<Self> {
        let whole = &args.whole;
        let (Some(source), Some(output)) = (&whole.data, whole.output.clone()) else {
            bail!("--all needs --data and --output")
        };
        let size = (!whole.no_crop).then_some((whole.resize, whole.crop));
        if let Some((resize, crop)) = size
            && crop > resize
        {
            bail!("--crop {crop} does not fit into images with a shorter side of {resize}: raise --resize");
        }
        let frost = args.frost()?;
        let shown = match frost.source() {
            FrostSource::Other => {
                format!("other, from {}", args.frost.as_deref().unwrap_or(Path::new("")).display())
            }
            source => source.to_string(),
        };
        let set = whole.suite.unwrap_or(if args.sequence.is_empty() {
            Set::Corruptions(Suite::ImageNetC)
        } else {
            Set::Sequences { extra: true }
        });
        let single = is_parquet(&output);
        let parquet = single || whole.parquet;
        let kind = match set {
            Set::Corruptions(suite) => {
                if !args.sequence.is_empty() {
                    bail!("--sequence and --suite {suite} exclude each other: {suite} has no sequences");
                }
                let jpeg = if whole.no_jpeg { None } else { Some(args.jpeg.unwrap_or(PUBLISHED_QUALITY)) };
                Kind::Corruptions {
                    corruptions: chosen(suite.corruptions(), &args.corruption, &suite.to_string())?,
                    severities: chosen(&Severity::ALL, &args.severity, "the severities")?,
                    jpeg,
                    frost,
                }
            }
            Set::Sequences { extra } => {
                if parquet || args.jpeg.is_some() || !args.corruption.is_empty() || !args.severity.is_empty()
                {
                    bail!(
                        "sequences are written as folders of PNG frames, and have no severities: leave out --corruption, \
                         --severity, --jpeg and Parquet"
                    );
                }
                let all: &[Perturbation] = if extra { &Perturbation::ALL } else { &Perturbation::BENCHMARK };
                let perturbations = chosen(all, &args.sequence, "imagenet-p")?;
                Kind::Sequences { perturbations, difficulty: args.difficulty }
            }
        };
        let scale = args
            .scale
            .unwrap_or_else(|| size.map_or(Scale::ImageNet224, |(_, crop)| Scale::for_size(crop, crop)));
        let rows_per_file = match (single, parquet) {
            (true, _) => Some(usize::MAX),
            (false, true) => Some(whole.rows_per_file),
            _ => None,
        };
        let workers = whole.workers.map_or_else(default_workers, std::num::NonZeroUsize::get);
        let data = source.open()?;
        if data.is_empty() {
            bail!("{source} has no images");
        }
        Ok(Self { data, output, rows_per_file, kind, size, scale, seed: args.seed, workers, frost: shown })
    }

    /// Resize and centre crop, as ImageNet-C's images were prepared.
    pub(super) fn transform(&self) -> Result<Compose> {
        let transform = match self.size {
            Some((resize, crop)) => presets::eval(resize, crop, Filter::Bilinear),
            None => Ok(Compose::new()),
        };
        transform.context("--resize and --crop")
    }

    /// The resize alone: sequences crop by themselves, since what moves comes from outside the crop.
    pub(super) fn resize(&self) -> Result<Compose> {
        let Some((resize, _)) = self.size else { return Ok(Compose::new()) };
        Ok(Compose::new().then(Resize::shortest_edge(resize, Filter::Bilinear).context("--resize")?))
    }

    /// All that decides what is in the files.
    pub(super) fn settings(&self) -> Settings {
        let prepare = match self.size {
            Some((resize, crop)) => {
                format!("shorter side {resize} (bilinear, antialiased), central {crop}x{crop}")
            }
            None => "as stored".to_owned(),
        };
        let last = self.data.len() - 1;
        let names = |names: Vec<String>| names.join(" ");
        let what = match &self.kind {
            Kind::Corruptions { corruptions, severities, jpeg, .. } => json!({
                "corruptions": names(corruptions.iter().map(ToString::to_string).collect()),
                "severities": names(severities.iter().map(ToString::to_string).collect()),
                "jpeg": jpeg,
                "frost": self.frost,
            }),
            Kind::Sequences { perturbations, difficulty } => json!({
                "sequences": names(perturbations.iter().map(ToString::to_string).collect()),
                "difficulty": difficulty.get(),
            }),
        };
        let common = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "images": self.data.len(),
            "first image": self.data.key(0),
            "last image": self.data.key(last),
            "prepared": prepare,
            "constants": self.scale.to_string(),
            "seed": self.seed,
        });
        [what, common].into_iter().filter_map(|part| part.as_object().cloned()).flatten().collect()
    }

    pub(super) fn run(self) -> Result<()> {
        let made = match (&self.kind, self.rows_per_file) {
            (Kind::Sequences { perturbations, difficulty }, _) => {
                sequences::write(&self, perturbations, *difficulty)?
            }
            (Kind::Corruptions { .. }, None) => benchmark::write(&self)?,
            (Kind::Corruptions { .. }, Some(rows)) => tables::write(&self, rows)?,
        };
        let mut text = format!("{}: {} files", self.output.display(), made.written + made.kept);
        if made.kept > 0 {
            text += &format!(", {} of them from an earlier run", made.kept);
        }
        text.push('\n');
        for (name, value) in self.settings() {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            text += &format!("  {name}: {}\n", if value == "null" { "none" } else { &value });
        }
        text.extend(made.broken.iter().take(SHOWN).map(|message| format!("left out: {message}\n")));
        if made.broken.len() > SHOWN {
            text += &format!("and {} more left out\n", made.broken.len() - SHOWN);
        }
        output::say(&text)?;
        if made.left_out > 0 {
            bail!("{} of {} images were left out", made.left_out, self.data.len());
        }
        Ok(())
    }
}

/// Whether `path` is one Parquet file.
fn is_parquet(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("parquet"))
}

/// Those of `all` that were asked for, in the published order; all where none was.
fn chosen<T: Copy + PartialEq + std::fmt::Display>(all: &[T], asked: &[T], of: &str) -> Result<Vec<T>> {
    if let Some(other) = asked.iter().find(|&item| !all.contains(item)) {
        let known: Vec<_> = all.iter().map(ToString::to_string).collect();
        bail!("{other} is not one of {of}: {}", known.join(", "));
    }
    Ok(all.iter().copied().filter(|item| asked.is_empty() || asked.contains(item)).collect())
}

//! `visrep data si-score`: objects laid over backgrounds at every size, place and angle.

mod objects;
mod tables;

use crate::commands::made::{files, record};
use crate::commands::{default_workers, output};
use anyhow::{Context, Result, bail};
use clap::Args;
use files::{Done, Failure};
use objects::Scenes;
use serde_json::{Value, json};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use visrep_corrupt::encode_jpeg;
use visrep_robustness::si_score::SiScoreSet;

/// The JPEG quality of the published images: Pillow's when none is asked for.
const QUALITY: u8 = 75;
/// How many scenes left out are printed one by one.
const SHOWN: usize = 20;
/// The file in a set's folder that says how it was made.
const RECORD: &str = "visrep-si-score.json";

/// Make SI-Score's sets of your own objects and backgrounds
///
/// SI-Score measures how accuracy depends on an object's size, place and angle. Every object of --foregrounds is laid over
/// some backgrounds at each value of the published grids: 100 sizes (1 to 100 % of the image) and 18 angles (1 to 341 degrees, at four
/// sizes) in the middle of images of 512 pixels, and 21 x 21 places at 20 % of images of 500 pixels. The result has the layout of the
/// published sets, and `visrep bench si-score` measures models on it.
///
/// --foregrounds holds a folder for each class, named as in SI-Score (koala, toaster, 'hot dog', ...) or by a synset of ImageNet
/// (n01882714), with PNG files whose alpha channel cuts the object out. Objects in other files need --masks.
///
/// A run that was stopped goes on when it is started again, and ends with the same bytes; the number of threads changes nothing.
/// Files that cannot be read are skipped and listed, and the exit code is then 1.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    visrep data si-score --foregrounds objects --backgrounds scenes --output ~/datasets/si-score\n  \
    visrep data si-score --foregrounds photos --masks masks --backgrounds scenes --set rotation --output my/si-score\n  \
    visrep bench si-score --model resnet50 --weights resnet50.safetensors --data ~/datasets\n\n\
    The published objects and backgrounds: github.com/google-research/si-score. The published sets: `visrep data get si-score`.\n\
    One object on one background makes 100 + 441 + 72 images, about 25 MB.")]
pub struct SiScore {
    /// Objects: DIR/CLASS/NAME.png with an alpha channel
    #[arg(long, value_name = "DIR")]
    foregrounds: PathBuf,
    /// Which pixels of the objects cover the background: DIR/CLASS/NAME.png in grey, white covers, of the same sizes [default: the
    /// objects' alpha channels]
    #[arg(long, value_name = "DIR")]
    masks: Option<PathBuf>,
    /// Pictures at any depth below a folder; the largest square from the top left corner of each is used
    #[arg(long, value_name = "DIR")]
    backgrounds: PathBuf,
    /// Where the sets go: OUT/area, OUT/location20_area02_min0pc, OUT/rotation; `visrep bench` finds them where OUT is ROOT/si-score
    #[arg(long, value_name = "OUT")]
    output: PathBuf,
    /// Which sets: size, location, rotation, separated by commas [default: all]
    #[arg(long = "set", value_name = "NAME", value_delimiter = ',')]
    sets: Vec<SiScoreSet>,
    /// Backgrounds that each object is laid over, drawn by --seed
    #[arg(long, value_name = "N", default_value = "2")]
    backgrounds_per_object: NonZeroUsize,
    /// Leave out images with less than this share of the object's rectangle inside, 0 to 1 [default: 0.95, for location 0]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    least_inside: Option<f64>,
    /// Seed of the choice of backgrounds
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Threads [default: one for each core]
    #[arg(long, value_name = "N")]
    workers: Option<NonZeroUsize>,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share @ 0.0..=1.0) => Ok(share),
        _ => Err("expected a share from 0 to 1, such as 0.95".to_owned()),
    }
}

impl SiScore {
    pub(super) fn run(self) -> Result<()> {
        let scenes = Scenes::open(
            &self.foregrounds,
            self.masks.as_deref(),
            &self.backgrounds,
            self.backgrounds_per_object.get(),
            self.seed,
        )?;
        let mut left_out = 0;
        for set in SiScoreSet::ALL.into_iter().filter(|set| self.sets.is_empty() || self.sets.contains(set)) {
            left_out = left_out.max(self.make(set, &scenes)?);
        }
        if left_out > 0 {
            bail!("{left_out} of {} scenes (an object on a background) were left out", scenes.len());
        }
        output::say(&next(&self.output))
    }

    /// One set; the number of scenes that had to be left out.
    fn make(&self, set: SiScoreSet, scenes: &Scenes) -> Result<usize> {
        let folder = self.output.join(set.folder());
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let least_inside = self.least_inside.unwrap_or_else(|| set.least_inside());
        let settings = self.settings(set, least_inside, scenes)?;
        let _held = record::claim(&folder, RECORD, &settings)?;
        let variations = set.variations();
        let workers = self.workers.map_or_else(default_workers, NonZeroUsize::get);
        eprintln!("{set}: {} scenes, {} images of each", scenes.len(), variations.len());
        // The sides of the object of each scene that could be made: what its rows in metadata.csv follow from.
        let made = Mutex::new(vec![None; scenes.len()]);
        let done = files::each_sample(scenes.len(), workers, |nth| {
            let scene = scenes.read(nth, set.side())?;
            let size = (scene.object.width(), scene.object.height());
            let class = folder.join(scenes.class_of(nth));
            let (mut written, mut kept) = (0, 0);
            for (place, variation) in variations.iter().enumerate() {
                let placement = variation.place(size, set.side());
                if placement.inside < least_inside {
                    continue;
                }
                let path = class.join(format!("{}.jpg", place * scenes.len() + nth));
                if files::is_whole(&path) {
                    kept += 1;
                    continue;
                }
                let image = variation.draw(&scene.object, &scene.background, &placement);
                let bytes = encode_jpeg(&image, QUALITY).map_err(|error| Failure::Fatal(error.into()))?;
                files::write(&path, &bytes)?;
                written += 1;
            }
            made.lock().unwrap_or_else(PoisonError::into_inner)[nth] = Some(size);
            Ok((written, kept))
        })?;
        let made = made.into_inner().unwrap_or_else(PoisonError::into_inner);
        tables::write(&folder, set, &variations, least_inside, scenes, &made)?;
        tell(&folder, &done)?;
        if done.written + done.kept == 0 {
            if done.left_out == scenes.len() {
                bail!("{}: there are no images, for no scene could be read", folder.display());
            }
            bail!(
                "{}: no object lies inside its image as far as is asked for: lower --least-inside",
                folder.display()
            );
        }
        Ok(done.left_out)
    }

    /// All that decides what is in the files.
    fn settings(&self, set: SiScoreSet, least_inside: f64, scenes: &Scenes) -> Result<record::Settings> {
        let settings = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "set": set.name(),
            "objects": scenes.objects(),
            "backgrounds": scenes.backgrounds(),
            "inputs": scenes.fingerprint()?,
            "masks": self.masks.as_ref().map(|folder| folder.display().to_string()),
            "backgrounds per object": scenes.per_object(),
            "least inside": least_inside,
            "seed": self.seed,
        });
        match settings {
            Value::Object(settings) => Ok(settings),
            _ => bail!("settings are names with values"),
        }
    }
}

fn tell(folder: &Path, done: &Done) -> Result<()> {
    let mut text = format!("{}: {} images", folder.display(), done.written + done.kept);
    if done.kept > 0 {
        text += &format!(", {} of them from an earlier run", done.kept);
    }
    text.push('\n');
    text.extend(done.broken.iter().take(SHOWN).map(|message| format!("left out: {message}\n")));
    if done.broken.len() > SHOWN {
        text += &format!("and {} more left out\n", done.broken.len() - SHOWN);
    }
    output::say(&text)
}

/// How models are measured on what was made: the suite looks for a folder that is called si-score.
fn next(output: &Path) -> String {
    match (output.file_name(), output.parent()) {
        (Some(name), Some(parent)) if name == "si-score" => {
            let root = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            format!("next: visrep bench si-score --model M --weights W --data {}\n", root.display())
        }
        _ => format!(
            "`visrep bench si-score --data ROOT` looks for ROOT/si-score: call {} so, or link it there\n",
            output.display()
        ),
    }
}

//! ImageNet-9 and the background challenge: how much decisions rest on the background (Xiao et al. 2021).

use super::figures::share;
use super::folder::{coverage, find, missing, need};
use super::head::{Classes, Pass, View, as_stored_protocol, keys_and_labels, part_of};
use super::published::{Measure, Published};
use crate::Error;
use crate::classes::{IMAGENET_9_CLASSES, imagenet_9_label};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use tch::Tensor;
use visrep_augment::RgbImage;
use visrep_data::{Dataset, ImageFolder, Map, NpyArray, PixelCache, Sample, SampleImage, decode_sample};
use visrep_decode::DecodeOptions;
use visrep_metrics::compare_paired;
use visrep_models::Model;
use visrep_probe::{Findings, LEVEL, Progress, RESAMPLES, Recorder, SuiteContext, SuiteInfo, TaskVerdicts};

const INFO: SuiteInfo = SuiteInfo {
    name: "imagenet-9",
    about: "nine classes with their backgrounds swapped or gone; BG-Gap (Xiao et al. 2021)",
    expects: &["bg_challenge/original/val/00_dog/", "bg_challenge/mixed_same/val/", "… and six more"],
    published: "github.com/MadryLab/backgrounds_challenge, backgrounds_challenge_data.tar.gz",
};

const CHALLENGE: SuiteInfo = SuiteInfo {
    name: "background-challenge",
    about: "foregrounds that no background of the test set makes the model mistake (Xiao et al. 2021)",
    expects: &[
        "bg_challenge/fg_mask/val/CLASS/*.npy",
        "bg_challenge/original/val/",
        "bg_challenge/only_bg_t/val/",
    ],
    published: INFO.published,
};

const PLACES: &[&str] = &["bg_challenge", "imagenet-9"];

/// Images of each variant as published, 450 of each class.
const PUBLISHED: usize = 4050;

/// The variants, as their folders are named.
const VARIANTS: [&str; 8] =
    ["original", "mixed_same", "mixed_rand", "mixed_next", "only_fg", "no_fg", "only_bg_b", "only_bg_t"];

/// Most that decoded backgrounds may take in memory.
const MAX_BYTES: usize = 4 << 30;

/// The images of a variant, labelled 0 to 8 by the number that begins their folder's name: `00_dog`.
fn variant(path: &Path) -> Result<Arc<dyn Dataset>, Error> {
    let path = path.join("val");
    let base = ImageFolder::open(&path)?;
    let label = |name: &String| match name.split('_').next().unwrap_or_default().parse() {
        Ok(label @ 0..9_u32) => Ok(label),
        _ => Err(Error::Layout {
            path: path.clone(),
            problem: format!(
                "has the folder '{name}', whose name does not begin with a class from 00 to 08, as 00_dog does"
            ),
        }),
    };
    let labels = base.classes().iter().map(label).collect::<Result<Vec<_>, _>>()?;
    let names = IMAGENET_9_CLASSES.map(|(name, _)| name.to_owned()).to_vec();
    let map = move |label: Option<u32>| label.and_then(|label| labels.get(label as usize).copied());
    Ok(Arc::new(Map::labels(Arc::new(base), names, map)))
}

/// Whether each row's prediction stands for its label; a prediction that stands for none of the nine is wrong.
fn verdicts(logits: &Tensor, labels: &[i64]) -> Result<Vec<bool>, Error> {
    let predictions = Vec::<i64>::try_from(logits.f_argmax(1, false)?)?;
    let right = |(prediction, &label): (i64, &i64)| {
        let found = u16::try_from(prediction).ok().and_then(imagenet_9_label);
        found.is_some_and(|found| found as i64 == label)
    };
    Ok(predictions.into_iter().zip(labels).map(right).collect())
}

fn begin<'a>(
    info: &'a SuiteInfo,
    model: &'a Model,
    context: &'a SuiteContext,
    notes: &[String],
) -> Result<Recorder<'a>, Error> {
    let mut record = Classes::ImageNet1k.begin(info.name, model, context, notes)?;
    record.entry("preprocessing", as_stored_protocol(model.preprocessing()));
    record.entry("decision", "the arg max of the 1000, mapped to the nine; right if it stands for the class, wrong for the 630 that stand for none");
    Ok(record)
}

/// The suite of variants.
pub(super) struct ImageNet9;

impl Published for ImageNet9 {
    type Found = Variants;

    fn info(&self) -> SuiteInfo {
        INFO
    }

    fn tasks(&self) -> Vec<String> {
        VARIANTS.map(str::to_owned).to_vec()
    }

    fn find(&self, root: &Path, task: Option<&str>, context: &SuiteContext) -> Result<Variants, Error> {
        let folder = need(&INFO, root, PLACES)?;
        let (mut parts, mut notes) = (Vec::new(), Vec::new());
        for name in VARIANTS.into_iter().filter(|name| task.is_none_or(|task| task == *name)) {
            match find(&folder, &[name]) {
                Some(path) => {
                    let data = variant(&path)?;
                    parts.push((name, coverage(data.len(), PUBLISHED), context.limited(data)));
                }
                None => notes.push(format!("{name}: there is no {}", folder.join(name).display())),
            }
        }
        if parts.is_empty() {
            return Err(missing(&INFO, &folder, &[task.unwrap_or(VARIANTS[0])]));
        }
        Ok(Variants { parts, notes })
    }
}

pub(super) struct Variants {
    /// Each variant, how much of it is there, and the images.
    parts: Vec<(&'static str, String, Arc<dyn Dataset>)>,
    notes: Vec<String>,
}

impl Measure for Variants {
    fn sets(&self) -> Vec<&Arc<dyn Dataset>> {
        self.parts.iter().map(|(.., data)| data).collect()
    }

    fn measure(&self, model: &Model, context: &SuiteContext) -> Result<Findings, Error> {
        let mut record = begin(&INFO, model, context, &self.notes)?;
        let pass = Pass { model, context };
        let mut found = Vec::new();
        for (name, coverage, data) in &self.parts {
            record.entry("images", coverage.clone());
            let judged = pass.verdicts(data, View::AsStored, name, verdicts)?;
            let (accuracy, interval) = share(&judged.correct)?;
            record.figure(*name, "top1", accuracy, judged.correct.len(), Some(interval));
            found.push((*name, (keys_and_labels(data)?.1, judged.correct.clone())));
            record.findings.verdicts.push(judged);
        }
        record.protocol.remove("images");
        let of = |name: &str| found.iter().find(|(found, _)| *found == name).map(|(_, found)| found);
        if let (Some((of_same, same)), Some((of_random, random))) = (of("mixed_same"), of("mixed_rand")) {
            let accuracy = |correct: &[bool]| share(correct).map(|(accuracy, _)| accuracy);
            let gap = accuracy(same)? - accuracy(random)?;
            // The variants have the same foregrounds in the same order where they are complete.
            let interval = if of_same == of_random {
                Some(compare_paired(random, same, RESAMPLES, LEVEL, context.seed)?.interval)
            } else {
                None
            };
            record.figure(INFO.name, "bg-gap", gap, same.len(), interval);
        }
        Ok(record.findings)
    }
}

/// The suite of the challenge.
pub(super) struct BackgroundChallenge;

impl Published for BackgroundChallenge {
    type Found = Challenge;

    fn info(&self) -> SuiteInfo {
        CHALLENGE
    }

    fn find(&self, root: &Path, _task: Option<&str>, context: &SuiteContext) -> Result<Challenge, Error> {
        let folder = need(&CHALLENGE, root, PLACES)?;
        let masks = need(&CHALLENGE, &folder, &["fg_mask"])?.join("val");
        let all = variant(&need(&CHALLENGE, &folder, &["original"])?)?;
        let backgrounds = variant(&need(&CHALLENGE, &folder, &["only_bg_t"])?)?;
        let masked: Vec<_> =
            (0..all.len()).filter(|&index| mask_of(&masks, &all.key(index)).is_file()).collect();
        if masked.is_empty() {
            let problem =
                "has no mask of an image of original/val, such as 00_dog/NAME.npy for 00_dog/NAME.JPEG";
            return Err(Error::Layout { path: masks, problem: problem.into() });
        }
        let foregrounds = context.limited(Arc::new(visrep_data::Subset::new(all, masked)));
        Ok(Challenge { foregrounds, masks, backgrounds })
    }
}

pub(super) struct Challenge {
    /// Images that have a mask, with its file.
    foregrounds: Arc<dyn Dataset>,
    masks: std::path::PathBuf,
    backgrounds: Arc<dyn Dataset>,
}

impl Measure for Challenge {
    fn sets(&self) -> Vec<&Arc<dyn Dataset>> {
        vec![&self.foregrounds, &self.backgrounds]
    }

    fn measure(&self, model: &Model, context: &SuiteContext) -> Result<Findings, Error> {
        let mut record = begin(&CHALLENGE, model, context, &[])?;
        record.entry("backgrounds", format!("{} of only_bg_t, of every class", self.backgrounds.len()));
        let cached = PixelCache::new(Arc::clone(&self.backgrounds), &DecodeOptions::default(), MAX_BYTES)?;
        let backgrounds: Arc<dyn Dataset> = Arc::new(cached);
        let mut progress = Progress::new(context.progress, CHALLENGE.name, self.foregrounds.len());
        let quiet = SuiteContext { progress: false, ..context.clone() };
        let pass = Pass { model, context: &quiet };
        let mut held = context.parts.row(&part_of(CHALLENGE.name, &self.foregrounds), self.foregrounds.len());
        progress.reach(held.len());
        for index in held.len()..self.foregrounds.len() {
            let sample = self.foregrounds.get(index)?;
            let label =
                sample.label.map(i64::from).ok_or_else(|| Error::NoLabel { key: sample.key.clone() })?;
            let image = decode_sample(&sample, &DecodeOptions::default())?;
            let mask = read_mask(&mask_of(&self.masks, &sample.key), &image)?;
            let pasted = paste(&backgrounds, image, mask);
            let mut holds = true;
            pass.each_until(pasted, View::AsStored, CHALLENGE.name, |batch, logits| {
                holds = verdicts(logits, &vec![label; batch.labels.len()])?.into_iter().all(|right| right);
                Ok(if holds { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
            })?;
            held.push([holds])?;
            progress.advance(1);
        }
        let held = held.finish()?;
        let (keys, labels) = keys_and_labels(&self.foregrounds)?;
        let (accuracy, interval) = share(&held)?;
        record.figure(CHALLENGE.name, "top1", accuracy, held.len(), Some(interval));
        record.findings.verdicts.push(TaskVerdicts::new(CHALLENGE.name, &keys, &labels, held));
        Ok(record.findings)
    }
}

fn mask_of(masks: &Path, key: &str) -> std::path::PathBuf {
    masks.join(key).with_extension("npy")
}

/// Whether each pixel of `image` belongs to the foreground.
fn read_mask(path: &Path, image: &RgbImage) -> Result<Vec<bool>, Error> {
    let array = NpyArray::read(path)?;
    let expected = [image.height() as usize, image.width() as usize];
    if array.shape != expected {
        let problem = format!("holds an array {:?}, its image is {expected:?}", array.shape);
        return Err(Error::Layout { path: path.into(), problem });
    }
    Ok(array.values.iter().map(|&value| value != 0.0).collect())
}

/// Every background with the foreground on it.
fn paste(backgrounds: &Arc<dyn Dataset>, image: RgbImage, mask: Vec<bool>) -> Arc<dyn Dataset> {
    Arc::new(Map::images(Arc::clone(backgrounds), move |background, key| {
        let sample = Sample { image: background, label: None, key: key.into() };
        let below = decode_sample(&sample, &DecodeOptions::default())?;
        if (below.width(), below.height()) != (image.width(), image.height()) {
            let size = |image: &RgbImage| format!("{}x{}", image.width(), image.height());
            let problem =
                format!("is a background of {}, and the foreground is {}", size(&below), size(&image));
            return Err(visrep_data::Error::Row { key: key.into(), problem });
        }
        let mut pixels = below.into_data();
        for ((pixel, above), &covered) in
            pixels.chunks_exact_mut(3).zip(image.data().chunks_exact(3)).zip(&mask)
        {
            if covered {
                pixel.copy_from_slice(above);
            }
        }
        let whole = RgbImage::new(image.width(), image.height(), pixels);
        Ok(SampleImage::Decoded(
            whole.map_err(|source| visrep_data::Error::Decode { key: key.into(), source })?,
        ))
    }))
}

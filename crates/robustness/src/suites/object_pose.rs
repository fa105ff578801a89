//! ObjectPose: rendered objects turned around one axis after the other (Abbas & Deny 2023).
//!
//! Images lie at `AXIS/BACKGROUND/OBJECT_AXIS_360/images/OBJECT_axis_background_ANGLE.png` (`run_objectpose.py` and
//! `Datasets/generate360.py` of amro-kamal/ObjectPose). Poses within ten degrees of upright are the usual ones.

use super::figures::share;
use super::folder::{find, missing};
use super::head::{Classes, Pass, View, keys_and_labels};
use super::published::{Measure, Published};
use super::si_score::add_shown;
use crate::Error;
use crate::classes::{OBJECT_POSE_CLASSES, object_pose_classes};
use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::sync::Arc;
use tch::Tensor;
use visrep_data::{Dataset, Fingerprint, ImageFiles};
use visrep_metrics::bootstrap;
use visrep_models::Model;
use visrep_probe::{
    FactorValue, Findings, LEVEL, RESAMPLES, Recorder, Shown, SuiteContext, SuiteInfo, TaskVerdicts,
    record_by_value,
};

const INFO: SuiteInfo = SuiteInfo {
    name: "objectpose",
    about: "17 rendered objects turned around three axes; drop from usual to unusual poses (Abbas & Deny 2023)",
    expects: &["ObjectPose/{ROLL,YAW,PITCH}/{bg1,bg2,nobg}/OBJECT_AXIS_360/images/OBJECT_axis_bg_ANGLE.png"],
    published: "huggingface.co/datasets/Amro-Kamal/ObjectPose, Data.zip",
};

const PLACES: &[&str] = &["ObjectPose", "objectpose", "ObjectPose_dataset/ObjectPose"];

/// The axes: tasks and folders.
const AXES: [(&str, &str); 3] = [("roll", "ROLL"), ("yaw", "YAW"), ("pitch", "PITCH")];

/// Degrees from upright up to which a pose is usual.
const USUAL: u32 = 10;

/// The suite.
pub(super) struct ObjectPose;

/// The images around one axis.
struct Axis {
    task: &'static str,
    data: Arc<dyn Dataset>,
    /// Angles; the object is the label.
    shown: Vec<Shown>,
    backgrounds: Vec<String>,
    found: usize,
}

/// What a file's name and folder say.
struct Rendering {
    object: usize,
    angle: u32,
    background: String,
}

impl Rendering {
    /// From a path below an axis's folder.
    fn of(key: &str) -> Option<Self> {
        let (folders, file) = key.rsplit_once('/')?;
        let (stem, _) = file.rsplit_once('.')?;
        let (object, rest) = stem.split_once('_')?;
        let angle = rest.rsplit('_').next()?.parse().ok().filter(|angle| *angle <= 360)?;
        let background = folders.split('/').next()?.to_owned();
        Some(Self { object: object_pose_classes(object)?.0, angle, background })
    }
}

fn axis(task: &'static str, folder: &Path, context: &SuiteContext) -> Result<Axis, Error> {
    let listed = ImageFiles::below(folder)?;
    let keys: Vec<String> = (0..listed.len()).map(|index| listed.key(index)).collect();
    let renderings = keys.iter().map(|key| {
        Rendering::of(key).ok_or_else(|| Error::Layout {
            path: folder.join(key),
            problem: "is not named as ObjectPose's images are, BACKGROUND/OBJECT_AXIS_360/images/OBJECT_axis_background_ANGLE.png, \
                      with one of its 17 objects and an angle from 0 to 360"
                .to_owned(),
        })
    });
    let renderings = renderings.collect::<Result<Vec<_>, _>>()?;
    let of = |rendering: &Rendering| (rendering.object, rendering.background.clone());
    let upright: HashSet<_> = renderings.iter().filter(|rendering| rendering.angle == 0).map(of).collect();
    let (mut files, mut shown, mut backgrounds) = (Vec::new(), Vec::new(), Vec::new());
    let mut scenes: Vec<(usize, String)> = Vec::new();
    for (key, rendering) in keys.into_iter().zip(renderings) {
        // 360 degrees is 0 again.
        if rendering.angle == 360 && upright.contains(&of(&rendering)) {
            continue;
        }
        let scene = scenes.iter().position(|scene| *scene == of(&rendering)).unwrap_or_else(|| {
            scenes.push(of(&rendering));
            scenes.len() - 1
        });
        files.push((key, Some(rendering.object as u32)));
        let value = FactorValue::new(&[f64::from(rendering.angle)]);
        shown.push(Shown { value, object: rendering.object, scene });
        backgrounds.push(rendering.background);
    }
    if files.is_empty() {
        let problem = "has no image below it: unpack the archive of this axis".to_owned();
        return Err(Error::Layout { path: folder.into(), problem });
    }
    let names = OBJECT_POSE_CLASSES.map(|(name, _)| name.to_owned()).to_vec();
    let found = files.len();
    let places = context.places(found);
    let chosen = |place: &usize| (shown[*place].clone(), backgrounds[*place].clone());
    let (shown, backgrounds) = places.iter().map(chosen).unzip();
    let data = context.limited(Arc::new(ImageFiles::new(folder, files, names)));
    Ok(Axis { task, data, shown, backgrounds, found })
}

impl Published for ObjectPose {
    type Found = Opened;

    fn info(&self) -> SuiteInfo {
        INFO
    }

    fn tasks(&self) -> Vec<String> {
        AXES.map(|(task, _)| task.to_owned()).to_vec()
    }

    fn find(&self, root: &Path, task: Option<&str>, context: &SuiteContext) -> Result<Opened, Error> {
        let asked = || AXES.into_iter().filter(|(name, _)| task.is_none_or(|task| task == *name));
        let folder = find(root, PLACES).unwrap_or_else(|| root.join(PLACES[0]));
        let (mut axes, mut notes) = (Vec::new(), Vec::new());
        for (name, place) in asked() {
            match find(&folder, &[place]) {
                Some(path) => axes.push(axis(name, &path, context)?),
                None => notes.push(format!("{name}: there is no {}", folder.join(place).display())),
            }
        }
        if axes.is_empty() {
            let places: Vec<_> = asked().map(|(_, place)| place).collect();
            return Err(missing(&INFO, &folder, &places));
        }
        Ok(Opened { axes, notes })
    }
}

pub(super) struct Opened {
    axes: Vec<Axis>,
    notes: Vec<String>,
}

/// What a model made of some images.
#[derive(Default)]
struct Seen {
    shown: Vec<Shown>,
    top1: Vec<bool>,
    top5: Vec<bool>,
}

impl Measure for Opened {
    fn sets(&self) -> Vec<&Arc<dyn Dataset>> {
        self.axes.iter().map(|axis| &axis.data).collect()
    }

    fn beside(&self, hash: &mut Fingerprint) -> Result<(), Error> {
        self.axes.iter().flat_map(|axis| &axis.shown).for_each(|shown| add_shown(hash, shown));
        Ok(())
    }

    fn measure(&self, model: &Model, context: &SuiteContext) -> Result<Findings, Error> {
        let mut record = Classes::ImageNet1k.begin(INFO.name, model, context, &self.notes)?;
        record.entry(
            "decision",
            "the arg max of the 1000; right if it is any class that stands for the object",
        );
        record.entry("usual", format!("at most {USUAL} degrees from upright"));
        let mut all = Seen::default();
        let (mut all_keys, mut all_labels, mut of_backgrounds) = (Vec::new(), Vec::new(), Vec::new());
        for axis in &self.axes {
            record.entry("images", format!("{} of this axis", axis.found));
            let pass = Pass { model, context };
            let found = pass.row(&axis.data, View::Evaluation, axis.task, |batch, logits| {
                let best = best_five(logits)?;
                let right = |(best, &label): (&[i64], &i64)| {
                    let own = usize::try_from(label).ok().and_then(|label| OBJECT_POSE_CLASSES.get(label));
                    let own = own.map_or(&[][..], |(_, own)| own);
                    let stands = |class: &i64| own.iter().any(|&own| i64::from(own) == *class);
                    (stands(&best[0]), best.iter().any(stands))
                };
                Ok(best.chunks_exact(5).zip(&batch.labels).map(right).collect())
            })?;
            let (top1, top5) = found.into_iter().unzip();
            let seen = Seen { shown: axis.shown.clone(), top1, top5 };
            let (keys, labels) = keys_and_labels(&axis.data)?;
            poses(&mut record, axis.task, &seen, context.seed)?;
            record_by_value(&mut record, axis.task, &seen.shown, &seen.top1, context.seed)?;
            let verdicts = TaskVerdicts::new(axis.task, &keys, &labels, seen.top1.clone());
            record.findings.verdicts.push(verdicts.showing(&seen.shown));
            all_keys.extend(keys.iter().map(|key| format!("{}/{key}", axis.task)));
            all_labels.extend(&labels);
            of_backgrounds.extend(axis.backgrounds.iter().cloned().zip(seen.top1.iter().copied()));
            all.shown.extend(seen.shown);
            all.top1.extend(seen.top1);
            all.top5.extend(seen.top5);
        }
        if self.axes.len() > 1 {
            record.entry("images", format!("{} around {} axes", all.shown.len(), self.axes.len()));
            poses(&mut record, INFO.name, &all, context.seed)?;
            let verdicts = TaskVerdicts::new(INFO.name, &all_keys, &all_labels, all.top1);
            let objects = all.shown.iter().map(|shown| shown.object);
            record.findings.verdicts.push(verdicts.with_objects(objects));
        }
        let backgrounds: BTreeSet<_> = of_backgrounds.iter().map(|(background, _)| background).collect();
        for background in backgrounds {
            let own = of_backgrounds.iter().filter(|(found, _)| found == background);
            let own: Vec<bool> = own.map(|&(_, right)| right).collect();
            let (accuracy, interval) = share(&own)?;
            record.figure(
                format!("background {background}"),
                "accuracy",
                accuracy,
                own.len(),
                Some(interval),
            );
        }
        Ok(record.findings)
    }
}

/// The indices of the five highest logits of each row, the highest first, one row after the other.
fn best_five(logits: &Tensor) -> Result<Vec<i64>, Error> {
    let (_, indices) = logits.f_topk(5, 1, true, true)?;
    Ok(Vec::<i64>::try_from(indices.f_contiguous()?.f_flatten(0, -1)?)?)
}

/// Accuracy over all poses, over usual and unusual ones, and how much lower it is in these.
fn poses(record: &mut Recorder<'_>, task: &str, seen: &Seen, seed: u64) -> Result<(), Error> {
    for (metric, correct) in [("top1", &seen.top1), ("top5", &seen.top5)] {
        let (accuracy, interval) = share(correct)?;
        record.figure(task, metric, accuracy, correct.len(), Some(interval));
    }
    let is_usual = |shown: &Shown| {
        let angle = shown.value.numbers().next().unwrap_or_default() as u32;
        angle.min(360 - angle) <= USUAL
    };
    let of = |correct: &[bool], usual: bool| -> Vec<bool> {
        let own = seen.shown.iter().zip(correct).filter(|(shown, _)| is_usual(shown) == usual);
        own.map(|(_, &right)| right).collect()
    };
    for (usual, what) in [(true, "usual"), (false, "unusual")] {
        if of(&seen.top1, usual).is_empty() {
            let note = format!("{task}: there are no images of {what} poses, so that there is no drop");
            record.findings.notes.push(note);
            return Ok(());
        }
    }
    let mut accuracies = Vec::new();
    for (metric, correct) in [
        ("top1-usual", of(&seen.top1, true)),
        ("top1-unusual", of(&seen.top1, false)),
        ("top5-usual", of(&seen.top5, true)),
        ("top5-unusual", of(&seen.top5, false)),
    ] {
        let (accuracy, interval) = share(&correct)?;
        record.figure(task, metric, accuracy, correct.len(), Some(interval));
        accuracies.push(accuracy);
    }
    // Right and all, in usual and unusual poses, of each object: whole objects are resampled.
    let mut counts = vec![[0.0_f64; 4]; OBJECT_POSE_CLASSES.len()];
    for (shown, &right) in seen.shown.iter().zip(&seen.top1) {
        let first = if is_usual(shown) { 0 } else { 2 };
        counts[shown.object][first] += f64::from(right);
        counts[shown.object][first + 1] += 1.0;
    }
    counts.retain(|counts| counts[1] > 0.0 && counts[3] > 0.0);
    let drop = |sample: &[usize]| {
        let sum = |which: usize| sample.iter().map(|&object| counts[object][which]).sum::<f64>();
        sum(0) / sum(1) - sum(2) / sum(3)
    };
    let interval =
        if counts.len() < 2 { None } else { Some(bootstrap(counts.len(), drop, RESAMPLES, LEVEL, seed)?) };
    record.figure(task, "drop", accuracies[0] - accuracies[1], seen.top1.len(), interval);
    Ok(())
}

//! Adversarial attacks on a classifier of ImageNet's validation images, or of CIFAR-10's test images.

use super::attack_tasks::{CIFAR_10, IMAGENET, Task};
use super::figures::share;
use super::folder::{ClassFolders, VAL, VAL_PUBLISHED, class_folders, find, need};
use super::head::{Classes, part_of};
use super::pixels::Pixels;
use super::published::{Measure, Published};
use crate::Error;
use crate::attack::{ModelVictim, classified_right};
use rand::RngExt as _;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use visrep_augment::view_rng;
use visrep_data::{Dataset, Fingerprint, RawImages, Subset};
use visrep_models::{Model, ModelOptions};
use visrep_perceptual::{LpipsNet, PerceptualDistance};
use visrep_probe::{Findings, Progress, SuiteContext, SuiteInfo, TaskVerdicts, limited};
use visrep_torch::Generator;

/// A suite of attacks.
pub(super) struct Attacks {
    info: SuiteInfo,
    classes: Classes,
    tasks: &'static [(&'static str, Task)],
    /// Attacks within one ball, by how their names end: of those that were run the worst case is reported too.
    together: &'static [&'static str],
}

pub(super) const ATTACKS: Attacks = Attacks {
    info: SuiteInfo {
        name: "attacks",
        about: "accuracy under FGSM, PGD, Auto-PGD, Square, LPA, rotations and translations, on 1000 images unless --limit says otherwise",
        expects: &[
            "imagenet/val/SYNSET/",
            "robustbench/imagenet_test_image_ids.txt, optional: RobustBench's images, the first 5000 of the list, instead of 1000",
            "lpips/alexnet.{safetensors,pth}, for lpa (`visrep weights get alexnet.tv_in1k`)",
        ],
        published: VAL_PUBLISHED,
    },
    classes: Classes::ImageNet1k,
    tasks: IMAGENET,
    together: &["-linf-4"],
};

pub(super) const ATTACKS_CIFAR_10: Attacks = Attacks {
    info: SuiteInfo {
        name: "attacks-cifar-10",
        about: "the same on CIFAR-10 at 8/255 in L-infinity and 0.5 in L2, on 1000 images unless --limit says otherwise",
        expects: &["cifar-10-batches-bin/test_batch.bin"],
        published: "cs.toronto.edu/~kriz/cifar.html, cifar-10-binary.tar.gz",
    },
    classes: Classes::Cifar10,
    tasks: CIFAR_10,
    together: &["-linf-8", "-l2-0.5"],
};

/// Images that are attacked unless the user says otherwise.
const IMAGES: usize = 1000;

/// Where CIFAR-10's test images may lie.
const CIFAR: &[&str] =
    &["cifar-10-batches-bin/test_batch.bin", "cifar-10/test_batch.bin", "cifar10/test_batch.bin"];

/// Where RobustBench's list of ImageNet's images may lie, and how many of it are used.
const LIST: &[&str] = &[
    "robustbench/imagenet_test_image_ids.txt",
    "imagenet_test_image_ids.txt",
    "imagenet/imagenet_test_image_ids.txt",
];
const LISTED: usize = 5000;

/// Where the network may lie whose distance bounds LPA, which is published for torchvision's AlexNet.
const TRUNK: &[&str] = &["lpips/alexnet.safetensors", "lpips/alexnet.pth"];
const TRUNK_PUBLISHED: &str =
    "torchvision's alexnet-owt-7be5be79.pth, by `visrep weights get alexnet.tv_in1k`";

impl Published for Attacks {
    type Found = Opened;

    fn info(&self) -> SuiteInfo {
        self.info
    }

    fn tasks(&self) -> Vec<String> {
        self.tasks.iter().map(|(name, _)| (*name).to_owned()).collect()
    }

    fn find(&self, root: &Path, task: Option<&str>, context: &SuiteContext) -> Result<Opened, Error> {
        let (data, images) = self.images(root, context)?;
        let mut tasks: Vec<_> =
            self.tasks.iter().copied().filter(|(name, _)| task.is_none_or(|task| task == *name)).collect();
        let trunk = find(root, TRUNK);
        let mut notes = Vec::new();
        if trunk.is_none() {
            let needed = |task: &Task| matches!(task, Task::Lagrangian { .. });
            let left_out: Vec<_> =
                tasks.extract_if(.., |(_, task)| needed(task)).map(|(name, _)| name).collect();
            let paths: Vec<_> = TRUNK.iter().map(|name| root.join(name)).collect();
            if tasks.is_empty() {
                let published = TRUNK_PUBLISHED;
                let suite = self.info.name;
                return Err(visrep_probe::Error::MissingData { suite, paths, published }.into());
            }
            for name in left_out {
                notes.push(format!("{name}: there is no {} ({TRUNK_PUBLISHED})", paths[0].display()));
            }
        }
        let Self { info, classes, together, .. } = *self;
        Ok(Opened { info, classes, together, data, images, tasks, trunk, notes })
    }
}

impl Attacks {
    /// The images, and which they are.
    fn images(&self, root: &Path, context: &SuiteContext) -> Result<(Arc<dyn Dataset>, String), Error> {
        let (all, of): (Arc<dyn Dataset>, _) = match self.classes {
            Classes::Cifar10 => (
                Arc::new(RawImages::open_cifar10(&[need(&self.info, root, CIFAR)?])?),
                "CIFAR-10's test images",
            ),
            Classes::ImageNet1k => {
                let all = class_folders(&need(&self.info, root, VAL)?, ClassFolders::Synsets(None))?;
                if let Some(list) = find(root, LIST) {
                    let data = context.limited(listed(&all, &list)?);
                    let images = format!("{}, of the first {LISTED} of RobustBench's list", data.len());
                    return Ok((data, images));
                }
                (all, "ImageNet's validation images")
            }
        };
        let data = limited(all, context.limit.unwrap_or(IMAGES));
        let images = format!("{}, evenly spread over {of}", data.len());
        Ok((data, images))
    }
}

/// The images that a list names, by the last part of their paths, in its order.
fn listed(all: &Arc<dyn Dataset>, list: &Path) -> Result<Arc<dyn Dataset>, Error> {
    let name = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let by_name: HashMap<_, _> = (0..all.len()).map(|index| (name(&all.key(index)), index)).collect();
    let text = std::fs::read_to_string(list)
        .map_err(|source| visrep_data::Error::Io { path: list.into(), source })?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty()).take(LISTED);
    let place = |line: &str| {
        by_name.get(&name(line)).copied().ok_or_else(|| Error::Layout {
            path: list.into(),
            problem: format!("names '{line}', which is none of the {} validation images found", all.len()),
        })
    };
    let indices = lines.map(place).collect::<Result<Vec<_>, _>>()?;
    if indices.is_empty() {
        let problem = "names no image: each of its lines is one's path".to_owned();
        return Err(Error::Layout { path: list.into(), problem });
    }
    Ok(Arc::new(Subset::new(Arc::clone(all), indices)))
}

pub(super) struct Opened {
    info: SuiteInfo,
    classes: Classes,
    together: &'static [&'static str],
    data: Arc<dyn Dataset>,
    /// Which images they are, for the protocol.
    images: String,
    tasks: Vec<(&'static str, Task)>,
    /// AlexNet's weights.
    trunk: Option<PathBuf>,
    /// What was left out.
    notes: Vec<String>,
}

impl Opened {
    /// The network whose distance bounds LPA, where that is asked for.
    fn trunk(&self, model: &Model) -> Result<Option<Model>, Error> {
        let asked = self.tasks.iter().any(|(_, task)| matches!(task, Task::Lagrangian { .. }));
        let Some(path) = self.trunk.as_ref().filter(|_| asked) else { return Ok(None) };
        let options =
            ModelOptions { num_classes: Some(0), device: model.device(), ..ModelOptions::default() };
        let (trunk, _) = Model::from_weights(LpipsNet::Alex.architecture(), path, &options)?;
        Ok(Some(trunk))
    }
}

impl Measure for Opened {
    fn sets(&self) -> Vec<&Arc<dyn Dataset>> {
        vec![&self.data]
    }

    fn beside(&self, hash: &mut Fingerprint) -> Result<(), Error> {
        let bounded = self.tasks.iter().any(|(_, task)| matches!(task, Task::Lagrangian { .. }));
        self.trunk.iter().filter(|_| bounded).try_for_each(|weights| Ok(hash.file(weights)?))
    }

    fn measure(&self, model: &Model, context: &SuiteContext) -> Result<Findings, Error> {
        let mut record = self.classes.begin(self.info.name, model, context, &self.notes)?;
        record.entry("precision", "fp32, whatever --precision says");
        record.entry("images", self.images.clone());
        record.entry("perturbed", "values from 0 to 1 after resize and crop, before mean and std");
        record.entry("batch_size", format!("{}, on which what is drawn depends", context.batch_size));
        let pixels = Pixels::load(&self.data, model, context)?;
        let victim = ModelVictim(model);
        let trunk = self.trunk(model)?;
        let distance = trunk.as_ref().map(|trunk| PerceptualDistance::new(trunk, LpipsNet::Alex.taps()));
        let distance = distance.transpose()?;
        let under = |name: &str, task: Option<Task>| -> Result<Vec<bool>, Error> {
            // What is drawn is drawn batch by batch.
            let part = format!("{} in batches of {}", part_of(name, &self.data), context.batch_size);
            let mut held = context.parts.row::<bool>(&part, pixels.len());
            let mut progress = Progress::new(context.progress, name, pixels.len());
            progress.reach(held.len());
            let done = held.len().div_ceil(context.batch_size);
            for (number, batch) in pixels.batches(model.device()).enumerate().skip(done) {
                context.go_on()?;
                let (images, labels) = batch?;
                let robust = match task {
                    Some(task) => {
                        // Each batch has draws of its own, whichever came before it in this run.
                        let seed = view_rng(context.seed, 0, number as u64, 0).random_range(0..i64::MAX);
                        task.held(victim, distance.as_ref(), &images, &labels, &mut Generator::new(seed))?
                    }
                    None => tch::no_grad(|| classified_right(&victim, &images, &labels))?,
                };
                held.push(Vec::<bool>::try_from(robust.f_to_device(tch::Device::Cpu)?)?)?;
                progress.advance(labels.size()[0] as usize);
            }
            Ok(held.finish()?)
        };
        let side = model.preprocessing().input_size;
        let mut found = vec![("clean".to_owned(), "none".to_owned(), under("clean", None)?)];
        for &(name, task) in &self.tasks {
            // CIFAR's radii are its own, whatever size a model takes.
            let task = if self.classes == Classes::ImageNet1k { task.for_side(side) } else { task };
            found.push((name.to_owned(), task.protocol(side), under(name, Some(task))?));
        }
        for ending in self.together {
            let of_one_ball: Vec<_> = found.iter().filter(|(name, ..)| name.ends_with(ending)).collect();
            if of_one_ball.len() > 1 {
                let names: Vec<_> = of_one_ball.iter().map(|(name, ..)| name.as_str()).collect();
                let protocol = format!("an image holds under all of {}", names.join(", "));
                let held = (0..pixels.len())
                    .map(|image| of_one_ball.iter().all(|(_, _, held)| held[image]))
                    .collect();
                found.push((format!("worst-of{ending}"), protocol, held));
            }
        }
        for (name, protocol, held) in found {
            record.entry("attack", protocol);
            let (accuracy, interval) = share(&held)?;
            record.figure(&*name, "top1", accuracy, held.len(), Some(interval));
            record.findings.verdicts.push(TaskVerdicts::new(name, &pixels.keys, &pixels.labels, held));
        }
        Ok(record.findings)
    }
}

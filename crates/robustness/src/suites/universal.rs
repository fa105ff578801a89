//! Universal perturbations: one change made on half of the images, and what it does to the other half, as a whole, in its strongest patches
//! and moved (Park et al. 2021).

use super::attack_tasks::radius;
use super::figures::share;
use super::folder::{ClassFolders, VAL, VAL_PUBLISHED, class_folders, need};
use super::head::{Classes, part_of};
use super::pixels::Pixels;
use super::published::{Measure, Published};
use crate::Error;
use crate::attack::{
    Ball, ModelVictim, Norm, Universal, UniversalGoal, classified_right, strongest_patches,
    universal_outcomes,
};
use rand::seq::SliceRandom;
use rand::{RngExt as _, SeedableRng};
use std::path::Path;
use std::sync::Arc;
use tch::Tensor;
use visrep_augment::Rng;
use visrep_data::{Dataset, Subset};
use visrep_models::Model;
use visrep_probe::{
    FactorValue, Findings, Progress, Recorder, SuiteContext, SuiteInfo, TaskVerdicts, limited,
};
use visrep_torch::Generator;

const INFO: SuiteInfo = SuiteInfo {
    name: "universal-perturbations",
    about: "one change for all images, made on half of 1000 (or --limit): success on the other half, of its strongest patches, and moved",
    expects: &["imagenet/val/SYNSET/"],
    published: VAL_PUBLISHED,
};

/// Images, of both halves together, unless the user says otherwise.
const IMAGES: usize = 1000;

/// How often the images are gone through, in batches of how many.
const EPOCHS: usize = 10;
const BATCH: i64 = 32;
/// Steps on a single image, and how many images of the other half are perturbed each by its own change.
const STEPS: usize = 20;
const SINGLE: usize = 16;
/// The length of a step by the radius.
const STEP: f64 = 0.1;

/// The grid of patches by their strength, and how many of them are kept.
const GRID: i64 = 8;
const KEPT: [i64; 6] = [1, 4, 8, 16, 32, 64];
/// Places along each axis to which a change is moved, around the border.
const SHIFTS: i64 = 4;

/// The tasks, with their balls at 224 pixels (in L2 the radius grows with the side) and whether a class is aimed at.
const TASKS: [(&str, Ball, bool); 3] = [
    ("targeted-linf-8", Ball { norm: Norm::Linf, eps: 8.0 / 255.0 }, true),
    ("targeted-l2-6", Ball { norm: Norm::L2, eps: 6.0 }, true),
    ("untargeted-linf-8", Ball { norm: Norm::Linf, eps: 8.0 / 255.0 }, false),
];

/// The suite.
pub(super) struct UniversalPerturbations;

impl Published for UniversalPerturbations {
    type Found = Opened;

    fn info(&self) -> SuiteInfo {
        INFO
    }

    fn tasks(&self) -> Vec<String> {
        TASKS.map(|(name, ..)| name.to_owned()).to_vec()
    }

    fn find(&self, root: &Path, task: Option<&str>, context: &SuiteContext) -> Result<Opened, Error> {
        let path = need(&INFO, root, VAL)?;
        let all = class_folders(&path, ClassFolders::Synsets(None))?;
        let chosen = limited(all, context.limit.unwrap_or(IMAGES));
        if chosen.len() < 2 {
            let problem =
                "has fewer than two images: one half makes the change, the other tells what it does";
            return Err(Error::Layout { path, problem: problem.into() });
        }
        let mut order: Vec<usize> = (0..chosen.len()).collect();
        order.shuffle(&mut Rng::seed_from_u64(context.seed));
        let half = |places: &[usize]| {
            Arc::new(Subset::new(Arc::clone(&chosen), places.to_vec())) as Arc<dyn Dataset>
        };
        let (fitted, tested) = order.split_at(order.len() / 2);
        let tasks = TASKS.into_iter().filter(|(name, ..)| task.is_none_or(|task| task == *name)).collect();
        Ok(Opened { fitted: half(fitted), tested: half(tested), tasks })
    }
}

pub(super) struct Opened {
    /// The images on which changes are made.
    fitted: Arc<dyn Dataset>,
    /// Those on which they are tried.
    tested: Arc<dyn Dataset>,
    tasks: Vec<(&'static str, Ball, bool)>,
}

impl Measure for Opened {
    fn sets(&self) -> Vec<&Arc<dyn Dataset>> {
        vec![&self.fitted, &self.tested]
    }

    fn measure(&self, model: &Model, context: &SuiteContext) -> Result<Findings, Error> {
        let mut record = Classes::ImageNet1k.begin(INFO.name, model, context, &[])?;
        let (fitted, tested) = (self.fitted.len(), self.tested.len());
        record.entry("precision", "fp32, whatever --precision says");
        record.entry(
            "images",
            format!("{fitted} to make changes on, {tested} to try them on: halves drawn by the seed"),
        );
        record.entry("perturbed", "values from 0 to 1 after resize and crop, before mean and std");
        let fitted = Pixels::load(&self.fitted, model, context)?;
        let tested = Pixels::load(&self.tested, model, context)?;
        let side = model.preprocessing().input_size;
        let target = Rng::seed_from_u64(context.seed).random_range(0..model.num_classes());
        for &(name, ball, targeted) in &self.tasks {
            let eps = match ball.norm {
                Norm::Linf => ball.eps,
                Norm::L2 => ball.eps * f64::from(side) / 224.0,
            };
            let goal = if targeted { UniversalGoal::Targeted(target) } else { UniversalGoal::Untargeted };
            let aim = if targeted { format!("towards class {target}") } else { "away from the label".into() };
            let ball = Ball { eps, ..ball };
            record.entry(
                "attack",
                format!(
                    "{}, {aim}, steps of {} % of it, {EPOCHS} epochs in batches of {BATCH}",
                    radius(ball),
                    STEP * 100.0
                ),
            );
            let trial = Trial { model, context, tested: &tested, goal, ball };
            record.part(&part_of(name, &self.fitted), |record| trial.run(record, name, &fitted))?;
        }
        Ok(record.findings)
    }
}

/// All images and labels in one tensor each.
fn all_of(pixels: &Pixels, device: tch::Device) -> Result<(Tensor, Tensor), Error> {
    let batches = pixels.batches(device).collect::<Result<Vec<_>, _>>()?;
    let (images, labels): (Vec<_>, Vec<_>) = batches.into_iter().unzip();
    Ok((Tensor::f_cat(&images, 0)?, Tensor::f_cat(&labels, 0)?))
}

/// One task.
struct Trial<'a> {
    model: &'a Model,
    context: &'a SuiteContext,
    tested: &'a Pixels,
    goal: UniversalGoal,
    ball: Ball,
}

impl Trial<'_> {
    fn attack(&self, epochs: usize, batch_size: i64) -> Universal {
        let Self { ball, goal, .. } = *self;
        Universal { ball, goal, epochs, batch_size, step_size: STEP * ball.eps }
    }

    fn generator(&self) -> Generator {
        Generator::new(i64::try_from(self.context.seed).unwrap_or(i64::MAX))
    }

    fn run(&self, record: &mut Recorder<'_>, name: &str, fitted: &Pixels) -> Result<(), Error> {
        let victim = ModelVictim(self.model);
        let device = self.model.device();
        let attack = self.attack(EPOCHS, BATCH);
        // The images are kept no longer than they are fitted to.
        let change = {
            let (images, labels) = all_of(fitted, device)?;
            let mut progress = Progress::new(self.context.progress, name, EPOCHS * fitted.len());
            attack.fit_watched(&victim, &images, &labels, &mut self.generator(), |done| {
                progress.advance(done);
                Ok(self.context.go_on()?)
            })?
        };
        let all = Over::All(&change);
        let still = |change: &Tensor| Ok(change.shallow_clone());
        self.record(record, name, "success", &all, still)?;
        self.record(record, name, "success-without", &all, |change| Ok(change.f_zeros_like()?))?;
        let mut held = Vec::with_capacity(self.tested.len());
        for batch in self.tested.batches(device) {
            let (images, labels) = batch?;
            let perturbed = images.f_add(&change)?.f_clamp(0.0, 1.0)?;
            let right = tch::no_grad(|| classified_right(&victim, &perturbed, &labels))?;
            held.extend(Vec::<bool>::try_from(right.f_to_device(tch::Device::Cpu)?)?);
        }
        let (accuracy, interval) = share(&held)?;
        record.figure(name, "top1", accuracy, held.len(), Some(interval));
        record.findings.verdicts.push(TaskVerdicts::new(name, &self.tested.keys, &self.tested.labels, held));
        self.parts(record, name, &all)?;
        let single = self.single()?;
        record.entry(
            "changes",
            format!("one for each of {} images, of {STEPS} steps", single.images.size()[0]),
        );
        let name = format!("{name} single");
        let single = Over::Each(single);
        self.record(record, &name, "success", &single, still)?;
        self.parts(record, &name, &single)?;
        record.protocol.remove("changes");
        Ok(())
    }

    /// A change for each of some images alone, as large as the one for all.
    fn single(&self) -> Result<Single, Error> {
        let device = self.model.device();
        let (mut images, mut labels, mut changes) = (Vec::new(), Vec::new(), Vec::new());
        let (attack, mut generator) = (self.attack(STEPS, 1), self.generator());
        'batches: for batch in self.tested.batches(device) {
            let (all, all_labels) = batch?;
            for row in 0..all.size()[0] {
                if images.len() == SINGLE {
                    break 'batches;
                }
                self.context.go_on()?;
                let (image, label) = (all.f_narrow(0, row, 1)?, all_labels.f_narrow(0, row, 1)?);
                changes.push(attack.fit(&ModelVictim(self.model), &image, &label, &mut generator)?);
                images.push(image);
                labels.push(label);
            }
        }
        let whole = |parts: &[Tensor]| Tensor::f_cat(parts, 0);
        Ok(Single { images: whole(&images)?, labels: whole(&labels)?, changes: whole(&changes)? })
    }

    /// The success of the strongest patches alone, and of the whole moved around the border: curves.
    fn parts(&self, record: &mut Recorder<'_>, name: &str, over: &Over<'_>) -> Result<(), Error> {
        record.entry("patches", format!("of {GRID} x {GRID}, those of the highest norm alone"));
        for kept in KEPT {
            let task = format!("{name} patches/{kept}");
            self.record(record, &task, "success", over, |change| strongest_patches(change, GRID, kept))?;
        }
        record.protocol.remove("patches");
        record.entry(
            "moved",
            "across and down by a share of the side; what leaves on one side enters on the other",
        );
        let side = i64::from(self.model.preprocessing().input_size);
        for (down, across) in (0..SHIFTS * SHIFTS).map(|nth| (nth / SHIFTS, nth % SHIFTS)) {
            let share = |nth: i64| FactorValue::new(&[nth as f64 / SHIFTS as f64]);
            let task = format!("{name} moved/{},{}", share(across), share(down));
            let by = [side * down / SHIFTS, side * across / SHIFTS];
            self.record(record, &task, "success", over, |change| Ok(change.f_roll(by, [2, 3])?))?;
        }
        record.protocol.remove("moved");
        Ok(())
    }

    /// Adds how often what `edit` makes of the change does what it is to do; nothing where all images are of the target's class.
    fn record(
        &self,
        record: &mut Recorder<'_>,
        task: &str,
        metric: &'static str,
        over: &Over<'_>,
        edit: impl Fn(&Tensor) -> Result<Tensor, Error>,
    ) -> Result<(), Error> {
        self.context.go_on()?;
        let victim = ModelVictim(self.model);
        let outcomes = match over {
            Over::All(change) => {
                let (change, mut outcomes) = (edit(change)?, Vec::new());
                for batch in self.tested.batches(self.model.device()) {
                    let (images, labels) = batch?;
                    outcomes.extend(universal_outcomes(&victim, &images, &labels, &change, self.goal)?);
                }
                outcomes
            }
            Over::Each(Single { images, labels, changes }) => {
                universal_outcomes(&victim, images, labels, &edit(changes)?, self.goal)?
            }
        };
        let counted: Vec<bool> = outcomes.into_iter().flatten().collect();
        if counted.is_empty() {
            record.findings.notes.push(format!("{task}: every image is of the class that is aimed at"));
            return Ok(());
        }
        let (success, interval) = share(&counted)?;
        record.figure(task, metric, success, counted.len(), Some(interval));
        Ok(())
    }
}

/// What a change, or several, is tried on.
enum Over<'t> {
    /// One for all images of the second half.
    All(&'t Tensor),
    /// Each on its own image.
    Each(Single),
}

/// Images with a change for each.
struct Single {
    images: Tensor,
    labels: Tensor,
    changes: Tensor,
}

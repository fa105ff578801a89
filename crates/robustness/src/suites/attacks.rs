//! Adversarial attacks on a classifier of ImageNet's validation images, at the budgets under which figures are published.

use super::figures::share;
use super::folder::{ClassFolders, VAL, VAL_PUBLISHED, class_folders, find, need};
use super::head::Classes;
use super::published::{Measure, Published};
use crate::Error;
use crate::attack::{
    Adversarial, Apgd, Ball, LagrangianPerceptual, ModelVictim, Norm, Pgd, Spatial, SpatialLimits,
    SpatialSearch, Square, fgsm,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tch::{Kind, Tensor};
use visrep_data::{Dataset, Fingerprint, Loader, LoaderOptions, Views};
use visrep_models::{Model, ModelOptions};
use visrep_perceptual::{LpipsNet, PerceptualDistance};
use visrep_probe::{Findings, Progress, SuiteContext, SuiteInfo, TaskVerdicts, eval_transform, limited};
use visrep_torch::Generator;

const INFO: SuiteInfo = SuiteInfo {
    name: "attacks",
    about: "accuracy under FGSM, PGD, Auto-PGD, Square, LPA, rotations and translations, on 1000 images unless --limit says otherwise",
    expects: &["imagenet/val/SYNSET/", "lpips/alexnet.{safetensors,pth}, for lpa"],
    published: VAL_PUBLISHED,
};

/// Images that are attacked unless the user says otherwise.
const IMAGES: usize = 1000;

/// 4/255 in L∞, RobustBench's for ImageNet.
const LINF: Ball = linf(4.0);

const fn linf(of_255: f64) -> Ball {
    Ball { norm: Norm::Linf, eps: of_255 / 255.0 }
}

/// An attack at a budget.
#[derive(Clone, Copy)]
enum Attack {
    Fgsm(Ball),
    /// As imagenet-testbed runs it: 100 steps of 3/100 of the radius in L∞, of a tenth in L2.
    Pgd(Ball),
    ApgdCrossEntropy(Ball),
    ApgdTargeted(Ball),
    Square(Ball),
    Spatial(SpatialSearch),
    /// Within a distance that AlexNet sees.
    Lagrangian {
        bound: f64,
    },
}

/// Every attack by its name. Radii of L∞ are in 255ths; those of L2 are for 224 pixels and grow with the side.
const ATTACKS: [(&str, Attack); 12] = [
    ("fgsm-linf-4", Attack::Fgsm(LINF)),
    ("pgd-linf-0.5", Attack::Pgd(linf(0.5))),
    ("pgd-linf-2", Attack::Pgd(linf(2.0))),
    ("pgd-l2-0.1", Attack::Pgd(Ball { norm: Norm::L2, eps: 0.1 })),
    ("pgd-l2-0.5", Attack::Pgd(Ball { norm: Norm::L2, eps: 0.5 })),
    ("apgd-ce-linf-4", Attack::ApgdCrossEntropy(LINF)),
    ("apgd-t-linf-4", Attack::ApgdTargeted(LINF)),
    ("square-linf-4", Attack::Square(LINF)),
    ("spatial-random", Attack::Spatial(SpatialSearch::WorstOf(1))),
    ("spatial-worst-of-10", Attack::Spatial(SpatialSearch::WorstOf(10))),
    ("spatial-grid", Attack::Spatial(SpatialSearch::GRID)),
    ("lpa-alexnet-0.5", Attack::Lagrangian { bound: 0.5 }),
];

/// Where the network may lie whose distance bounds LPA, which is published for torchvision's AlexNet.
const TRUNK: &[&str] = &["lpips/alexnet.safetensors", "lpips/alexnet.pth"];
const TRUNK_PUBLISHED: &str =
    "torchvision's alexnet-owt-7be5be79.pth, by `visrep weights get alexnet.tv_in1k`";

/// The attacks of which the worst case is reported too: those in L∞ of 4/255.
const WORST_OF: &str = "-linf-4";

impl Attack {
    fn run(
        self,
        victim: ModelVictim<'_>,
        trunk: Option<&Model>,
        images: &Tensor,
        labels: &Tensor,
        generator: &mut Generator,
    ) -> Result<Adversarial, Error> {
        let side = u32::try_from(images.size()[3]).unwrap_or(u32::MAX);
        match self {
            Self::Fgsm(ball) => fgsm(&victim, images, labels, ball.eps),
            Self::Pgd(ball) => {
                let (eps, share) = match ball.norm {
                    Norm::Linf => (ball.eps, 0.03),
                    Norm::L2 => (ball.eps * f64::from(side) / 224.0, 0.1),
                };
                let attack = Pgd {
                    ball: Ball { eps, ..ball },
                    steps: 100,
                    step_size: share * eps,
                    random_start: true,
                };
                attack.run(&victim, images, labels, generator)
            }
            Self::ApgdCrossEntropy(ball) => Apgd::cross_entropy(ball).run(&victim, images, labels, generator),
            Self::ApgdTargeted(ball) => Apgd::targeted(ball).run(&victim, images, labels, generator),
            Self::Square(ball) => Square::new(ball.eps).run(&victim, images, labels, generator),
            Self::Spatial(search) => {
                let limits = SpatialLimits::for_side(side);
                Spatial { limits, search }.run(&victim, images, labels, generator)
            }
            Self::Lagrangian { bound } => {
                let trunk = trunk
                    .ok_or_else(|| Error::Attack { problem: "there is no network to bound LPA by".into() })?;
                let distance = PerceptualDistance::new(trunk, LpipsNet::Alex.taps())?;
                LagrangianPerceptual::new(&distance, bound).run(&victim, images, labels, generator)
            }
        }
    }

    /// What is done, for the protocol.
    fn protocol(self, side: u32) -> String {
        match self {
            Self::Fgsm(ball) => format!("one step of {}", of_255(ball)),
            Self::Pgd(Ball { norm: Norm::Linf, eps }) => {
                format!("{}, 100 steps of 3 % of it, random start", of_255(Ball { norm: Norm::Linf, eps }))
            }
            Self::Pgd(Ball { norm: Norm::L2, eps }) => {
                format!("L2 {:.4}, 100 steps of 10 % of it, random start", eps * f64::from(side) / 224.0)
            }
            Self::ApgdCrossEntropy(ball) => format!("{}, 100 steps, one run", of_255(ball)),
            Self::ApgdTargeted(ball) => format!("{}, 9 targets of 100 steps each", of_255(ball)),
            Self::Square(ball) => format!("{}, 5000 queries, p_init 0.8", of_255(ball)),
            Self::Lagrangian { bound } => {
                let (rounds, steps) = (LagrangianPerceptual::ROUNDS, LagrangianPerceptual::STEPS);
                format!(
                    "the root of LPIPS's baseline on AlexNet at most {bound}, {rounds} rounds of {steps} steps"
                )
            }
            Self::Spatial(search) => {
                let SpatialLimits { shift, degrees } = SpatialLimits::for_side(side);
                let tried = match search {
                    SpatialSearch::WorstOf(count) => format!("the worst of {count} drawn"),
                    SpatialSearch::Grid { shifts, angles } => {
                        format!("a grid of {shifts} x {shifts} x {angles}")
                    }
                };
                format!(
                    "shifts of at most {shift} pixels, turns of at most {degrees} degrees, {tried}, black around"
                )
            }
        }
    }
}

fn of_255(ball: Ball) -> String {
    format!("L-infinity {}/255", ball.eps * 255.0)
}

/// The suite.
pub(super) struct Attacks;

impl Published for Attacks {
    type Found = Opened;

    fn info(&self) -> SuiteInfo {
        INFO
    }

    fn tasks(&self) -> Vec<String> {
        ATTACKS.map(|(name, _)| name.to_owned()).to_vec()
    }

    fn find(&self, root: &Path, task: Option<&str>, context: &SuiteContext) -> Result<Opened, Error> {
        let all = class_folders(&need(&INFO, root, VAL)?, ClassFolders::Synsets(None))?;
        let mut attacks: Vec<_> =
            ATTACKS.into_iter().filter(|(name, _)| task.is_none_or(|task| task == *name)).collect();
        let trunk = find(root, TRUNK);
        let mut notes = Vec::new();
        if trunk.is_none() {
            let needed = |attack: &Attack| matches!(attack, Attack::Lagrangian { .. });
            let left_out: Vec<_> =
                attacks.extract_if(.., |(_, attack)| needed(attack)).map(|(name, _)| name).collect();
            let paths: Vec<_> = TRUNK.iter().map(|name| root.join(name)).collect();
            if attacks.is_empty() {
                let published = TRUNK_PUBLISHED;
                return Err(visrep_probe::Error::MissingData { suite: INFO.name, paths, published }.into());
            }
            for name in left_out {
                notes.push(format!("{name}: there is no {} ({TRUNK_PUBLISHED})", paths[0].display()));
            }
        }
        Ok(Opened { data: limited(all, context.limit.unwrap_or(IMAGES)), attacks, trunk, notes })
    }
}

pub(super) struct Opened {
    data: Arc<dyn Dataset>,
    attacks: Vec<(&'static str, Attack)>,
    /// AlexNet's weights.
    trunk: Option<PathBuf>,
    /// What was left out.
    notes: Vec<String>,
}

impl Opened {
    /// The network whose distance bounds LPA, where that is asked for.
    fn trunk(&self, model: &Model) -> Result<Option<Model>, Error> {
        let asked = self.attacks.iter().any(|(_, attack)| matches!(attack, Attack::Lagrangian { .. }));
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
        self.trunk.iter().try_for_each(|weights| Ok(hash.file(weights)?))
    }

    fn measure(&self, model: &Model, context: &SuiteContext) -> Result<Findings, Error> {
        let mut record = Classes::ImageNet1k.begin(INFO.name, model, context, &self.notes)?;
        record.entry("precision", "fp32, whatever --precision says");
        record
            .entry("images", format!("{}, evenly spread over ImageNet's validation images", self.data.len()));
        record.entry("perturbed", "values from 0 to 1 after resize and crop, before mean and std");
        let options = LoaderOptions {
            batch_size: context.batch_size,
            workers: context.workers,
            shuffle: false,
            ..Default::default()
        };
        let loader = Loader::new(
            Arc::clone(&self.data),
            Views::single(eval_transform(model.preprocessing())?),
            options,
        )?;
        let (mut batches, mut keys, mut all_labels) = (Vec::new(), Vec::new(), Vec::new());
        for batch in loader.epoch(0, 0) {
            let batch = batch?;
            if let (Some(view), true) = (batch.views.first(), batch.labels.iter().all(|&label| label >= 0)) {
                batches.push((view.to_tensor(), Tensor::from_slice(&batch.labels)));
            }
            keys.extend(batch.keys);
            all_labels.extend(batch.labels);
        }
        let victim = ModelVictim(model);
        let trunk = self.trunk(model)?;
        let under = |name: &str, attack: Option<Attack>| {
            context.parts.get(name, || -> Result<Vec<bool>, Error> {
                let mut progress = Progress::new(context.progress, name, self.data.len());
                let mut generator = Generator::new(i64::try_from(context.seed).unwrap_or(i64::MAX));
                let mut held = Vec::with_capacity(self.data.len());
                for (pixels, labels) in &batches {
                    context.go_on()?;
                    let images = pixels
                        .f_permute([0, 3, 1, 2])?
                        .f_to_device(model.device())?
                        .f_to_kind(Kind::Float)?;
                    let (images, labels) =
                        (images.f_contiguous()?.f_div_scalar(255.0)?, labels.f_to_device(model.device())?);
                    let robust = match attack {
                        Some(attack) => {
                            attack.run(victim, trunk.as_ref(), &images, &labels, &mut generator)?.robust
                        }
                        None => tch::no_grad(|| crate::attack::classified_right(&victim, &images, &labels))?,
                    };
                    held.extend(Vec::<bool>::try_from(robust.f_to_device(tch::Device::Cpu)?)?);
                    progress.advance(labels.size()[0] as usize);
                }
                Ok(held)
            })
        };
        let side = model.preprocessing().input_size;
        let mut found = vec![("clean", "none".to_owned(), under("clean", None)?)];
        for &(name, attack) in &self.attacks {
            found.push((name, attack.protocol(side), under(name, Some(attack))?));
        }
        let strongest: Vec<_> = found.iter().filter(|(name, ..)| name.ends_with(WORST_OF)).collect();
        if strongest.len() > 1 {
            let names: Vec<_> = strongest.iter().map(|(name, ..)| *name).collect();
            let held =
                (0..self.data.len()).map(|image| strongest.iter().all(|(_, _, held)| held[image])).collect();
            found.push((
                "worst-of-linf-4",
                format!("an image holds under all of {}", names.join(", ")),
                held,
            ));
        }
        for (name, protocol, held) in found {
            record.entry("attack", protocol);
            let (accuracy, interval) = share(&held)?;
            record.figure(name, "top1", accuracy, held.len(), Some(interval));
            record.findings.verdicts.push(TaskVerdicts::new(name, &keys, &all_labels, held));
        }
        Ok(record.findings)
    }
}

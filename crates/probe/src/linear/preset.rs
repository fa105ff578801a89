//! The published protocols of linear evaluation, by name.

use super::{GradientFit, LinearProbe, LinearProbeOptions};
use crate::{Error, EvalTransform, Execution, FeatureSet, Pooling};
use std::sync::Arc;
use visrep_augment::{Compose, CropSampling, Filter, RandomHorizontalFlip, RandomResizedCrop};
use visrep_data::Dataset;
use visrep_models::Model;
use visrep_train::{
    Adapt, BatchScaling, Every, Lars, LarsVariant, Length, OptimizerConfig, Schedule, Sgd, Shape, WarmupSteps,
};

/// A published protocol of linear evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearPreset {
    /// As [`Self::named`] takes it.
    pub name: &'static str,
    /// Whose it is: the paper, and the file that its values are from.
    pub source: &'static str,
    /// How the classifier is fitted.
    pub fit: LinearFit,
    /// Which vector stands for an image.
    pub pooling: Pooling,
    /// How test images are prepared, and training images where their features are computed once.
    pub evaluation: EvalTransform,
    /// What the protocol leaves open or what differs here; empty where nothing does.
    pub deviation: &'static str,
}

/// How the classifier of a [`LinearPreset`] is fitted.
#[derive(Clone, Debug, PartialEq)]
pub enum LinearFit {
    /// To features that are computed once, by L-BFGS.
    Logistic(LinearProbeOptions),
    /// By stochastic gradient descent, on augmented images.
    Gradient(GradientFit, ProbeViews),
}

/// The augmentation of a linear evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeViews {
    /// torchvision's RandomResizedCrop, 8 to 100 % of the area, bilinear, and a flip: MoCo, SimSiam, SwAV, DINO, lightly.
    Crop,
    /// The crop whose region is drawn once, bicubic, and a flip: MAE's.
    OneShotCrop,
}

impl ProbeViews {
    /// The transform to `size` x `size` pixels. Errs on a size that no image can have.
    pub fn transform(self, size: u32) -> Result<Compose, Error> {
        let crop = RandomResizedCrop::new(size)?;
        let crop = match self {
            Self::Crop => crop.filter(Filter::Bilinear),
            Self::OneShotCrop => crop.filter(Filter::Bicubic).sampling(CropSampling::OneShot),
        };
        Ok(Compose::new().then(crop).then(RandomHorizontalFlip::new(0.5)?))
    }
}

const NAMES: [&str; 12] = [
    "byol",
    "clip",
    "dino",
    "dino-vit-base",
    "lightly",
    "mae",
    "moco",
    "moco-v3",
    "moco-v3-vit",
    "simclr",
    "simsiam",
    "swav",
];

impl LinearPreset {
    /// The names that [`Self::named`] knows.
    pub fn names() -> &'static [&'static str] {
        &NAMES
    }

    /// The protocol called `name`; `seed` chooses what a search holds out. Errs on another name, with those that there are.
    pub fn named(name: &str, seed: u64) -> Result<Self, Error> {
        let Some(&name) = NAMES.iter().find(|&&known| known == name) else {
            let (what, known) = ("protocol of linear evaluation", NAMES.to_vec());
            return Err(Error::UnknownPreset { what, name: name.to_owned(), known });
        };
        let epochs = |count: f64| Length::Epochs(count);
        let (sgd, nesterov) = (sgd(false), sgd(true));
        let linear = BatchScaling::Linear(256);
        let by_epoch = |lr, length| Schedule { every: Every::Epoch, ..schedule(lr, linear, epochs(length)) };
        let crop = ProbeViews::Crop;
        let (fit, source, deviation) = match name {
            "byol" => (
                gradient(nesterov, 1024, schedule(0.2, linear, epochs(80.0)), crop),
                "Grill et al. 2020; google-deepmind/deepmind-research byol/configs/eval.py",
                "one learning rate, where the authors choose among five on 10 000 images held out; torchvision's crop; evaluation \
                 resizes before it crops, which the authors do after",
            ),
            "clip" => (
                LinearFit::Logistic(LinearProbeOptions::clip(seed)),
                "Radford et al. 2021, appendix A.3; openai/CLIP README.md",
                "",
            ),
            "dino" => (
                gradient(sgd, 1024, by_epoch(0.001, 100.0), crop),
                "Caron et al. 2021, ViT-S; facebookresearch/dino eval_linear.py (--n_last_blocks 4)",
                "",
            ),
            "dino-vit-base" => (
                gradient(sgd, 1024, by_epoch(0.001, 100.0), crop),
                "Caron et al. 2021, ViT-B; facebookresearch/dino eval_linear.py (--avgpool_patchtokens)",
                "",
            ),
            "lightly" => (
                gradient(sgd, 256, schedule(0.1, linear, epochs(90.0)), crop),
                "lightly benchmarks/imagenet",
                "weights start from a normal distribution of 0.01",
            ),
            "mae" => {
                let schedule = Schedule {
                    warmup: epochs(10.0),
                    warmup_steps: WarmupSteps::FromZero,
                    ..schedule(0.1, linear, epochs(90.0))
                };
                let lars = lars(LarsVariant::MomentumAfterTrust, Adapt::Matrices);
                let mut fit = gradient(lars, 16384, schedule, ProbeViews::OneShotCrop);
                if let LinearFit::Gradient(fit, _) = &mut fit {
                    fit.batch_norm = Some(1e-6);
                }
                (fit, "He et al. 2021, appendix A.1; facebookresearch/mae main_linprobe.py", "")
            }
            "moco" => {
                let shape = Shape::Steps { at: vec![epochs(60.0), epochs(80.0)], factor: 0.1 };
                let schedule = Schedule {
                    shape,
                    every: Every::Epoch,
                    ..schedule(30.0, BatchScaling::None, epochs(100.0))
                };
                let source = "He et al. 2019, Chen et al. 2020; facebookresearch/moco main_lincls.py";
                (gradient(sgd, 256, schedule, crop), source, "")
            }
            "moco-v3" | "moco-v3-vit" => {
                let lr = if name == "moco-v3" { 0.1 } else { 3.0 };
                // By momentum SGD, with which main_lincls.py has both; LARS is for the pre-training of its ResNet only.
                let source = "Chen et al. 2021; facebookresearch/moco-v3 main_lincls.py, README.md";
                (gradient(sgd, 1024, by_epoch(lr, 90.0), crop), source, "")
            }
            "simclr" => {
                let mut fit = gradient(nesterov, 4096, schedule(0.1, linear, epochs(90.0)), crop);
                if let LinearFit::Gradient(fit, _) = &mut fit {
                    fit.weight_decay = 1e-6;
                }
                let deviation = "one learning rate, which the authors advise to tune; torchvision's crop; evaluation \
                                 resizes before it crops, which the authors do after";
                (fit, "Chen et al. 2020 (ImageNet); google-research/simclr run.py", deviation)
            }
            "simsiam" => {
                let source = "Chen and He 2020; facebookresearch/simsiam main_lincls.py (--lars)";
                (gradient(lars(LarsVariant::Larc, Adapt::All), 4096, by_epoch(0.1, 90.0), crop), source, "")
            }
            _ => {
                let mut fit = gradient(sgd, 256, schedule(0.3, BatchScaling::None, epochs(100.0)), crop);
                if let LinearFit::Gradient(fit, _) = &mut fit {
                    (fit.weight_decay, fit.schedule.every) = (1e-6, Every::Epoch);
                }
                (fit, "Caron et al. 2020; facebookresearch/swav eval_linear.py", "")
            }
        };
        let pooling = match name {
            "dino" => Pooling::LastClasses { blocks: 4 },
            "dino-vit-base" => Pooling::ClassAndMean,
            "mae" => Pooling::Class,
            _ => Pooling::PreLogits,
        };
        let evaluation = match name {
            "clip" => EvalTransform::Model,
            "byol" | "dino" | "dino-vit-base" | "mae" | "simclr" => EvalTransform::Bicubic,
            _ => EvalTransform::Bilinear,
        };
        Ok(Self { name, source, fit, pooling, evaluation, deviation })
    }

    /// Fits the classifier to features that were computed once, by [`Self::pooling`]. Where the protocol augments the images
    /// this is another figure, which [`LinearPresetBenchmark`](crate::LinearPresetBenchmark) says.
    ///
    /// # Errors
    /// Those of [`LinearProbe::fit`] and [`LinearProbe::descend`].
    pub fn fit_frozen(&self, train: &FeatureSet, seed: u64) -> Result<LinearProbe, Error> {
        match &self.fit {
            LinearFit::Logistic(options) => LinearProbe::fit(train, options),
            LinearFit::Gradient(fit, _) => LinearProbe::descend(train, fit, seed),
        }
    }

    /// Fits the classifier as the protocol has it: where it augments images, on those of `data`.
    ///
    /// # Errors
    /// Those of [`LinearProbe::fit`] and [`LinearProbe::train`].
    pub fn fit(
        &self,
        model: &Model,
        data: Arc<dyn Dataset>,
        execution: &Execution,
    ) -> Result<LinearProbe, Error> {
        match &self.fit {
            LinearFit::Logistic(options) => {
                let extract = crate::ExtractOptions {
                    batch_size: execution.batch_size,
                    workers: execution.workers,
                    progress: execution.progress,
                    precision: execution.precision,
                    pooling: self.pooling,
                    ..Default::default()
                };
                LinearProbe::fit(&crate::extract_as(model, data, self.evaluation, &extract)?, options)
            }
            LinearFit::Gradient(fit, views) => {
                LinearProbe::train(model, data, fit, *views, self.pooling, execution)
            }
        }
    }
}

fn sgd(nesterov: bool) -> OptimizerConfig {
    OptimizerConfig::Sgd(Sgd { momentum: 0.9, nesterov })
}

fn lars(variant: LarsVariant, adapt: Adapt) -> OptimizerConfig {
    let (momentum, trust) = (0.9, 0.001);
    OptimizerConfig::Lars(Lars { variant, momentum, nesterov: false, trust, eps: 1e-8, clip: false, adapt })
}

/// A cosine without warm-up.
fn schedule(lr: f64, batch_scaling: BatchScaling, length: Length) -> Schedule {
    Schedule {
        length,
        warmup: Length::Steps(0),
        lr,
        final_lr: 0.0,
        warmup_lr: 0.0,
        warmup_steps: WarmupSteps::default(),
        every: Every::Step,
        cooldown: Length::Steps(0),
        batch_scaling,
        shape: Shape::Cosine,
    }
}

/// Without decay, from weights of a deviation of 0.01.
fn gradient(
    optimizer: OptimizerConfig,
    batch_size: usize,
    schedule: Schedule,
    views: ProbeViews,
) -> LinearFit {
    let fit = GradientFit {
        optimizer,
        schedule,
        batch_size,
        weight_decay: 0.0,
        batch_norm: None,
        weight_std: 0.01,
    };
    LinearFit::Gradient(fit, views)
}

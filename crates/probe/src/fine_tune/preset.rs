//! The published protocols of fine-tuning.

use super::{FineTuning, ImagePipeline, LabelKeeping, Normalisation};
use crate::{Error, Pooling};
use std::fmt;
use std::str::FromStr;
use visrep_augment::{BatchMix, MixMode, Pairing};
use visrep_data::{Dataset, decode_sample};
use visrep_models::{HeadStart, Model};
use visrep_train::{
    AdamW, BatchScaling, Every, Length, OptimizerConfig, Schedule, Sgd, Shape, WarmupSteps, Which,
};

/// A published protocol of fine-tuning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FineTunePreset {
    /// BiT-HyperRule (Kolesnikov et al. 2020): the schedule by the number of examples, mixup from 20 000 on, the resolution by
    /// the size of the images.
    BitHyperRule,
    /// VTAB's run on 1000 examples: 1000 steps of SGD with batches of 64.
    Vtab,
    /// VTAB's lightweight sweep (Zhai et al. 2019): two learning rates by 2500 and 10 000 steps, the best on held-out samples.
    VtabLightweight,
    /// MAE's end-to-end fine-tuning of ViT-B (He et al. 2021).
    MaeVitBase,
    /// The same of ViT-L.
    MaeVitLarge,
}

const ALL: [(&str, FineTunePreset); 5] = [
    ("bit-hyper-rule", FineTunePreset::BitHyperRule),
    ("mae-vit-base", FineTunePreset::MaeVitBase),
    ("mae-vit-large", FineTunePreset::MaeVitLarge),
    ("vtab", FineTunePreset::Vtab),
    ("vtab-lightweight", FineTunePreset::VtabLightweight),
];

impl FromStr for FineTunePreset {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        ALL.iter().find(|(known, _)| *known == name).map(|(_, preset)| *preset).ok_or_else(|| {
            let (what, known) = ("protocol of fine-tuning", Self::names());
            Error::UnknownPreset { what, name: name.to_owned(), known }
        })
    }
}

impl fmt::Display for FineTunePreset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ALL.iter().find(|(_, preset)| preset == self).map_or("", |(name, _)| name))
    }
}

impl FineTunePreset {
    /// The names that it is parsed from.
    pub fn names() -> Vec<&'static str> {
        ALL.iter().map(|(name, _)| *name).collect()
    }

    /// What it is, in one line.
    pub fn about(self) -> &'static str {
        match self {
            Self::BitHyperRule => {
                "BiT-HyperRule: SGD, 500 to 20 000 steps by the number of images, 128 or 480 pixels by their size"
            }
            Self::Vtab => "VTAB's official run: 1000 steps of SGD, batches of 64",
            Self::VtabLightweight => {
                "VTAB's lightweight sweep: the best of two learning rates by 2500 and 10 000 steps of 512"
            }
            Self::MaeVitBase => {
                "MAE's of ViT-B: AdamW, 100 epochs, layer decay 0.65, RandAugment, mixup, CutMix"
            }
            Self::MaeVitLarge => {
                "MAE's of ViT-L: AdamW, 50 epochs, layer decay 0.75, RandAugment, mixup, CutMix"
            }
        }
    }

    /// The protocols that it comes to for `model` and these training images: one, or those of a sweep, of which the best on
    /// held-out samples is meant. BiT-HyperRule augments only as `keeping` allows.
    ///
    /// # Errors
    /// Where the size of the images matters, one that cannot be read.
    pub fn tunings(
        self,
        model: &Model,
        train: &dyn Dataset,
        keeping: LabelKeeping,
    ) -> Result<Vec<FineTuning>, Error> {
        let size = model.preprocessing().input_size;
        let vtab = |tuning: FineTuning| FineTuning {
            deviation: format!(
                "{}; resized with antialiasing, which the authors do without",
                tuning.deviation
            ),
            ..tuning
        };
        Ok(match self {
            Self::BitHyperRule => {
                vec![FineTuning::bit_hyper_rule(train.len(), typical_area(train)?, keeping)?]
            }
            Self::Vtab => vec![vtab(FineTuning::vtab(ImagePipeline::squash(size)?))],
            Self::VtabLightweight => {
                FineTuning::vtab_lightweight(&ImagePipeline::squash(size)?).into_iter().map(vtab).collect()
            }
            Self::MaeVitBase => vec![FineTuning::mae_vit_base(size)?],
            Self::MaeVitLarge => vec![FineTuning::mae_vit_large(size)?],
        })
    }
}

/// Images that tell how large those of a dataset are.
const MEASURED: usize = 31;

/// The median area of evenly chosen images, in pixels.
fn typical_area(data: &dyn Dataset) -> Result<u64, Error> {
    let count = data.len().min(MEASURED);
    let area = |nth: usize| -> Result<u64, Error> {
        let image = decode_sample(&data.get(nth * data.len() / count)?, &Default::default())?;
        Ok(u64::from(image.width()) * u64::from(image.height()))
    };
    let mut areas = (0..count).map(area).collect::<Result<Vec<_>, _>>()?;
    areas.sort_unstable();
    areas
        .get(count / 2)
        .copied()
        .ok_or(Error::TooFew { what: "training samples", need: "there are none to measure" })
}

/// Every value of SGD at a step's length, warm-up and falls, none of them by the epoch.
fn by_steps(lr: f64, warmup: u64, falls: &[u64], total: u64) -> Schedule {
    let at = falls.iter().map(|&fall| Length::Steps(fall)).collect();
    Schedule {
        length: Length::Steps(total),
        warmup: Length::Steps(warmup),
        lr,
        final_lr: 0.0,
        warmup_lr: 0.0,
        warmup_steps: WarmupSteps::FromZero,
        every: Every::Step,
        cooldown: Length::Steps(0),
        batch_scaling: BatchScaling::None,
        shape: Shape::Steps { at, factor: 0.1 },
    }
}

impl FineTuning {
    /// BiT-HyperRule (Kolesnikov et al. 2020, arXiv:1912.11370; `bit_hyperrule.py` of google-research/big_transfer): SGD with a
    /// learning rate of 0.003 and momentum 0.9, batches of 512, no weight decay, a classifier that starts at 0. Below 20 000
    /// `examples` 500 steps without mixup, below 500 000 10 000 steps, else 20 000, with mixup of 0.1; ten times less learning
    /// at 2/5, 3/5 and 4/5 (3/10, 6/10 and 9/10 of the longer ones). Images of fewer than 96 x 96 pixels (`area`) are resized to 160
    /// and cropped to 128, others to 512 and 480; they are cropped and mirrored as far as `keeping` says that labels stay right.
    ///
    /// # Errors
    /// None that the rule can bring about: the constants are valid.
    pub fn bit_hyper_rule(examples: usize, area: u64, keeping: LabelKeeping) -> Result<Self, Error> {
        let (resize, crop) = if area < 96 * 96 { (160, 128) } else { (512, 480) };
        let schedule = match examples {
            ..20_000 => by_steps(0.003, 100, &[200, 300, 400], 500),
            20_000..500_000 => by_steps(0.003, 500, &[3000, 6000, 9000], 10_000),
            _ => by_steps(0.003, 500, &[6000, 12_000, 18_000], 20_000),
        };
        let mix = match examples {
            ..20_000 => None,
            _ => Some(BatchMix::mixup(0.1)?.pairing(Pairing::Shuffle).mode(MixMode::Batch)),
        };
        Ok(Self {
            name: "BiT-HyperRule".into(),
            source: "Kolesnikov et al. 2020; google-research/big_transfer bit_hyperrule.py".into(),
            deviation: "normalised as the model was trained, which for BiT is mean and std 0.5".into(),
            images: ImagePipeline::bit(resize, crop, keeping)?,
            batch_size: 512,
            mix,
            schedule,
            ..Self::vtab(ImagePipeline::squash(crop)?)
        })
    }

    /// VTAB's published run on 1000 examples (Zhai et al. 2019, arXiv:1910.04867; `scripts/run_all_tasks.sh` of
    /// google-research/task_adaptation): SGD with a learning rate of 0.01 and momentum 0.9, batches of 64, 1000 steps with ten
    /// times less learning at 300, 600 and 900, 80 steps of warm-up, no weight decay, no augmentation, a
    /// classifier that starts at 0. The official images are resized without antialiasing, which the caller's `images` do.
    pub fn vtab(images: ImagePipeline) -> Self {
        Self {
            name: "VTAB".into(),
            source: "Zhai et al. 2019; google-research/task_adaptation scripts/run_all_tasks.sh".into(),
            deviation: "the authors' modules take pixels in 0 to 1 and normalise them within: here by the mean and std of the \
                        model's training"
                .into(),
            images,
            normalisation: Normalisation::Model,
            pooling: Pooling::PreLogits,
            head: HeadStart::Zero,
            drop_path: 0.0,
            batch_size: 64,
            optimizer: OptimizerConfig::Sgd(Sgd { momentum: 0.9, nesterov: false }),
            schedule: by_steps(0.01, 80, &[300, 600, 900], 1000),
            weight_decay: 0.0,
            decay_on: Which::All,
            layer_decay: 1.0,
            clip: None,
            mix: None,
            label_smoothing: 0.0,
            batch_norm_momentum: None,
        }
    }

    /// VTAB's lightweight sweep (Zhai et al. 2019): learning rates 0.1 and 0.01 by 2500 and 10 000 steps, batches of 512, SGD with
    /// momentum 0.9, at each step a decay of 10⁻⁴ times the learning rate; the best on the 200 validation examples is trained again on all
    /// 1000.
    pub fn vtab_lightweight(images: &ImagePipeline) -> Vec<Self> {
        let sweep = [(0.1, 2500), (0.1, 10_000), (0.01, 2500), (0.01, 10_000)];
        let tuning = |(lr, steps): (f64, u64)| {
            Self {
            name: format!("VTAB lightweight, lr {lr}, {steps} steps"),
            source: "Zhai et al. 2019, the lightweight hyper-parameter search".into(),
            deviation: "warm-up and falls of the learning rate in proportion to those of the authors' script; normalised \
                        as the model was trained"
                .into(),
            batch_size: 512,
            schedule: by_steps(lr, steps * 8 / 100, &[steps * 3 / 10, steps * 6 / 10, steps * 9 / 10], steps),
            weight_decay: 1e-4,
            ..Self::vtab(images.clone())
        }
        };
        sweep.into_iter().map(tuning).collect()
    }

    /// The fine-tuning of "Do better ImageNet models transfer better?" (Kornblith, Shlens & Le 2019, arXiv:1805.08974, appendix A) of
    /// `examples` images at one place of its grid: SGD with Nesterov momentum over `steps` (the paper's 20 000) of `batch_size`
    /// (256), the learning rate falling from `lr` to 0 along a cosine, without warm-up. Momentum, and what the running statistics of
    /// batch normalisation keep, are max(1 - 10/s, 0.9) with s steps per epoch. `decay_ratio` is the weight decay divided by the
    /// learning rate, 0 for none; decay is decoupled, so that a step takes `lr * decay_ratio` of a weight away at first, and so much
    /// less as the learning rate falls: in SGD's terms the ratio is the coefficient of L2.
    pub fn kornblith(
        images: ImagePipeline,
        examples: usize,
        (lr, decay_ratio): (f64, f64),
        (steps, batch_size): (u64, usize),
    ) -> Self {
        let share = (10.0 * batch_size as f64 / examples as f64).min(0.1);
        let momentum = 1.0 - share;
        Self {
            name: format!("Kornblith et al. 2019, lr {lr}, weight decay {decay_ratio} of it"),
            source: "Kornblith et al. 2019, arXiv:1805.08974, appendix A".into(),
            deviation: "the classifier starts at 0; normalised as the model was trained; the ratio of weight decay to \
                        learning rate is taken as that of a decoupled decay, SGD's coefficient of L2"
                .into(),
            batch_size,
            optimizer: OptimizerConfig::Sgd(Sgd { momentum, nesterov: true }),
            schedule: Schedule { shape: Shape::Cosine, ..by_steps(lr, 0, &[], steps) },
            weight_decay: decay_ratio,
            batch_norm_momentum: Some(share),
            ..Self::vtab(images)
        }
    }

    /// MAE's end-to-end fine-tuning of ViT-B (He et al. 2021, arXiv:2111.06377; `FINETUNE.md` of facebookresearch/mae), at
    /// `size` pixels: AdamW, 100 epochs, 5e-4 per 256 images in batches of 1024, layer decay 0.65, weight decay 0.05, drop path
    /// 0.1, mixup 0.8, CutMix 1, label smoothing 0.1, RandAugment, random erasing, the mean of the patch tokens.
    ///
    /// # Errors
    /// A size that no image can have.
    pub fn mae_vit_base(size: u32) -> Result<Self, Error> {
        Self::mae("MAE, ViT-B", size, (100.0, 5e-4, 0.65, 0.1))
    }

    /// The same of ViT-L: 50 epochs, 1e-3 per 256 images, layer decay 0.75, drop path 0.2.
    ///
    /// # Errors
    /// A size that no image can have.
    pub fn mae_vit_large(size: u32) -> Result<Self, Error> {
        Self::mae("MAE, ViT-L", size, (50.0, 1e-3, 0.75, 0.2))
    }

    fn mae(name: &str, size: u32, parameters: (f64, f64, f64, f64)) -> Result<Self, Error> {
        let (epochs, lr, layer_decay, drop_path) = parameters;
        let images = ImagePipeline::mae(size)?;
        Ok(Self {
            name: name.into(),
            source: "He et al. 2021; facebookresearch/mae FINETUNE.md, main_finetune.py".into(),
            deviation: "the classifier starts at 0 (the authors': normal, 2e-5), and the norm before it as the network's last"
                .into(),
            pooling: Pooling::Mean,
            drop_path,
            batch_size: 1024,
            optimizer: OptimizerConfig::AdamW(AdamW { betas: [0.9, 0.999], eps: 1e-8 }),
            schedule: Schedule {
                length: Length::Epochs(epochs),
                warmup: Length::Epochs(5.0),
                final_lr: 1e-6,
                batch_scaling: BatchScaling::Linear(256),
                shape: Shape::Cosine,
                ..by_steps(lr, 0, &[], 0)
            },
            weight_decay: 0.05,
            decay_on: Which::Matrices,
            layer_decay,
            mix: Some(BatchMix::mixup(0.8)?.or_cutmix(1.0, 0.5)?),
            label_smoothing: 0.1,
            ..Self::vtab(images)
        })
    }
}

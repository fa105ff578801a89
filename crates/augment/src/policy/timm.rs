//! RandAugment and AutoAugment as timm has them (`timm/data/auto_augment.py`), which DeiT, ResNet strikes back and MAE's
//! fine-tuning use.

use super::sub_policies::{SubPolicy, TIMM_ORIGINAL, TIMM_V0};
use super::timm_config::Noise;
use super::{AUTO_CONTRAST, Warp, either_sign, pick, posterize, solarize};
use crate::{BlurMethod, Error, Filter, Op, Rng, Transform, View};
use rand::RngExt as _;
use rand_distr::{Distribution as _, StandardNormal};

/// The operations, by timm's names. What is `Increasing` there grows stronger with the magnitude.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimmOp {
    AutoContrast,
    Equalize,
    Invert,
    Rotate,
    Posterize,
    PosterizeIncreasing,
    PosterizeOriginal,
    Solarize,
    SolarizeIncreasing,
    SolarizeAdd,
    Color,
    ColorIncreasing,
    Contrast,
    ContrastIncreasing,
    Brightness,
    BrightnessIncreasing,
    Sharpness,
    SharpnessIncreasing,
    ShearX,
    ShearY,
    TranslateXRel,
    TranslateYRel,
    Desaturate,
    GaussianBlur,
    GaussianBlurRand,
}

/// The share of a side that the highest magnitude moves by.
const TRANSLATE_SHARE: f64 = 0.45;

/// Which operations an image gets.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Choice {
    /// Some of a list, independently of each other, each with a probability and all at one magnitude.
    Layers { ops: &'static [TimmOp], layers: usize, p: f64, magnitude: f64 },
    /// The same, but no operation twice, and by weight.
    Weighted { ops: &'static [(TimmOp, f64)], layers: usize, p: f64, magnitude: f64 },
    /// One of the pairs.
    Pairs { pairs: &'static [SubPolicy<TimmOp>], reversed_posterize: bool },
    /// One operation of three, always.
    OneOf([(TimmOp, f64); 3]),
}

/// timm's RandAugment and AutoAugment, by the strings that its training scripts take.
///
/// | string | what it is |
/// |---|---|
/// | `rand-m9-mstd0.5-inc1` | RandAugment at magnitude 9 of 10 with a deviation of .5, operations that grow with it: DeiT |
/// | `rand-m7-mstd0.5-inc1` | the same at 7: ResNet strikes back A1 and A2 (A3: 6) |
/// | `original-mstd0.5`, `v0` | AutoAugment, of the paper or the TensorFlow EfficientNets; `originalr` and `v0r` turn posterize around |
/// | `3a` | one of solarize, grey and blur: DeiT III's 3-Augment |
///
/// The parts of `rand`: `m` the magnitude (10), `n` how many operations (2), `p` the probability of each (.5), `mstd` the
/// standard deviation of the magnitude (0; above 100 it is uniform from 0 to `m`), `mmax` the highest magnitude (10),
/// `inc1` for operations that grow with the magnitude, `tweights`, `t3a` or `t3aw` for other lists of operations.
#[derive(Clone, Debug, PartialEq)]
pub struct TimmAugment {
    choice: Choice,
    noise: Noise,
    highest: f64,
    fill: [u8; 3],
    interpolation: Option<Filter>,
}

impl TimmAugment {
    /// Reads timm's string. Each geometric operation is bilinear or bicubic at random and leaves grey (128) outside, which
    /// are timm's defaults.
    ///
    /// Errs on a policy or a part that timm does not have, or a number out of range.
    pub fn parse(config: &str) -> Result<Self, Error> {
        let mut parts = config.split('-');
        let name = parts.next().unwrap_or_default();
        let settings = super::timm_config::parse(config, name, parts)?;
        let choice = match name {
            "rand" => settings.layers(),
            "original" => Choice::Pairs { pairs: &TIMM_ORIGINAL, reversed_posterize: false },
            "originalr" => Choice::Pairs { pairs: &TIMM_ORIGINAL, reversed_posterize: true },
            "v0" => Choice::Pairs { pairs: &TIMM_V0, reversed_posterize: false },
            "v0r" => Choice::Pairs { pairs: &TIMM_V0, reversed_posterize: true },
            _ => Choice::OneOf([
                (TimmOp::Solarize, 5.0),
                (TimmOp::Desaturate, 10.0),
                (TimmOp::GaussianBlurRand, 10.0),
            ]),
        };
        let highest = settings.highest;
        Ok(Self { choice, noise: settings.noise, highest, fill: [128; 3], interpolation: None })
    }

    /// Sets the colour outside the image; timm's training has 255 times the mean, (124, 116, 104) for ImageNet.
    #[must_use]
    pub fn fill(mut self, fill: [u8; 3]) -> Self {
        self.fill = fill;
        self
    }

    /// Sets one interpolation for all shears, translations and rotations: `Nearest`, `Bilinear` or `Bicubic`.
    #[must_use]
    pub fn interpolation(mut self, interpolation: Filter) -> Self {
        self.interpolation = Some(interpolation);
        self
    }

    /// Draws one operation's magnitude and what else it leaves open.
    fn op(&self, op: TimmOp, magnitude: f64, size: (u32, u32), rng: &mut Rng) -> Op {
        let noisy = match self.noise {
            Noise::Normal(deviation) if deviation > 0.0 => {
                let normal: f64 = StandardNormal.sample(rng);
                magnitude + deviation * normal
            }
            Noise::Normal(_) => magnitude,
            Noise::Uniform => rng.random_range(0.0..=magnitude),
        };
        let level = noisy.min(self.highest).max(0.0) / 10.0;
        let interpolation =
            self.interpolation.unwrap_or_else(|| *pick(&[Filter::Bilinear, Filter::Bicubic], rng));
        let warp = Warp { interpolation, fill: self.fill };
        let up_to = |highest: f64| (level * highest) as i64;
        let enhance = level * 1.8 + 0.1;
        let mut signed = |highest: f64| either_sign(level * highest, rng);
        match op {
            TimmOp::AutoContrast => AUTO_CONTRAST,
            TimmOp::Equalize => Op::Equalize,
            TimmOp::Invert => Op::Invert,
            TimmOp::Rotate => warp.rotate(signed(30.0)),
            TimmOp::Posterize => posterize(up_to(4.0)),
            TimmOp::PosterizeIncreasing => posterize(4 - up_to(4.0)),
            TimmOp::PosterizeOriginal => posterize(up_to(4.0) + 4),
            TimmOp::Solarize => solarize(up_to(256.0)),
            TimmOp::SolarizeIncreasing => solarize(256 - up_to(256.0).min(256)),
            TimmOp::SolarizeAdd => Op::SolarizeAdd { addition: up_to(110.0).min(128) as u8, threshold: 128 },
            TimmOp::Color => Op::AdjustSaturation { factor: enhance },
            TimmOp::Contrast => Op::AdjustContrast { factor: enhance },
            TimmOp::Brightness => Op::AdjustBrightness { factor: enhance },
            TimmOp::Sharpness => Op::AdjustSharpness { factor: enhance },
            TimmOp::ColorIncreasing => Op::AdjustSaturation { factor: (1.0 + signed(0.9)).max(0.1) },
            TimmOp::ContrastIncreasing => Op::AdjustContrast { factor: (1.0 + signed(0.9)).max(0.1) },
            TimmOp::BrightnessIncreasing => Op::AdjustBrightness { factor: (1.0 + signed(0.9)).max(0.1) },
            TimmOp::SharpnessIncreasing => Op::AdjustSharpness { factor: (1.0 + signed(0.9)).max(0.1) },
            TimmOp::ShearX => warp.shear_x(signed(0.3)),
            TimmOp::ShearY => warp.shear_y(signed(0.3)),
            TimmOp::TranslateXRel => warp.translate_x(signed(TRANSLATE_SHARE) * f64::from(size.0)),
            TimmOp::TranslateYRel => warp.translate_y(signed(TRANSLATE_SHARE) * f64::from(size.1)),
            TimmOp::Desaturate => {
                Op::AdjustSaturation { factor: (1.0 - (0.5 + 0.5 * level).min(1.0)).clamp(0.0, 1.0) }
            }
            TimmOp::GaussianBlur => {
                Op::GaussianBlur { method: BlurMethod::Pillow, sigma: (0.1 + 1.9 * level).min(2.0) }
            }
            TimmOp::GaussianBlurRand => {
                let sigma = 0.1 + rng.random::<f64>() * (2.0 * level.min(1.0) - 0.1);
                Op::GaussianBlur { method: BlurMethod::Pillow, sigma }
            }
        }
    }
}

impl Transform for TimmAugment {
    fn draw(&self, view: &mut View, rng: &mut Rng) {
        let push = |view: &mut View, op: TimmOp, p: f64, magnitude: f64, rng: &mut Rng| {
            if rng.random_bool(p) {
                view.push(self.op(op, magnitude, view.size(), rng));
            }
        };
        match self.choice {
            Choice::Layers { ops, layers, p, magnitude } => {
                for _ in 0..layers {
                    push(view, *pick(ops, rng), p, magnitude, rng);
                }
            }
            Choice::Weighted { ops, layers, p, magnitude } => {
                for op in weighted(ops, layers, rng) {
                    push(view, op, p, magnitude, rng);
                }
            }
            Choice::Pairs { pairs, reversed_posterize } => {
                for &(op, p, magnitude) in pick(pairs, rng) {
                    let op = match op {
                        TimmOp::Posterize | TimmOp::PosterizeOriginal if reversed_posterize => {
                            TimmOp::PosterizeIncreasing
                        }
                        other => other,
                    };
                    push(view, op, p, magnitude as f64, rng);
                }
            }
            Choice::OneOf(ops) => {
                let (op, magnitude) = *pick(&ops, rng);
                push(view, op, 1.0, magnitude, rng);
            }
        }
    }
}

/// `count` different operations, drawn by weight among those that are left.
fn weighted(ops: &[(TimmOp, f64)], count: usize, rng: &mut Rng) -> Vec<TimmOp> {
    let mut left = ops.to_vec();
    let mut drawn = Vec::with_capacity(count);
    while drawn.len() < count && !left.is_empty() {
        let total: f64 = left.iter().map(|(_, weight)| weight).sum();
        let mut at = rng.random::<f64>() * total;
        let last = left.len() - 1;
        let index = left.iter().position(|(_, weight)| {
            at -= weight;
            at < 0.0
        });
        drawn.push(left.remove(index.unwrap_or(last)).0);
    }
    drawn
}

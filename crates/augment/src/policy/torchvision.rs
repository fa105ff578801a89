//! AutoAugment, RandAugment and TrivialAugmentWide as `torchvision.transforms` has them on PIL images.

use super::sub_policies::{CIFAR10, IMAGENET, SVHN, SubPolicy};
use super::{AUTO_CONTRAST, Warp, either_sign, pick, posterize, solarize};
use crate::error::check_within;
use crate::{Error, Filter, Op, Rng, Transform, View};
use rand::RngExt as _;

/// The operations, by torchvision's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Color,
    Contrast,
    Sharpness,
    Posterize,
    Solarize,
    AutoContrast,
    Equalize,
    Invert,
}

/// The fourteen of RandAugment and TrivialAugment.
const FOURTEEN: [Kind; 14] = [
    Kind::Identity,
    Kind::ShearX,
    Kind::ShearY,
    Kind::TranslateX,
    Kind::TranslateY,
    Kind::Rotate,
    Kind::Brightness,
    Kind::Color,
    Kind::Contrast,
    Kind::Sharpness,
    Kind::Posterize,
    Kind::Solarize,
    Kind::AutoContrast,
    Kind::Equalize,
];

/// How far translations reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Reach {
    /// This share of the side.
    Share(f64),
    /// This many pixels.
    Pixels(f64),
}

/// What the magnitudes reach up to; solarize always runs from 255 down to 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Space {
    pub(super) shear: f64,
    pub(super) translate: Reach,
    pub(super) rotate: f64,
    pub(super) enhance: f64,
    /// Bits kept at the lowest magnitude, and how many fewer at the highest.
    pub(super) posterize: (f64, f64),
    pub(super) bins: usize,
}

const NARROW: Space = Space {
    shear: 0.3,
    translate: Reach::Share(150.0 / 331.0),
    rotate: 30.0,
    enhance: 0.9,
    posterize: (8.0, 4.0),
    bins: 10,
};

const WIDE: Space = Space {
    shear: 0.99,
    translate: Reach::Pixels(32.0),
    rotate: 135.0,
    enhance: 0.99,
    posterize: (8.0, 6.0),
    bins: 31,
};

/// `torch.linspace` in single precision, at `bin` of `bins`: the second half is counted from the end, and products are not
/// rounded before they are added (it decides about whole pixels).
fn linspace(start: f64, end: f64, bin: usize, bins: usize) -> f64 {
    let (start, end) = (start as f32, end as f32);
    let step = (end - start) / (bins - 1) as f32;
    let value = if bin < bins / 2 {
        step.mul_add(bin as f32, start)
    } else {
        (-step).mul_add((bins - 1 - bin) as f32, end)
    };
    f64::from(value)
}

impl Space {
    /// The operation at a magnitude, its sign drawn where it has one; `None` is the identity.
    pub(super) fn draw(
        &self,
        kind: Kind,
        bin: usize,
        warp: Warp,
        size: (u32, u32),
        rng: &mut Rng,
    ) -> Option<Op> {
        let up_to = |end: f64| linspace(0.0, end, bin, self.bins);
        let reach = |side: u32| match self.translate {
            Reach::Share(share) => share * f64::from(side),
            Reach::Pixels(pixels) => pixels,
        };
        let mut signed = |end: f64| either_sign(up_to(end), rng);
        // torchvision goes through an angle in degrees, and back.
        let sheared = |tangent: f64| tangent.atan().to_degrees().to_radians().tan();
        Some(match kind {
            Kind::Identity => return None,
            Kind::ShearX => warp.shear_x(sheared(signed(self.shear))),
            Kind::ShearY => warp.shear_y(sheared(signed(self.shear))),
            // Content moves by whole pixels to the right or down.
            Kind::TranslateX => warp.translate_x(-signed(reach(size.0)).trunc()),
            Kind::TranslateY => warp.translate_y(-signed(reach(size.1)).trunc()),
            Kind::Rotate => warp.rotate(signed(self.rotate)),
            Kind::Brightness => Op::AdjustBrightness { factor: 1.0 + signed(self.enhance) },
            Kind::Color => Op::AdjustSaturation { factor: 1.0 + signed(self.enhance) },
            Kind::Contrast => Op::AdjustContrast { factor: 1.0 + signed(self.enhance) },
            Kind::Sharpness => Op::AdjustSharpness { factor: 1.0 + signed(self.enhance) },
            Kind::Posterize => {
                let (most, fewer) = self.posterize;
                let taken = bin as f32 / ((self.bins - 1) as f32 / fewer as f32);
                posterize((most - f64::from(taken.round_ties_even())) as i64)
            }
            // Whole values reach a threshold where they reach the next whole one.
            Kind::Solarize => solarize(linspace(255.0, 0.0, bin, self.bins).ceil() as i64),
            Kind::AutoContrast => AUTO_CONTRAST,
            Kind::Equalize => Op::Equalize,
            Kind::Invert => Op::Invert,
        })
    }
}

/// `torchvision.transforms.RandAugment` (Cubuk et al. 2019): some of fourteen operations, one after the other, all at one
/// magnitude.
#[derive(Clone, Debug, PartialEq)]
pub struct RandAugment {
    num_ops: usize,
    magnitude: usize,
    space: Space,
    warp: Warp,
}

impl RandAugment {
    /// `num_ops` operations at bin `magnitude` of 31 (torchvision's defaults are 2 and 9), nearest neighbours, black
    /// outside.
    ///
    /// Errs unless `num_ops` is within 0..=1000 and `magnitude` within 0..=30.
    pub fn new(num_ops: usize, magnitude: usize) -> Result<Self, Error> {
        check_within("RandAugment num_ops", num_ops as f64, 0.0..=1000.0)?;
        check_within("RandAugment magnitude", magnitude as f64, 0.0..=30.0)?;
        Ok(Self { num_ops, magnitude, space: Space { bins: 31, ..NARROW }, warp: NEAREST })
    }

    /// Sets how many magnitudes there are. Errs unless within the magnitude + 1 (at least 2)..=1000.
    pub fn num_magnitude_bins(mut self, bins: usize) -> Result<Self, Error> {
        let least = (self.magnitude + 1).max(2);
        check_within("RandAugment num_magnitude_bins", bins as f64, least as f64..=1000.0)?;
        self.space.bins = bins;
        Ok(self)
    }
}

impl Transform for RandAugment {
    fn draw(&self, view: &mut View, rng: &mut Rng) {
        for _ in 0..self.num_ops {
            let kind = *pick(&FOURTEEN, rng);
            if let Some(op) = self.space.draw(kind, self.magnitude, self.warp, view.size(), rng) {
                view.push(op);
            }
        }
    }
}

/// `torchvision.transforms.TrivialAugmentWide` (Müller and Hutter 2021): one of fourteen operations at a random magnitude
/// of a wide range.
#[derive(Clone, Debug, PartialEq)]
pub struct TrivialAugmentWide {
    space: Space,
    warp: Warp,
}

impl TrivialAugmentWide {
    /// 31 magnitudes, nearest neighbours, black outside.
    #[must_use]
    pub fn new() -> Self {
        Self { space: WIDE, warp: NEAREST }
    }

    /// Sets how many magnitudes there are. Errs unless within 2..=1000.
    pub fn num_magnitude_bins(mut self, bins: usize) -> Result<Self, Error> {
        check_within("TrivialAugmentWide num_magnitude_bins", bins as f64, 2.0..=1000.0)?;
        self.space.bins = bins;
        Ok(self)
    }
}

impl Default for TrivialAugmentWide {
    fn default() -> Self {
        Self::new()
    }
}

impl Transform for TrivialAugmentWide {
    fn draw(&self, view: &mut View, rng: &mut Rng) {
        let kind = *pick(&FOURTEEN, rng);
        let bin = rng.random_range(0..self.space.bins);
        if let Some(op) = self.space.draw(kind, bin, self.warp, view.size(), rng) {
            view.push(op);
        }
    }
}

/// Which data the policies of [`AutoAugment`] were searched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoAugmentPolicy {
    /// ImageNet.
    ImageNet,
    /// CIFAR-10.
    Cifar10,
    /// Street View House Numbers.
    Svhn,
}

/// `torchvision.transforms.AutoAugment` (Cubuk et al. 2018): one of 25 pairs of operations, each with its probability.
#[derive(Clone, Debug, PartialEq)]
pub struct AutoAugment {
    sub_policies: &'static [SubPolicy<Kind>],
    warp: Warp,
}

impl AutoAugment {
    /// Nearest neighbours, black outside.
    #[must_use]
    pub fn new(policy: AutoAugmentPolicy) -> Self {
        let sub_policies = match policy {
            AutoAugmentPolicy::ImageNet => &IMAGENET,
            AutoAugmentPolicy::Cifar10 => &CIFAR10,
            AutoAugmentPolicy::Svhn => &SVHN,
        };
        Self { sub_policies, warp: NEAREST }
    }
}

impl Transform for AutoAugment {
    fn draw(&self, view: &mut View, rng: &mut Rng) {
        for &(kind, p, bin) in pick(self.sub_policies, rng) {
            if rng.random_bool(p)
                && let Some(op) = NARROW.draw(kind, bin, self.warp, view.size(), rng)
            {
                view.push(op);
            }
        }
    }
}

const NEAREST: Warp = Warp { interpolation: Filter::Nearest, fill: [0; 3] };

/// Both setters of a policy's warp.
macro_rules! warp_setters {
    ($($policy:ty),*) => {$(
        impl $policy {
            /// Sets the interpolation of shears, translations and rotations: `Nearest`, `Bilinear` or `Bicubic`.
            #[must_use]
            pub fn interpolation(mut self, interpolation: Filter) -> Self {
                self.warp.interpolation = interpolation;
                self
            }

            /// Sets the colour outside the image.
            #[must_use]
            pub fn fill(mut self, fill: [u8; 3]) -> Self {
                self.warp.fill = fill;
                self
            }
        }
    )*};
}

warp_setters!(AutoAugment, RandAugment, TrivialAugmentWide);

//! What a recipe is made of: named steps with their parameters, which can be read as well as run.

use crate::{
    BigVisionRandAugment, BlurMethod, Border, ColorJitter, Compose, CropSampling, ErasingValue, Error,
    Filter, GaussianBlur, Op, RandomApply, RandomErasing, RandomGrayscale, RandomHorizontalFlip,
    RandomResizedCrop, TfBrightness, TfColorJitter, ThreeAugment, TimmAugment,
};
use std::fmt;

/// One step of a recipe. Ranges are (low, high), `p` is the probability that the step is done.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Step {
    /// [`RandomResizedCrop`] to a square.
    RandomResizedCrop {
        /// The side in pixels.
        size: u32,
        /// The share of the area.
        scale: (f64, f64),
        /// Width / height.
        ratio: (f64, f64),
        /// The interpolation.
        filter: Filter,
        /// How the region is drawn.
        sampling: CropSampling,
    },
    /// [`RandomHorizontalFlip`].
    Flip {
        /// The probability.
        p: f64,
    },
    /// [`ColorJitter`].
    ColorJitter {
        /// Brightness, contrast, saturation and hue.
        strength: [f64; 4],
        /// The probability.
        p: f64,
    },
    /// [`TfColorJitter`].
    TfColorJitter {
        /// Brightness, contrast, saturation and hue.
        strength: [f64; 4],
        /// How brightness changes.
        brightness: TfBrightness,
        /// The probability.
        p: f64,
    },
    /// [`RandomGrayscale`].
    Grayscale {
        /// The probability.
        p: f64,
    },
    /// [`GaussianBlur`].
    GaussianBlur {
        /// How it is computed.
        method: BlurMethod,
        /// The standard deviation in pixels.
        sigma: (f64, f64),
        /// The probability.
        p: f64,
    },
    /// [`Solarize`](crate::Solarize).
    Solarize {
        /// Values from here up are inverted.
        threshold: u16,
        /// The probability.
        p: f64,
    },
    /// [`ThreeAugment`].
    ThreeAugment {
        /// The jitter of brightness, contrast and saturation.
        color_jitter: f64,
    },
    /// [`TimmAugment`].
    TimmAugment {
        /// timm's string.
        config: &'static str,
        /// The colour outside the image.
        fill: [u8; 3],
        /// The interpolation; bilinear or bicubic at random if there is none.
        interpolation: Option<Filter>,
    },
    /// [`RandomErasing`] as timm's, with noise of ImageNet's mean and deviation (there it comes after normalising).
    RandomErasing {
        /// The probability.
        p: f64,
    },
    /// [`BigVisionRandAugment`].
    BigVisionRandAugment {
        /// How many operations.
        layers: usize,
        /// Their magnitude.
        magnitude: u32,
    },
}

impl Step {
    /// The ratios of nearly all recipes.
    pub(super) const RATIO: (f64, f64) = (3.0 / 4.0, 4.0 / 3.0);

    /// Adds the step to a composition. Errs where a parameter is out of range.
    pub fn add_to(&self, compose: Compose) -> Result<Compose, Error> {
        Ok(match *self {
            Self::RandomResizedCrop { size, scale, ratio, filter, sampling } => {
                let crop =
                    RandomResizedCrop::new(size)?.scale(scale.0..=scale.1)?.ratio(ratio.0..=ratio.1)?;
                compose.then(crop.filter(filter).sampling(sampling))
            }
            Self::Flip { p } => compose.then(RandomHorizontalFlip::new(p)?),
            Self::ColorJitter { strength: [b, c, s, h], p } => {
                compose.then(RandomApply::new(ColorJitter::new(b, c, s, h)?, p)?)
            }
            Self::TfColorJitter { strength: [b, c, s, h], brightness, p } => {
                compose.then(RandomApply::new(TfColorJitter::new(b, c, s, h, brightness)?, p)?)
            }
            Self::Grayscale { p } => compose.then(RandomGrayscale::new(p)?),
            Self::GaussianBlur { method, sigma, p } => {
                compose.then(RandomApply::new(GaussianBlur::new(method, sigma.0..=sigma.1)?, p)?)
            }
            Self::Solarize { threshold, p } => compose.then(RandomApply::new(Op::Solarize { threshold }, p)?),
            Self::ThreeAugment { color_jitter } => compose.then(ThreeAugment::new(color_jitter)?),
            Self::TimmAugment { config, fill, interpolation } => {
                let augment = TimmAugment::parse(config)?.fill(fill);
                compose.then(match interpolation {
                    Some(filter) => augment.interpolation(filter),
                    None => augment,
                })
            }
            Self::RandomErasing { p } => {
                compose.then(RandomErasing::timm(p, ErasingValue::Pixel { mean: MEAN, std: STD })?)
            }
            Self::BigVisionRandAugment { layers, magnitude } => {
                compose.then(BigVisionRandAugment::new(layers, magnitude)?)
            }
        })
    }

    /// The step's name, its parameters and its probability.
    fn cells(&self) -> (&'static str, String, f64) {
        let jitter =
            |[b, c, s, h]: [f64; 4]| format!("brightness {b}, contrast {c}, saturation {s}, hue {h}");
        match *self {
            Self::RandomResizedCrop { size, scale, ratio, filter, sampling } => {
                let mut text =
                    format!("{size}x{size}, area {}-{}, {}", scale.0, scale.1, filter_name(filter));
                if ratio != Self::RATIO {
                    text += &format!(", ratio {}-{}", ratio.0, ratio.1);
                }
                text += match sampling {
                    CropSampling::Torchvision => "",
                    CropSampling::TensorFlow => ", TensorFlow's",
                    CropSampling::Inception => ", TensorFlow's, covering a tenth",
                    CropSampling::OneShot => ", one draw",
                };
                ("random resized crop", text, 1.0)
            }
            Self::Flip { p } => ("horizontal flip", String::new(), p),
            Self::ColorJitter { strength, p } => ("colour jitter", jitter(strength), p),
            Self::TfColorJitter { strength, brightness, p } => {
                let kind = match brightness {
                    TfBrightness::Multiplied => "multiplied",
                    TfBrightness::Added => "added",
                };
                ("colour jitter (TF)", format!("{}, brightness {kind}", jitter(strength)), p)
            }
            Self::Grayscale { p } => ("grayscale", String::new(), p),
            Self::GaussianBlur { method, sigma, p } => {
                let method = match method {
                    BlurMethod::Pillow => "Pillow's".to_owned(),
                    BlurMethod::Kernel { size, border: Border::Zero } => format!("{size} taps, black border"),
                    BlurMethod::Kernel { size, border: Border::Reflect } => format!("{size} taps, reflected"),
                };
                ("Gaussian blur", format!("sigma {}-{}, {method}", sigma.0, sigma.1), p)
            }
            Self::Solarize { threshold, p } => ("solarize", format!("from {threshold}"), p),
            Self::ThreeAugment { color_jitter } => {
                ("3-Augment", format!("colour jitter {color_jitter}"), 1.0)
            }
            Self::TimmAugment { config, fill: [r, g, b], interpolation } => {
                let filter = interpolation.map_or("bilinear or bicubic", filter_name);
                ("timm", format!("{config}, {filter}, fill {r} {g} {b}"), 1.0)
            }
            Self::RandomErasing { p } => ("random erasing", "a box of noise".to_owned(), p),
            Self::BigVisionRandAugment { layers, magnitude } => {
                ("RandAugment (big_vision)", format!("{layers} of 16 operations, magnitude {magnitude}"), 1.0)
            }
        }
    }
}

/// ImageNet's mean and standard deviation, as everybody normalises by.
const MEAN: [f64; 3] = [0.485, 0.456, 0.406];
const STD: [f64; 3] = [0.229, 0.224, 0.225];

fn filter_name(filter: Filter) -> &'static str {
    match filter {
        Filter::Nearest => "nearest",
        Filter::Bilinear => "bilinear",
        Filter::Bicubic => "bicubic",
        Filter::Lanczos => "Lanczos",
        Filter::Hamming => "Hamming",
        Filter::Box => "box",
    }
}

/// One line of a table: name, probability, parameters.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, parameters, p) = self.cells();
        write!(f, "{name:<24} p {p:<4} {parameters}")
    }
}

//! The random colour transforms: jitter, grey and solarise.

use super::{adjust_brightness, adjust_contrast, adjust_hue, adjust_saturation, grayscale, solarize};
use crate::error::check_within;
use crate::{Error, Rng, Transform};
use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use visrep_decode::RgbImage;

/// One colour operation with its factor drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Adjustment {
    /// [`adjust_brightness`] by this factor.
    Brightness(f64),
    /// [`adjust_contrast`] by this factor.
    Contrast(f64),
    /// [`adjust_saturation`] by this factor.
    Saturation(f64),
    /// [`adjust_hue`] by this share of a turn.
    Hue(f64),
}

impl Adjustment {
    /// Changes `image`.
    pub fn apply(self, image: &mut RgbImage) {
        match self {
            Adjustment::Brightness(factor) => adjust_brightness(image, factor),
            Adjustment::Contrast(factor) => adjust_contrast(image, factor),
            Adjustment::Saturation(factor) => adjust_saturation(image, factor),
            Adjustment::Hue(turns) => adjust_hue(image, turns),
        }
    }
}

/// Random brightness, contrast, saturation and hue in random order: `torchvision.transforms.ColorJitter`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ColorJitter {
    brightness: f64,
    contrast: f64,
    saturation: f64,
    hue: f64,
}

impl ColorJitter {
    /// The first three draw their factors from `max(0, 1 - v)..=1 + v`, `hue` its turn from `-hue..=hue`. What is
    /// 0 is left out.
    ///
    /// Errs unless the first three are within 0..=1000 and `hue` is within 0..=0.5.
    pub fn new(brightness: f64, contrast: f64, saturation: f64, hue: f64) -> Result<Self, Error> {
        check_within("ColorJitter brightness", brightness, 0.0..=1000.0)?;
        check_within("ColorJitter contrast", contrast, 0.0..=1000.0)?;
        check_within("ColorJitter saturation", saturation, 0.0..=1000.0)?;
        check_within("ColorJitter hue", hue, 0.0..=0.5)?;
        Ok(Self { brightness, contrast, saturation, hue })
    }

    /// Draws the operations in the order in which they are to be applied.
    pub fn draw(&self, rng: &mut Rng) -> Vec<Adjustment> {
        let mut factor = |v: f64, make: fn(f64) -> Adjustment| {
            (v > 0.0).then(|| make(rng.random_range((1.0 - v).max(0.0)..=1.0 + v)))
        };
        let mut steps: Vec<Adjustment> = [
            factor(self.brightness, Adjustment::Brightness),
            factor(self.contrast, Adjustment::Contrast),
            factor(self.saturation, Adjustment::Saturation),
        ]
        .into_iter()
        .flatten()
        .collect();
        if self.hue > 0.0 {
            steps.push(Adjustment::Hue(rng.random_range(-self.hue..=self.hue)));
        }
        steps.shuffle(rng);
        steps
    }
}

impl Transform for ColorJitter {
    fn apply(&self, mut image: RgbImage, rng: &mut Rng) -> RgbImage {
        for step in self.draw(rng) {
            step.apply(&mut image);
        }
        image
    }
}

/// Turns the image grey, still in three channels, with probability `p`; see [`grayscale`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RandomGrayscale {
    p: f64,
}

impl RandomGrayscale {
    /// Errs unless `p` is within 0..=1.
    pub fn new(p: f64) -> Result<Self, Error> {
        check_within("RandomGrayscale p", p, 0.0..=1.0)?;
        Ok(Self { p })
    }
}

impl Transform for RandomGrayscale {
    fn apply(&self, mut image: RgbImage, rng: &mut Rng) -> RgbImage {
        if rng.random_bool(self.p) {
            grayscale(&mut image);
        }
        image
    }
}

/// Inverts the values from a threshold up; see [`solarize`]. BYOL's threshold of 0.5 is 128.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Solarize {
    threshold: u16,
}

impl Solarize {
    /// Errs unless `threshold` is within 0..=256.
    pub fn new(threshold: u16) -> Result<Self, Error> {
        check_within("Solarize threshold", f64::from(threshold), 0.0..=256.0)?;
        Ok(Self { threshold })
    }
}

impl Transform for Solarize {
    fn apply(&self, mut image: RgbImage, _: &mut Rng) -> RgbImage {
        solarize(&mut image, self.threshold);
        image
    }
}

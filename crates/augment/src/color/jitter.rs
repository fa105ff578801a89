//! The random colour transforms: jitter, grey and solarise.

use crate::error::check_within;
use crate::{Error, Op, Rng, Transform, View};
use rand::RngExt as _;
use rand::seq::SliceRandom as _;

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
}

impl Transform for ColorJitter {
    fn draw(&self, view: &mut View, rng: &mut Rng) {
        let mut steps = Vec::with_capacity(4);
        let mut factor = |v: f64| (v > 0.0).then(|| rng.random_range((1.0 - v).max(0.0)..=1.0 + v));
        steps.extend(factor(self.brightness).map(|factor| Op::AdjustBrightness { factor }));
        steps.extend(factor(self.contrast).map(|factor| Op::AdjustContrast { factor }));
        steps.extend(factor(self.saturation).map(|factor| Op::AdjustSaturation { factor }));
        if self.hue > 0.0 {
            steps.push(Op::AdjustHue { turns: rng.random_range(-self.hue..=self.hue) });
        }
        steps.shuffle(rng);
        steps.into_iter().for_each(|step| view.push(step));
    }
}

/// Turns the image grey, still in three channels, with probability `p`; see [`grayscale`](crate::grayscale).
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
    fn draw(&self, view: &mut View, rng: &mut Rng) {
        if rng.random_bool(self.p) {
            view.push(Op::Grayscale);
        }
    }
}

/// Inverts the values from a threshold up; see [`solarize`](crate::solarize). BYOL's threshold of 0.5 is 128.
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
    fn draw(&self, view: &mut View, _: &mut Rng) {
        view.push(Op::Solarize { threshold: self.threshold });
    }
}

//! Colour jitter as SimCLR and BYOL have it in TensorFlow and JAX: in floating point, clipped after every step.

use super::float::{Step, run};
use crate::error::check_within;
use crate::{Error, Op, Rng, Transform, View};
use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use serde::{Deserialize, Serialize};
use visrep_decode::RgbImage;

/// One step of [`tf_color_jitter`], on values of 0 to 1; they are clipped to that range after it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TfColorStep {
    /// Multiplies every value: brightness in SimCLR v2.
    Scale(f64),
    /// Adds to every value: brightness in SimCLR v1 and BYOL, `tf.image.adjust_brightness`.
    Shift(f64),
    /// Multiplies the distance of every value from the mean of its channel: `tf.image.adjust_contrast`.
    Contrast(f64),
    /// Multiplies the saturation of HSV: `tf.image.adjust_saturation`.
    Saturation(f64),
    /// Turns the hue of HSV by a share of the circle: `tf.image.adjust_hue`.
    Hue(f64),
}

/// Applies the steps in floating point and rounds once, to the nearest level.
///
/// Other than [`adjust_contrast`](crate::adjust_contrast) and its kin, which are Pillow's, contrast is about the mean of
/// each channel and saturation that of HSV.
pub fn tf_color_jitter(image: &mut RgbImage, steps: &[TfColorStep]) {
    let finite = |value: f64| if value.is_finite() { value as f32 } else { 0.0 };
    let steps: Vec<Step> = steps
        .iter()
        .map(|step| match *step {
            TfColorStep::Scale(factor) => Step::Scale(finite(factor)),
            TfColorStep::Shift(delta) => Step::Shift(finite(delta)),
            TfColorStep::Contrast(factor) => Step::Contrast(finite(factor)),
            TfColorStep::Saturation(factor) => Step::Saturation(finite(factor)),
            TfColorStep::Hue(turns) => Step::Hue(finite(turns.fract())),
        })
        .collect();
    run(image, &steps);
}

/// How brightness is jittered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TfBrightness {
    /// By a factor: SimCLR v2 (`random_brightness` of google-research/simclr `tf2/data_util.py`, `simclrv2`).
    Multiplied,
    /// By addition: SimCLR v1 and BYOL.
    Added,
}

/// Random brightness, contrast, saturation and hue in random order, as google-research/simclr `tf2/data_util.py`
/// (`color_jitter_rand`) and deepmind-research `byol/utils/augmentations.py` have them. See [`tf_color_jitter`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TfColorJitter {
    brightness: f64,
    contrast: f64,
    saturation: f64,
    hue: f64,
    kind: TfBrightness,
}

impl TfColorJitter {
    /// Brightness is multiplied by `max(0, 1 - v)..=1 + v` or changed by `-v..=v`, contrast and saturation are
    /// multiplied by `1 - v..=1 + v`, the hue turns by `-v..=v`. What is 0 is left out.
    ///
    /// SimCLR has (.8, .8, .8, .2) times its strength, which is 1 on ImageNet and .5 on CIFAR, BYOL
    /// (.4, .4, .2, .1).
    ///
    /// Errs unless brightness is within 0..=1000, contrast and saturation within 0..=1 and hue within 0..=0.5.
    pub fn new(
        brightness: f64,
        contrast: f64,
        saturation: f64,
        hue: f64,
        kind: TfBrightness,
    ) -> Result<Self, Error> {
        check_within("TfColorJitter brightness", brightness, 0.0..=1000.0)?;
        check_within("TfColorJitter contrast", contrast, 0.0..=1.0)?;
        check_within("TfColorJitter saturation", saturation, 0.0..=1.0)?;
        check_within("TfColorJitter hue", hue, 0.0..=0.5)?;
        Ok(Self { brightness, contrast, saturation, hue, kind })
    }
}

impl Transform for TfColorJitter {
    fn draw(&self, view: &mut View, rng: &mut Rng) {
        let mut steps = Vec::with_capacity(4);
        let mut draw = |low: f64, high: f64| rng.random_range(low..=high);
        let v = self.brightness;
        if v > 0.0 {
            steps.push(match self.kind {
                TfBrightness::Multiplied => TfColorStep::Scale(draw((1.0 - v).max(0.0), 1.0 + v)),
                TfBrightness::Added => TfColorStep::Shift(draw(-v, v)),
            });
        }
        if self.contrast > 0.0 {
            steps.push(TfColorStep::Contrast(draw(1.0 - self.contrast, 1.0 + self.contrast)));
        }
        if self.saturation > 0.0 {
            steps.push(TfColorStep::Saturation(draw(1.0 - self.saturation, 1.0 + self.saturation)));
        }
        if self.hue > 0.0 {
            steps.push(TfColorStep::Hue(draw(-self.hue, self.hue)));
        }
        steps.shuffle(rng);
        if !steps.is_empty() {
            view.push(Op::TfColorJitter { steps });
        }
    }
}

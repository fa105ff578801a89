//! A number of a method that changes in the course of training: a teacher's momentum, a temperature.

use crate::Step;
use serde::{Deserialize, Serialize};

/// A number that stays, or goes from one value to another. In a recipe, `momentum = 0.99` or
/// `momentum = { from = 0.996, to = 1.0, shape = "cosine" }`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Ramp {
    /// It stays.
    Constant(f64),
    /// It changes.
    Moving(Moving),
}

/// The way of a [`Ramp`] that changes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moving {
    /// The first value.
    pub from: f64,
    /// The last value.
    pub to: f64,
    /// The curve between them.
    pub shape: RampShape,
    /// With a number of epochs it changes from epoch to epoch, has the last value in the last of those and after them
    /// (DINO's warm-up of the teacher's temperature). Without, it changes from step to step over the whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u64>,
}

/// The curve of a [`Ramp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RampShape {
    /// A straight line.
    Linear,
    /// `to - (to - from) (1 + cos(pi p)) / 2` for the progress `p`: BYOL's and DINO's momentum.
    Cosine,
}

impl Ramp {
    /// The value for a step.
    pub fn at(&self, step: &Step) -> f64 {
        let moving = match self {
            Self::Constant(value) => return *value,
            Self::Moving(moving) => moving,
        };
        let progress = match moving.epochs {
            Some(epochs) => step.epoch as f64 / epochs.saturating_sub(1).max(1) as f64,
            None => step.index as f64 / step.total.max(1) as f64,
        };
        // One epoch is the last one too.
        let progress = if moving.epochs.is_some_and(|epochs| epochs < 2) { 1.0 } else { progress.min(1.0) };
        let Moving { from, to, .. } = *moving;
        match moving.shape {
            RampShape::Linear => from + (to - from) * progress,
            RampShape::Cosine => to - (to - from) * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos()),
        }
    }

    /// The values at both ends, to check them.
    pub fn ends(&self) -> [f64; 2] {
        match self {
            Self::Constant(value) => [*value; 2],
            Self::Moving(moving) => [moving.from, moving.to],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ramp: &Ramp, index: u64) -> f64 {
        ramp.at(&Step { index, total: 100, epoch: index / 10, log: false })
    }

    fn moving(shape: RampShape, epochs: Option<u64>) -> Ramp {
        Ramp::Moving(Moving { from: 0.5, to: 1.0, shape, epochs })
    }

    #[test]
    fn it_goes_from_the_first_value_to_the_last() {
        assert_eq!(at(&Ramp::Constant(0.9), 37), 0.9);
        let cosine = moving(RampShape::Cosine, None);
        for (index, value) in [(0, 0.5), (50, 0.75), (100, 1.0), (25, 1.0 - 0.25 * (1.0 + 0.5f64.sqrt()))] {
            assert!((at(&cosine, index) - value).abs() < 1e-12, "{index}");
        }
        let line = moving(RampShape::Linear, Some(6));
        for (index, value) in [(0, 0.5), (9, 0.5), (10, 0.6), (49, 0.9), (50, 1.0), (99, 1.0)] {
            assert!((at(&line, index) - value).abs() < 1e-12, "{index}");
        }
        assert_eq!(at(&moving(RampShape::Linear, Some(1)), 0), 1.0);
        assert_eq!(cosine.ends(), [0.5, 1.0]);
    }
}

//! The teacher's temperature over a run.

use crate::config::positive;
use crate::{Error, Step};
use serde::{Deserialize, Serialize};

/// A temperature that moves in a line from `start` to `end` over the first epochs and stays there (DINO).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Temperature {
    /// In epoch 0.
    pub start: f64,
    /// From epoch `warmup_epochs` - 1 on.
    pub end: f64,
    /// The epochs of the line, both ends included; with 0 or 1, it is `end` throughout.
    pub warmup_epochs: u64,
}

impl Temperature {
    /// The same at every step.
    pub const fn constant(temperature: f64) -> Self {
        Self { start: temperature, end: temperature, warmup_epochs: 0 }
    }

    /// In the epoch of `step`: constant within an epoch, as in the authors' code.
    pub fn at(&self, step: &Step) -> f64 {
        if step.epoch + 1 >= self.warmup_epochs {
            return self.end;
        }
        self.start + (self.end - self.start) * step.epoch as f64 / (self.warmup_epochs - 1) as f64
    }

    /// Errs on values that are not finite and positive; `start_name` and `end_name` are the keys.
    pub fn check(&self, start_name: &'static str, end_name: &'static str) -> Result<(), Error> {
        for (parameter, found) in [(start_name, self.start), (end_name, self.end)] {
            positive(parameter, found)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_numpys_linspace_over_the_epochs() {
        let at =
            |temperature: Temperature, epoch| temperature.at(&Step { index: 0, total: 1, epoch, log: false });
        let warm = Temperature { start: 0.04, end: 0.07, warmup_epochs: 4 };
        let values: Vec<f64> = (0..6).map(|epoch| at(warm, epoch)).collect();
        for (found, expected) in values.iter().zip([0.04, 0.05, 0.06, 0.07, 0.07, 0.07]) {
            assert!((found - expected).abs() < 1e-12, "{values:?}");
        }
        for warmup_epochs in [0, 1] {
            assert_eq!(at(Temperature { warmup_epochs, ..warm }, 0), 0.07);
        }
        assert_eq!(at(Temperature::constant(0.05), 9), 0.05);
        assert!(Temperature { end: 0.0, ..warm }.check("a", "b").is_err());
        assert!(warm.check("a", "b").is_ok());
    }
}

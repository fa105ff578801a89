//! The learning rate of each step.

use crate::Length;
use serde::{Deserialize, Serialize};

/// Linear warm-up, then half a cosine: the section `[schedule]` of a recipe.
///
/// Convention, for step `t` counted from 0, `w` warm-up steps and `n` steps in all:
/// - `t < w`: `lr * (t + 1) / w`, so that the first step already learns and step `w - 1` has the full rate
///   (lightly's convention; big_vision's starts at 0);
/// - after that `final_lr + (lr - final_lr) * (1 + cos(pi * (t - w) / (n - w))) / 2`: per step, not per epoch,
///   with progress measured after the warm-up. `final_lr` would be reached at step `n`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// How long training lasts.
    pub length: Length,
    /// How long the warm-up lasts.
    pub warmup: Length,
    /// The highest learning rate, as the optimiser uses it: not scaled by the batch size.
    pub lr: f64,
    /// The learning rate that the cosine tends to.
    #[serde(default)]
    pub final_lr: f64,
}

impl Schedule {
    /// The learning rate of step `t` of `n` after `w` steps of warm-up; see [`Schedule`] for the formula.
    pub fn lr(&self, t: u64, w: u64, n: u64) -> f64 {
        if t < w {
            return self.lr * (t + 1) as f64 / w as f64;
        }
        let progress = if n > w { ((t - w) as f64 / (n - w) as f64).min(1.0) } else { 1.0 };
        self.final_lr + (self.lr - self.final_lr) * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warm_up_rises_to_the_rate_and_the_cosine_falls_to_the_end() {
        let schedule =
            Schedule { length: Length::Steps(20), warmup: Length::Steps(4), lr: 0.8, final_lr: 0.2 };
        let lr: Vec<f64> = (0..=20).map(|t| schedule.lr(t, 4, 20)).collect();
        assert_eq!(&lr[..5], &[0.2, 0.4, 0.6000000000000001, 0.8, 0.8]);
        assert!((lr[12] - 0.5).abs() < 1e-12, "half-way the cosine is at the middle");
        assert!((lr[20] - 0.2).abs() < 1e-12);
        assert!(lr[4..].windows(2).all(|pair| pair[1] < pair[0]));
        assert_eq!(schedule.lr(0, 0, 0), 0.2, "a run of no steps divides by nothing");
    }
}

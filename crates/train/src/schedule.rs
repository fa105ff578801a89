//! The learning rate of each step.

use crate::Length;
use serde::{Deserialize, Serialize};

/// How long a run lasts, and its learning rate: the section `[schedule]` of a recipe.
///
/// Step `t` is counted from 0, of `n` in all, `w` of them the warm-up. After the warm-up the progress is
/// `(t - w) / (n - w)`, so that `final_lr` would be reached at step `n`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// How long training lasts.
    pub length: Length,
    /// How long the warm-up lasts.
    pub warmup: Length,
    /// The highest learning rate, before [`Self::batch_scaling`].
    pub lr: f64,
    /// The learning rate that the curve tends to, not scaled.
    #[serde(default)]
    pub final_lr: f64,
    /// The learning rate that the warm-up starts from, not scaled.
    #[serde(default)]
    pub warmup_lr: f64,
    /// How far a step of the warm-up has come.
    #[serde(default)]
    pub warmup_steps: WarmupSteps,
    /// Whether the curve goes down at every step, or at every epoch and is constant within it.
    #[serde(default)]
    pub every: Every,
    /// The last part of the run, in which the learning rate is besides multiplied by the part of it that is left: it ends
    /// at 0 (big_vision's `cooldown`, for the shapes `rsqrt` and `constant`).
    #[serde(default = "none")]
    pub cooldown: Length,
    /// How the highest learning rate follows the size of the batch, which is that of an optimiser's step.
    #[serde(default)]
    pub batch_scaling: BatchScaling,
    /// The curve after the warm-up.
    #[serde(default)]
    pub shape: Shape,
}

fn none() -> Length {
    Length::Steps(0)
}

/// How far step `t` of a warm-up of `w` steps has come: three conventions that differ by one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WarmupSteps {
    /// `(t + 1) / w`: the first step already learns, and the last has the full rate (lightly).
    #[default]
    FromOne,
    /// `t / w`: the first step has `warmup_lr`, the first after the warm-up the full rate (big_vision, SimCLR, MAE, MoCo v3).
    FromZero,
    /// `t / (w - 1)`: the first step has `warmup_lr`, the last the full rate (DINO, SwAV, solo-learn).
    Inclusive,
}

/// When the learning rate changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Every {
    /// At every step.
    #[default]
    Step,
    /// At the start of every epoch (MoCo v1 and v2, SimSiam, lightly). A warm-up rises at every step nevertheless.
    Epoch,
}

/// How a learning rate follows the size of the batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BatchScaling {
    /// Not at all.
    #[default]
    None,
    /// `lr * batch / x`: the "linear scaling rule", `{ linear = 256 }`.
    Linear(u32),
    /// `lr * sqrt(batch / x)`: `{ sqrt = 1024 }` in DINOv2, `{ sqrt = 1 }` in SimCLR.
    Sqrt(u32),
}

/// The curve of a learning rate after its warm-up. `p` is the progress.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Shape {
    /// `final + (lr - final) (1 + cos(pi p)) / 2`.
    #[default]
    Cosine,
    /// `lr`.
    Constant,
    /// `final + (lr - final) (1 - p)^power`: `{ polynomial = { power = 1.0 } }`.
    Polynomial {
        /// 1 is a straight line.
        power: f64,
    },
    /// `lr * factor^k` once `k` of the lengths in `at`, counted from the start of the run, have passed:
    /// `{ steps = { at = ["120 epochs", "160 epochs"], factor = 0.1 } }`.
    Steps {
        /// When it falls.
        at: Vec<Length>,
        /// What it is multiplied by.
        factor: f64,
    },
    /// `lr / sqrt(1 + (t - w) / timescale)` (Zhai et al. 2022, arXiv:2106.04560): `{ rsqrt = { timescale = "10000 steps" } }`.
    Rsqrt {
        /// Where it has fallen by the root of 2.
        timescale: Length,
    },
}

impl Schedule {
    /// The curve for a run whose epochs have `per_epoch` optimiser steps of `batch` images.
    pub fn curve(&self, per_epoch: u64, batch: u64) -> Curve {
        let steps = |length: Length| length.steps(per_epoch, batch);
        let scale = match self.batch_scaling {
            BatchScaling::None => 1.0,
            BatchScaling::Linear(reference) => batch as f64 / f64::from(reference),
            BatchScaling::Sqrt(reference) => (batch as f64 / f64::from(reference)).sqrt(),
        };
        let (falls, timescale) = match &self.shape {
            Shape::Steps { at, .. } => (at.iter().map(|&length| steps(length)).collect(), 1),
            Shape::Rsqrt { timescale } => (Vec::new(), steps(*timescale).max(1)),
            Shape::Cosine | Shape::Constant | Shape::Polynomial { .. } => (Vec::new(), 1),
        };
        Curve {
            schedule: self.clone(),
            lr: self.lr * scale,
            total: steps(self.length),
            warmup: steps(self.warmup),
            cooldown: steps(self.cooldown),
            per_epoch: per_epoch.max(1),
            falls,
            timescale,
        }
    }
}

/// A [`Schedule`] in steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    schedule: Schedule,
    /// The highest learning rate.
    lr: f64,
    total: u64,
    warmup: u64,
    cooldown: u64,
    per_epoch: u64,
    /// The steps of [`Shape::Steps`].
    falls: Vec<u64>,
    timescale: u64,
}

impl Curve {
    /// The steps of the run.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The steps of the warm-up.
    pub fn warmup(&self) -> u64 {
        self.warmup
    }

    /// The highest learning rate, scaled by the batch.
    pub fn highest(&self) -> f64 {
        self.lr
    }

    /// The learning rate of step `t`, from 0.
    pub fn lr(&self, t: u64) -> f64 {
        let left = self.total.saturating_sub(t);
        let cooled = if left < self.cooldown { left as f64 / self.cooldown as f64 } else { 1.0 };
        if t < self.warmup {
            let (t, w) = (t as f64, self.warmup as f64);
            let part = match self.schedule.warmup_steps {
                WarmupSteps::FromOne => (t + 1.0) / w,
                WarmupSteps::FromZero => t / w,
                WarmupSteps::Inclusive => {
                    if w > 1.0 {
                        t / (w - 1.0)
                    } else {
                        1.0
                    }
                }
            };
            let top = if self.falls.is_empty() { self.lr } else { self.at(self.warmup) };
            let start = self.schedule.warmup_lr;
            return cooled * (start + (top - start) * part);
        }
        let t = match self.schedule.every {
            Every::Step => t,
            Every::Epoch => t / self.per_epoch * self.per_epoch,
        };
        cooled * self.at(t)
    }

    /// The curve after the warm-up.
    fn at(&self, t: u64) -> f64 {
        let (lr, end) = (self.lr, self.schedule.final_lr);
        let past = t.saturating_sub(self.warmup) as f64;
        let length = self.total.saturating_sub(self.warmup) as f64;
        let progress = if length > 0.0 { (past / length).min(1.0) } else { 1.0 };
        match &self.schedule.shape {
            Shape::Cosine => end + (lr - end) * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos()),
            Shape::Constant => lr,
            Shape::Polynomial { power } => end + (lr - end) * (1.0 - progress).powf(*power),
            Shape::Steps { factor, .. } => {
                lr * factor.powi(self.falls.iter().filter(|&&fall| fall <= t).count() as i32)
            }
            Shape::Rsqrt { .. } => lr / (1.0 + past / self.timescale as f64).sqrt(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twenty steps, four of them warm-up, at five steps an epoch and batches of 64.
    fn curve(change: impl FnOnce(&mut Schedule)) -> Vec<f64> {
        let toml = "length = '20 steps'\nwarmup = '4 steps'\nlr = 0.8\nfinal_lr = 0.2";
        let mut schedule: Schedule = toml::from_str(toml).unwrap();
        change(&mut schedule);
        let curve = schedule.curve(5, 64);
        assert_eq!((curve.total(), curve.warmup()), (20, 4));
        (0..=20).map(|t| curve.lr(t)).collect()
    }

    fn close(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        let near = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(near, "{found:?} {expected:?}");
    }

    #[test]
    fn the_cosine_falls_from_the_warm_up_to_the_end() {
        let lr = curve(|_| ());
        close(&lr[..5], &[0.2, 0.4, 0.6, 0.8, 0.8]);
        close(&[lr[12], lr[20]], &[0.5, 0.2]);
        assert!(lr[4..].windows(2).all(|pair| pair[1] < pair[0]));
        let long = Schedule { length: Length::Steps(1), ..named("cosine") };
        assert_eq!(long.curve(5, 64).lr(0), 0.2, "a warm-up may be longer than the run");
        let empty = Schedule { length: Length::Steps(0), warmup: Length::Steps(0), ..named("cosine") };
        assert_eq!(empty.curve(0, 0).lr(0), 0.2, "a run of no steps divides by nothing");
    }

    fn named(shape: &str) -> Schedule {
        let toml =
            format!("length = '20 steps'\nwarmup = '4 steps'\nlr = 0.8\nfinal_lr = 0.2\nshape = '{shape}'");
        toml::from_str(&toml).unwrap()
    }

    #[test]
    fn the_conventions_of_warm_up_differ_by_a_step() {
        let start = |kind, from| curve(|s| (s.warmup_steps, s.warmup_lr) = (kind, from))[..5].to_vec();
        close(&start(WarmupSteps::FromZero, 0.0), &[0.0, 0.2, 0.4, 0.6, 0.8]);
        close(&start(WarmupSteps::FromZero, 0.4), &[0.4, 0.5, 0.6, 0.7, 0.8]);
        close(&start(WarmupSteps::Inclusive, 0.2), &[0.2, 0.4, 0.6, 0.8, 0.8]);
        let single = Schedule { warmup: Length::Steps(1), ..named("constant") };
        close(&[Schedule { warmup_steps: WarmupSteps::Inclusive, ..single }.curve(5, 64).lr(0)], &[0.8]);
    }

    #[test]
    fn every_shape_is_its_formula() {
        let straight = curve(|s| s.shape = Shape::Polynomial { power: 1.0 });
        close(&[straight[4], straight[8], straight[20]], &[0.8, 0.65, 0.2]);
        let square = curve(|s| s.shape = Shape::Polynomial { power: 2.0 });
        close(&[square[12]], &[0.2 + 0.6 * 0.25]);
        let at = vec![Length::Steps(8), Length::Epochs(3.0), Length::Examples(64 * 18)];
        let steps = curve(|s| s.shape = Shape::Steps { at, factor: 0.5 });
        close(&[steps[7], steps[8], steps[14], steps[15], steps[18]], &[0.8, 0.4, 0.4, 0.2, 0.1]);
        let rsqrt = curve(|s| {
            s.shape = Shape::Rsqrt { timescale: Length::Steps(4) };
            s.cooldown = Length::Steps(5);
        });
        close(&[rsqrt[4], rsqrt[8]], &[0.8, 0.8 / 2f64.sqrt()]);
        close(&[rsqrt[16] * 5.0 / 4.0, rsqrt[19] * 5.0, rsqrt[20]], &[0.4, 0.8 / 4.75f64.sqrt(), 0.0]);
        close(&curve(|s| s.shape = Shape::Constant)[4..], &[0.8; 17]);
    }

    #[test]
    fn within_an_epoch_it_may_stay() {
        let lr = curve(|s| s.every = Every::Epoch);
        assert!(lr[10..15].iter().all(|&x| x == lr[10]) && lr[15] < lr[14]);
        close(&lr[..4], &[0.2, 0.4, 0.6, 0.8]);
        close(&[lr[10]], &[curve(|_| ())[10]]);
    }

    #[test]
    fn it_may_follow_the_batch() {
        close(&[curve(|s| s.batch_scaling = BatchScaling::Linear(256))[3]], &[0.2]);
        close(&[curve(|s| s.batch_scaling = BatchScaling::Sqrt(256))[3]], &[0.4]);
    }

    #[test]
    fn a_recipe_names_the_shapes() {
        for text in [
            "shape = 'constant'",
            "shape = { polynomial = { power = 2.0 } }",
            "shape = { steps = { at = ['1 epochs'], factor = 0.1 } }",
            "shape = { rsqrt = { timescale = '100 steps' } }",
            "batch_scaling = { linear = 256 }",
            "warmup_steps = 'from-zero'\nevery = 'epoch'\ncooldown = '3 steps'",
        ] {
            let text = format!("length = '20 steps'\nwarmup = '0 steps'\nlr = 1.0\n{text}");
            let schedule: Schedule = toml::from_str(&text).unwrap();
            assert_eq!(toml::from_str::<Schedule>(&toml::to_string(&schedule).unwrap()).unwrap(), schedule);
        }
        assert!(
            toml::from_str::<Schedule>("length = '1 steps'\nwarmup = '0 steps'\nlr = 1\nshape = 'x'")
                .is_err()
        );
    }
}

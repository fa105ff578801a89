//! Auto-PGD (Croce and Hein 2020), PGD whose step size follows the attack's progress: the first half of AutoAttack.

use super::{Adversarial, Attack, Ball, EPS, Norm, Victim, check, column, gradient, loss, norms, right};
use crate::Error;
use tch::{Device, Kind, Tensor};
use visrep_torch::Generator;

/// What is maximised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApgdLoss {
    /// The cross-entropy: APGD-CE.
    CrossEntropy,
    /// The difference of logits ratio.
    Dlr,
    /// The difference of logits ratio towards one class after the other, the likeliest first: APGD-T.
    TargetedDlr {
        /// How many classes are tried; AutoAttack tries 9, which takes 10 classes.
        classes: usize,
    },
}

/// The attack. Images that one run has fooled are left out of the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Apgd {
    /// What may be done to an image.
    pub ball: Ball,
    /// Steps of a run.
    pub steps: usize,
    /// Runs from other random points, for each class if it is targeted.
    pub restarts: usize,
    /// What is maximised.
    pub loss: ApgdLoss,
    /// The share of steps that must be upwards, or the step size is halved.
    pub rho: f64,
}

impl Apgd {
    /// APGD-CE as in AutoAttack's standard version: 100 steps, one run.
    pub fn cross_entropy(ball: Ball) -> Self {
        Self { ball, steps: 100, restarts: 1, loss: ApgdLoss::CrossEntropy, rho: 0.75 }
    }

    /// APGD-T as in AutoAttack's standard version: 9 classes of 100 steps each.
    pub fn targeted(ball: Ball) -> Self {
        Self { loss: ApgdLoss::TargetedDlr { classes: 9 }, ..Self::cross_entropy(ball) }
    }
}

impl Attack for Apgd {
    /// Attacks the images that the victim classifies right; the others are not robust as they are.
    ///
    /// # Errors
    /// Images that are not from 0 to 1, labels that are no classes, a loss that needs more classes.
    fn run(
        &self,
        victim: &dyn Victim,
        images: &Tensor,
        labels: &Tensor,
        generator: &mut Generator,
    ) -> Result<Adversarial, Error> {
        check(images, labels)?;
        self.ball.check()?;
        let clean = tch::no_grad(|| victim.logits(images))?;
        let adversarial = Adversarial::of_clean(images, right(&clean, labels)?);
        let ranks = match self.loss {
            ApgdLoss::TargetedDlr { classes } => 1..classes as i64 + 1,
            _ => 0..1,
        };
        let known = clean.size().get(1).copied().unwrap_or_default();
        if ranks.end > known {
            let problem =
                format!("{} classes beside the right one cannot be tried among {known}", ranks.end - 1);
            return Err(Error::Attack { problem });
        }
        let by_logit = clean.f_argsort_stable(true, 1, true)?;
        for rank in ranks {
            for _ in 0..self.restarts {
                let left = adversarial.left()?;
                if left.numel() == 0 {
                    break;
                }
                let of = |tensor: &Tensor| tensor.f_index_select(0, &left);
                let (x, y) = (of(images)?, of(labels)?);
                // Of an image classified right, the class of this rank is never its own.
                let target = of(&by_logit)?.f_select(1, rank)?;
                let (fooling, held) = self.run_once(victim, &x, &y, &target, generator)?;
                adversarial.fool(&left, &fooling, &held)?;
            }
        }
        Ok(adversarial)
    }
}

impl Apgd {
    /// One run: the last misclassified point of each image, and whether it has none.
    fn run_once(
        &self,
        victim: &dyn Victim,
        x: &Tensor,
        y: &Tensor,
        target: &Tensor,
        generator: &mut Generator,
    ) -> Result<(Tensor, Tensor), Error> {
        let loss = |logits: &Tensor| match self.loss {
            ApgdLoss::CrossEntropy => loss::cross_entropy(logits, y),
            ApgdLoss::Dlr => loss::dlr(logits, y),
            ApgdLoss::TargetedDlr { .. } => loss::targeted_dlr(logits, y, target),
        };
        let (mut window, least, less) = checkpoints(self.steps);
        let mut point = x.f_add(&self.start(x, generator)?)?.f_clamp(0.0, 1.0)?;
        let mut fooling = point.copy();
        let (logits, each, mut slope) = gradient(victim, &point, loss)?;
        let mut held = right(&logits, y)?;
        let mut best = Best { point: point.copy(), slope: slope.copy(), loss: each };
        let count = x.size()[0];
        let options = (x.kind(), x.device());
        let mut step = Tensor::f_full([count, 1, 1, 1], 2.0 * self.ball.eps, options)?;
        let mut before = point.copy();
        let mut at_check = best.loss.copy();
        let mut halved = Tensor::f_ones([count], (Kind::Bool, x.device()))?;
        // The first loss is compared with 0, as in the published code.
        let mut previous = best.loss.f_zeros_like()?;
        let mut upwards = previous.copy();
        let mut since = 0;
        for index in 0..self.steps {
            let momentum = point.f_sub(&before)?;
            let next = self.step(x, &point, &slope, &step, &momentum, index == 0)?;
            before = std::mem::replace(&mut point, next);
            let (logits, each, found) = gradient(victim, &point, loss)?;
            slope = found;
            let is_right = right(&logits, y)?;
            held = held.f_logical_and(&is_right)?;
            fooling = fooling.f_where_self(&column(&is_right)?, &point)?;
            best = best.or(&point, &slope, &each)?;
            upwards = upwards.f_add(&each.f_gt_tensor(&previous)?.f_to_kind(each.kind())?)?;
            previous = each;
            since += 1;
            if since == window {
                let swings = upwards.f_le(window as f64 * self.rho)?;
                let stuck = halved.f_logical_not()?.f_logical_and(&at_check.f_ge_tensor(&best.loss)?)?;
                halved = swings.f_logical_or(&stuck)?;
                at_check = best.loss.copy();
                let places = column(&halved)?;
                step = step.f_mul_scalar(0.5)?.f_where_self(&places, &step)?;
                point = best.point.f_where_self(&places, &point)?;
                slope = best.slope.f_where_self(&places, &slope)?;
                (since, window) = (0, window.saturating_sub(less).max(least));
                upwards = upwards.f_zeros_like()?;
            }
        }
        Ok((fooling, held))
    }

    /// A random point of the ball's surface: in L∞ with at least one value as far as may be.
    fn start(&self, x: &Tensor, generator: &mut Generator) -> Result<Tensor, Error> {
        let change = Tensor::f_empty(x.size(), (Kind::Float, Device::Cpu))?;
        let scale = match self.ball.norm {
            Norm::Linf => {
                generator.uniform_(&change, 0.0, 1.0)?;
                let _ = change.shallow_clone().f_mul_scalar_(2.0)?.f_sub_scalar_(1.0)?;
                change.f_abs()?.f_amax([1, 2, 3].as_slice(), true)?
            }
            Norm::L2 => {
                generator.normal_(&change, 0.0, 1.0)?;
                norms(&change)?.f_add_scalar(EPS)?
            }
        };
        let change = change.f_mul_scalar(self.ball.eps)?.f_div(&scale)?;
        Ok(change.f_to_device(x.device())?.f_to_kind(x.kind())?)
    }

    /// A step along the gradient, and on in the direction of the last one.
    fn step(
        &self,
        x: &Tensor,
        point: &Tensor,
        slope: &Tensor,
        step: &Tensor,
        momentum: &Tensor,
        first: bool,
    ) -> Result<Tensor, Error> {
        let share = if first { 1.0 } else { 0.75 };
        let direction = match self.ball.norm {
            Norm::Linf => slope.f_sign()?,
            Norm::L2 => slope.f_div(&norms(slope)?.f_add_scalar(EPS)?)?,
        };
        let ahead = self.ball.project(&point.f_add(&direction.f_mul(step)?)?, x)?;
        let moved = ahead.f_sub(point)?.f_mul_scalar(share)?;
        self.ball.project(&point.f_add(&moved)?.f_add(&momentum.f_mul_scalar(1.0 - share)?)?, x)
    }
}

/// The point of highest loss so far.
struct Best {
    point: Tensor,
    slope: Tensor,
    loss: Tensor,
}

impl Best {
    fn or(&self, point: &Tensor, slope: &Tensor, loss: &Tensor) -> Result<Self, Error> {
        let better = loss.f_gt_tensor(&self.loss)?;
        let places = column(&better)?;
        Ok(Self {
            point: point.f_where_self(&places, &self.point)?,
            slope: slope.f_where_self(&places, &self.slope)?,
            loss: loss.f_where_self(&better, &self.loss)?,
        })
    }
}

/// Steps to the first check of the step size, the fewest between two, and by how many they get fewer.
fn checkpoints(steps: usize) -> (usize, usize, usize) {
    let share = |share: f64| ((share * steps as f64) as usize).max(1);
    (share(0.22), share(0.06), share(0.03))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checks_of_a_hundred_steps_are_those_of_the_paper() {
        let (mut window, least, less) = checkpoints(100);
        let mut at = vec![];
        let mut step = 0;
        while step + window <= 100 {
            step += window;
            at.push(step);
            window = window.saturating_sub(less).max(least);
        }
        assert_eq!(at, [22, 41, 57, 70, 80, 87, 93, 99]);
        assert_eq!(checkpoints(1), (1, 1, 1));
    }
}

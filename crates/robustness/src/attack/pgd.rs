//! Projected gradient descent, and the single step it grew from.

use super::{Adversarial, Attack, Ball, Norm, Victim, check, gradient, loss, norms, right};
use crate::Error;
use tch::{Kind, Tensor};
use visrep_torch::Generator;

/// Added to the norm of a gradient.
const SMALL: f64 = 1e-10;

/// The fast gradient sign method (Goodfellow et al. 2015): one step of `eps` along the sign of the cross-entropy's gradient.
///
/// # Errors
/// Images that are not from 0 to 1, labels that are no classes.
pub fn fgsm(victim: &dyn Victim, images: &Tensor, labels: &Tensor, eps: f64) -> Result<Adversarial, Error> {
    let ball = Ball { norm: Norm::Linf, eps };
    Pgd { ball, steps: 1, step_size: eps, random_start: false }.run(
        victim,
        images,
        labels,
        &mut Generator::new(0),
    )
}

/// Projected gradient descent (Madry et al. 2018): steps along the sign of the gradient (L∞) or its direction (L2), each
/// brought back into the ball. The last point is the result, as published figures have it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pgd {
    /// What may be done to an image.
    pub ball: Ball,
    /// How many steps.
    pub steps: usize,
    /// The length of a step, on the scale of the ball's radius.
    pub step_size: f64,
    /// Whether to begin at a random point of the ball: evenly in L∞; in L2 in a random direction at a distance that is
    /// even between 0 and the radius.
    pub random_start: bool,
}

impl Attack for Pgd {
    /// Attacks all images.
    ///
    /// # Errors
    /// As [`fgsm`].
    fn run(
        &self,
        victim: &dyn Victim,
        images: &Tensor,
        labels: &Tensor,
        generator: &mut Generator,
    ) -> Result<Adversarial, Error> {
        check(images, labels)?;
        self.ball.check()?;
        let mut x = images.f_detach()?;
        if self.random_start {
            x = x.f_add(&self.start(images, generator)?)?.f_clamp(0.0, 1.0)?;
        }
        for _ in 0..self.steps {
            let (_, _, gradient) = gradient(victim, &x, |logits| loss::cross_entropy(logits, labels))?;
            let direction = match self.ball.norm {
                Norm::Linf => gradient.f_sign()?,
                Norm::L2 => gradient.f_div(&norms(&gradient)?.f_add_scalar(SMALL)?)?,
            };
            x = self.ball.project(&x.f_add(&direction.f_mul_scalar(self.step_size)?)?, images)?;
        }
        let robust = right(&tch::no_grad(|| victim.logits(&x))?, labels)?;
        Ok(Adversarial { images: x, robust })
    }
}

impl Pgd {
    fn start(&self, images: &Tensor, generator: &mut Generator) -> Result<Tensor, Error> {
        let blank = |shape: &[i64]| Tensor::f_empty(shape, (Kind::Float, tch::Device::Cpu));
        let change = blank(&images.size())?;
        let change = match self.ball.norm {
            Norm::Linf => {
                generator.uniform_(&change, -self.ball.eps, self.ball.eps)?;
                change
            }
            Norm::L2 => {
                generator.normal_(&change, 0.0, 1.0)?;
                let distance = blank(&[images.size()[0], 1, 1, 1])?;
                generator.uniform_(&distance, 0.0, 1.0)?;
                change.f_mul(&distance.f_div(&norms(&change)?)?.f_mul_scalar(self.ball.eps)?)?
            }
        };
        Ok(change.f_to_device(images.device())?.f_to_kind(images.kind())?)
    }
}

//! The Square attack (Andriushchenko et al. 2020), which follows no gradient: random squares of colour, kept when they help.

use super::{Adversarial, Attack, Ball, Norm, Victim, check, loss, places, square_l2};
use crate::Error;
use tch::{Device, Kind, Tensor};
use visrep_torch::Generator;

/// The attack, which needs the victim's logits alone: it finds what gradients hide.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Square {
    /// What may be done to an image.
    pub ball: Ball,
    /// How often the victim is asked about an image.
    pub queries: usize,
    /// The share of an image that the first squares cover; 0.8 in AutoAttack.
    pub p_init: f64,
}

impl Square {
    /// As in AutoAttack's standard version: 5000 queries.
    pub fn new(ball: Ball) -> Self {
        Self { ball, queries: 5000, p_init: 0.8 }
    }
}

impl Attack for Square {
    /// Attacks the images that the victim classifies right; the others are not robust as they are.
    ///
    /// # Errors
    /// Images that are not from 0 to 1, labels that are no classes.
    fn run(
        &self,
        victim: &dyn Victim,
        images: &Tensor,
        labels: &Tensor,
        generator: &mut Generator,
    ) -> Result<Adversarial, Error> {
        check(images, labels)?;
        self.ball.check()?;
        tch::no_grad(|| {
            let margin = loss::margin(&victim.logits(images)?, labels)?;
            let adversarial = Adversarial::of_clean(images, margin.f_gt(0.0)?);
            let left = adversarial.left()?;
            if left.numel() > 0 {
                let of = |tensor: &Tensor| tensor.f_index_select(0, &left);
                let (found, margin) = self.run_once(victim, &of(images)?, &of(labels)?, generator)?;
                adversarial.fool(&left, &found, &margin.f_le(0.0)?.f_logical_not()?)?;
            }
            Ok(adversarial)
        })
    }
}

impl Square {
    /// The best point of each image and its margin.
    fn run_once(
        &self,
        victim: &dyn Victim,
        x: &Tensor,
        y: &Tensor,
        generator: &mut Generator,
    ) -> Result<(Tensor, Tensor), Error> {
        let (count, channels, height, width) = x.size4()?;
        let mut draw = Draw { generator, like: x.shallow_clone() };
        let eps = self.ball.eps;
        let best = match self.ball.norm {
            // Vertical stripes of one pixel.
            Norm::Linf => {
                let stripes = draw.signs(&[count, channels, 1, width])?.f_mul_scalar(eps)?;
                x.f_add(&stripes)?.f_clamp(0.0, 1.0)?
            }
            Norm::L2 => square_l2::start(&mut draw, x, eps)?,
        };
        let margins = loss::margin(&victim.logits(&best)?, y)?;
        for query in 0..self.queries {
            let left = places(&margins.f_gt(0.0)?)?;
            if left.numel() == 0 {
                break;
            }
            let of = |tensor: &Tensor| tensor.f_index_select(0, &left);
            let (clean, current, margin) = (of(x)?, of(&best)?, of(&margins)?);
            let side = (self.share(query) * (height * width) as f64).sqrt().round_ties_even() as i64;
            let moved = match self.ball.norm {
                Norm::Linf => {
                    let side = side.max(1).min(height).min(width);
                    let (top, edge) = (draw.integer(height - side)?, draw.integer(width - side)?);
                    let colour = draw.signs(&[channels, 1, 1])?.f_mul_scalar(2.0 * eps)?;
                    let change = clean.f_zeros_like()?.f_narrow(0, 0, 1)?;
                    let _ = change.f_narrow(2, top, side)?.f_narrow(3, edge, side)?.f_add_(&colour)?;
                    self.ball.project(&current.f_add(&change)?, &clean)?
                }
                Norm::L2 => square_l2::propose(&mut draw, &clean, &current, side, eps)?,
            };
            let found = loss::margin(&victim.logits(&moved)?, &of(y)?)?;
            let better = found.f_lt_tensor(&margin)?.f_logical_or(&found.f_le(0.0)?)?;
            let kept = found.f_where_self(&better, &margin)?;
            let _ = margins.shallow_clone().f_index_copy_(0, &left, &kept)?;
            let kept = moved.f_where_self(&better.f_view([-1, 1, 1, 1])?, &current)?;
            let _ = best.shallow_clone().f_index_copy_(0, &left, &kept)?;
        }
        Ok((best, margins))
    }

    /// The share of the image that a square covers: halved at fixed points of the 10,000 queries that the authors used,
    /// at the same shares of fewer.
    fn share(&self, query: usize) -> f64 {
        let query = query * 10_000 / self.queries;
        let halvings =
            [10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000].iter().filter(|&&from| query > from).count();
        self.p_init / f64::from(1 << halvings)
    }
}

/// Random numbers on the victim's device.
pub(super) struct Draw<'g> {
    generator: &'g mut Generator,
    like: Tensor,
}

impl Draw<'_> {
    pub(super) fn uniform(&mut self, shape: &[i64]) -> Result<Tensor, Error> {
        let values = Tensor::f_empty(shape, (Kind::Float, Device::Cpu))?;
        self.generator.uniform_(&values, 0.0, 1.0)?;
        Ok(values)
    }

    pub(super) fn signs(&mut self, shape: &[i64]) -> Result<Tensor, Error> {
        let signs = self.uniform(shape)?.f_mul_scalar(2.0)?.f_sub_scalar(1.0)?.f_sign()?;
        Ok(signs.f_to_device(self.like.device())?.f_to_kind(self.like.kind())?)
    }

    /// An integer from 0 to below `end`; 0 if there is none.
    pub(super) fn integer(&mut self, end: i64) -> Result<i64, Error> {
        Ok((self.uniform(&[1])?.f_mul_scalar(end as f64)?.f_double_value(&[0])?) as i64)
    }
}

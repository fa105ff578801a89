//! Layer-wise adaptive moments.

use super::rule::{ratio_or_one, wrong_slots};
use super::{Adapt, Group, Rule, adamw};
use crate::Error;
use serde::{Deserialize, Serialize};
use tch::Tensor;

/// LAMB (You et al. 2019, arXiv:1904.00962) as timm and NVIDIA's `FusedLAMB` have it: Adam's step with both moments
/// corrected for their start, plus `decay * p`, times `|p| / |step|`. Those clip the gradients to a norm of 1 together
/// besides, which here is `gradient.clip`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lamb {
    /// Decay rates of the first and second moment, each within 0..1.
    #[serde(default = "adamw::betas")]
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    #[serde(default = "eps")]
    pub eps: f64,
    /// Whether the ratio is at most 1 (LAMBC).
    #[serde(default)]
    pub trust_clip: bool,
    /// Which parameters have a ratio; the others take Adam's step.
    #[serde(default = "adapt")]
    pub adapt: Adapt,
}

fn eps() -> f64 {
    1e-6
}

fn adapt() -> Adapt {
    Adapt::Decayed
}

impl Rule for Lamb {
    fn slots(&self, parameter: &Tensor) -> Result<Vec<(&'static str, Tensor)>, Error> {
        Ok(vec![("moment1", parameter.f_zeros_like()?), ("moment2", parameter.f_zeros_like()?)])
    }

    fn step(&self, group: &mut Group<'_>) -> Result<(), Error> {
        let [first, second] = group.slots else { return Err(wrong_slots("lamb")) };
        let [beta1, beta2] = self.betas;
        let corrections = [beta1, beta2].map(|beta| 1.0 - beta.powf(group.step as f64));
        let decay = group.weight_decay;
        for (((parameter, gradient), first), second) in
            group.parameters.iter_mut().zip(group.gradients).zip(first).zip(second)
        {
            let _ = first.f_lerp_(gradient, 1.0 - beta1)?;
            let squares = gradient.f_square()?.f_mul_scalar(1.0 - beta2)?;
            let _ = second.f_mul_scalar_(beta2)?.f_add_(&squares)?;
            let spread = second.f_sqrt()?.f_div_scalar(corrections[1].sqrt())?.f_add_scalar(self.eps)?;
            let mut update = first.f_div_scalar(corrections[0])?.f_div(&spread)?;
            if decay != 0.0 {
                update = update.f_add(&parameter.f_mul_scalar(decay)?)?;
            }
            if self.adapt.includes(parameter, decay) {
                let (weights, updates) = (parameter.f_norm()?, update.f_norm()?);
                let mut ratio = ratio_or_one(&weights, &updates, &weights.f_div(&updates)?)?;
                if self.trust_clip {
                    ratio = ratio.f_clamp_max(1.0)?;
                }
                update = update.f_mul(&ratio)?;
            }
            let _ = parameter.f_sub_(&update.f_mul_scalar(group.lr)?)?;
        }
        Ok(())
    }
}

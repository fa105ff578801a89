//! Layer-wise adaptive moments.

use super::rule::{guarded, wrong_slots};
use super::{Adapt, Group, Rule, adamw};
use crate::Error;
use serde::{Deserialize, Serialize};
use tch::Tensor;
use visrep_torch::{foreach_add_, foreach_lerp_, foreach_mul_};

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
        foreach_lerp_(first, group.gradients, 1.0 - beta1)?;
        foreach_mul_(second, beta2)?;
        let moments = group.gradients.iter_mut().zip(first.iter().zip(second.iter_mut()));
        for (gradient, (first, second)) in moments {
            let _ = second.f_addcmul_(gradient, &gradient.f_mul_scalar(1.0 - beta2)?)?;
            let mut spread = second.f_sqrt()?;
            let _ = spread.f_div_scalar_(corrections[1].sqrt())?.f_add_scalar_(self.eps)?;
            *gradient = first.f_div(&spread)?;
        }
        // From here on the gradients are the steps.
        let steps = &mut *group.gradients;
        foreach_mul_(steps, 1.0 / corrections[0])?;
        if decay != 0.0 {
            foreach_add_(steps, group.parameters, decay)?;
        }
        for (step, parameter) in steps.iter_mut().zip(group.parameters.iter()) {
            if self.adapt.includes(parameter, decay) {
                let (weights, slopes) = (parameter.f_norm()?, step.f_norm()?);
                let mut ratio = guarded(&weights.f_div(&slopes)?, &weights, &slopes, 1.0)?;
                if self.trust_clip {
                    ratio = ratio.f_clamp_max(1.0)?;
                }
                let _ = step.f_mul_(&ratio)?;
            }
        }
        Ok(foreach_add_(group.parameters, steps, -group.lr)?)
    }
}

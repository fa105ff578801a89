//! Layer-wise adaptive rate scaling, which exists in three forms that are not the same algorithm.

use super::rule::{guarded, wrong_slots};
use super::{Group, Rule};
use crate::Error;
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};
use visrep_torch::{foreach_add_, foreach_mul_};

/// LARS (You, Gitman and Ginsburg 2017, arXiv:1708.03888). A learning rate means something only with the variant that
/// it was found for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lars {
    /// Which of the published algorithms.
    pub variant: LarsVariant,
    /// 0..1; 0 keeps no buffer.
    #[serde(default = "momentum")]
    pub momentum: f64,
    /// Nesterov's look-ahead.
    #[serde(default)]
    pub nesterov: bool,
    /// The trust coefficient, eta.
    #[serde(default = "trust")]
    pub trust: f64,
    /// Added to the denominator; of `larc` alone.
    #[serde(default = "eps")]
    pub eps: f64,
    /// Whether the trust ratio times its rate may not exceed the learning rate (NVIDIA's LARC); of `larc` alone.
    #[serde(default)]
    pub clip: bool,
    /// Which parameters have a trust ratio; the others take steps of SGD.
    #[serde(default)]
    pub adapt: Adapt,
}

/// The published forms of LARS, for a parameter `p` with the gradient `g` and the decay `wd`. A ratio is 1 where one of its
/// norms is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LarsVariant {
    /// `d = g + wd p; q = trust |p| / |d|; v = momentum v + q d; p -= lr v`: MoCo v3, MAE, Barlow Twins, VICReg, BYOL.
    MomentumAfterTrust,
    /// `d = g + wd p; q = trust |p| / |d|; v = momentum v + lr q d; p -= v`: SimCLR's authors. It differs from the first
    /// whenever the learning rate changes.
    LrInMomentum,
    /// `q = trust |p| / (|g| + wd |p| + eps); d = q (g + wd p); v = momentum v + d; p -= lr v`: apex's LARC (SwAV),
    /// lightly, solo-learn, timm. Where a norm is 0 the parameter does not decay either.
    Larc,
}

/// Which parameters an adaptive rule scales.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Adapt {
    /// Those with two or more dimensions: MoCo v3, MAE, Barlow Twins, SimCLR.
    #[default]
    Matrices,
    /// Those whose weight decay is not 0: lightly, timm.
    Decayed,
    /// All: SwAV.
    All,
}

impl Adapt {
    /// Whether a parameter is scaled.
    pub(super) fn includes(self, parameter: &Tensor, weight_decay: f64) -> bool {
        match self {
            Self::Matrices => parameter.dim() > 1,
            Self::Decayed => weight_decay != 0.0,
            Self::All => true,
        }
    }
}

fn momentum() -> f64 {
    0.9
}

fn trust() -> f64 {
    0.001
}

fn eps() -> f64 {
    1e-8
}

impl Rule for Lars {
    fn slots(&self, parameter: &Tensor) -> Result<Vec<(&'static str, Tensor)>, Error> {
        if self.momentum == 0.0 {
            return Ok(Vec::new());
        }
        Ok(vec![("momentum", parameter.f_zeros_like()?)])
    }

    fn step(&self, group: &mut Group<'_>) -> Result<(), Error> {
        let (lr, decay) = (group.lr, group.weight_decay);
        // What multiplies a step before it goes into the buffer, and after.
        let (before, after) = match self.variant {
            LarsVariant::LrInMomentum => (lr, 1.0),
            LarsVariant::MomentumAfterTrust | LarsVariant::Larc => (1.0, lr),
        };
        let adapted: Vec<bool> = group.parameters.iter().map(|p| self.adapt.includes(p, decay)).collect();
        let raw = match self.variant {
            LarsVariant::Larc => Some(norms(group.gradients, &adapted)?),
            LarsVariant::MomentumAfterTrust | LarsVariant::LrInMomentum => None,
        };
        let weights = norms(group.parameters, &adapted)?;
        // From here on the gradients are the steps.
        if decay != 0.0 {
            foreach_add_(group.gradients, group.parameters, decay)?;
        }
        let slopes = raw.map_or_else(|| norms(group.gradients, &adapted), Ok)?;
        let steps = group.gradients.iter_mut().zip(&adapted).filter(|(_, adapted)| **adapted);
        for ((step, _), (weights, slopes)) in steps.zip(weights.iter().zip(&slopes)) {
            let _ = step.f_mul_(&self.ratio(weights, slopes, lr, decay)?)?;
        }
        if before != 1.0 {
            foreach_mul_(group.gradients, before)?;
        }
        let [buffers] = group.slots else {
            if self.momentum != 0.0 {
                return Err(wrong_slots("lars"));
            }
            return Ok(foreach_add_(group.parameters, group.gradients, -after)?);
        };
        foreach_mul_(buffers, self.momentum)?;
        foreach_add_(buffers, group.gradients, 1.0)?;
        if self.nesterov {
            foreach_add_(group.gradients, buffers, self.momentum)?;
            return Ok(foreach_add_(group.parameters, group.gradients, -after)?);
        }
        Ok(foreach_add_(group.parameters, buffers, -after)?)
    }
}

impl Lars {
    /// The trust ratio of a parameter of the norm `weights`, and `slopes` of its gradient: with decay, but for LARC.
    fn ratio(&self, weights: &Tensor, slopes: &Tensor, lr: f64, decay: f64) -> Result<Tensor, TchError> {
        if self.variant != LarsVariant::Larc {
            return guarded(&weights.f_mul_scalar(self.trust)?.f_div(slopes)?, weights, slopes, 1.0);
        }
        let spread = slopes.f_add(&weights.f_mul_scalar(decay)?)?.f_add_scalar(self.eps)?;
        let mut ratio = weights.f_mul_scalar(self.trust)?.f_div(&spread)?;
        if self.clip {
            ratio = ratio.f_div_scalar(lr)?.f_clamp_max(1.0)?;
        }
        // Without a gradient the step is the decay alone, which apex and lightly leave out.
        guarded(&ratio, weights, slopes, 0.0)
    }
}

/// The norms of those tensors that are `chosen`.
fn norms(tensors: &[Tensor], chosen: &[bool]) -> Result<Vec<Tensor>, TchError> {
    tensors.iter().zip(chosen).filter(|(_, chosen)| **chosen).map(|(tensor, _)| tensor.f_norm()).collect()
}

//! Gradients that are too long, made shorter before the step.

use super::groups::matches;
use crate::Error;
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};
use visrep_torch::clip_grad_norm_;

/// The key `clip` of the section `[gradient]`: `clip = { kind = "global", norm = 1.0 }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Clip {
    /// All gradients together have at most this norm (`torch.nn.utils.clip_grad_norm_`): big_vision, BEiT, DINOv2.
    Global {
        /// The largest norm.
        norm: f64,
    },
    /// The gradient of each parameter has at most this norm: DINO's `clip_gradients`.
    PerTensor {
        /// The largest norm.
        norm: f64,
    },
    /// The gradient of each output unit has at most `factor` times the norm of its weights, or of `eps` where those are
    /// smaller: adaptive gradient clipping (Brock et al. 2021, arXiv:2102.06171).
    Adaptive {
        /// The largest ratio of the norms.
        #[serde(default = "factor")]
        factor: f64,
        /// The least norm that weights count as.
        #[serde(default = "eps")]
        eps: f64,
        /// Names of parameters that are left alone, in which `*` stands for anything; the authors spare the classifier.
        #[serde(default)]
        exclude: Vec<String>,
    },
}

fn factor() -> f64 {
    0.01
}

fn eps() -> f64 {
    1e-3
}

impl Clip {
    /// Shortens `gradients` in place; they belong to `parameters`, which are called `names`. Nothing waits for the device.
    pub fn apply(
        &self,
        gradients: &mut [Tensor],
        parameters: &[Tensor],
        names: &[&str],
    ) -> Result<(), Error> {
        let _guard = tch::no_grad_guard();
        match self {
            Self::Global { norm } => {
                let _ = clip_grad_norm_(gradients, *norm)?;
            }
            Self::PerTensor { norm } => {
                for gradient in gradients {
                    let scale = gradient.f_norm()?.f_add_scalar(1e-6)?.f_reciprocal()?.f_mul_scalar(*norm)?;
                    let _ = gradient.f_mul_(&scale.f_clamp_max(1.0)?)?;
                }
            }
            Self::Adaptive { factor, eps, exclude } => {
                for ((gradient, parameter), name) in gradients.iter_mut().zip(parameters).zip(names) {
                    if exclude.iter().any(|pattern| matches(pattern, name)) {
                        continue;
                    }
                    let longest = unit_norms(parameter)?.f_clamp_min(*eps)?.f_mul_scalar(*factor)?;
                    let found = unit_norms(gradient)?;
                    let clipped = gradient.f_mul(&longest.f_div(&found.f_clamp_min(1e-6)?)?)?;
                    *gradient = gradient.f_where_self(&found.f_lt_tensor(&longest)?, &clipped)?;
                }
            }
        }
        Ok(())
    }
}

/// The norm of the weights of each output unit, whose dimension is the first; of a vector, the norm of all.
fn unit_norms(tensor: &Tensor) -> Result<Tensor, TchError> {
    if tensor.dim() <= 1 {
        return tensor.f_norm();
    }
    let dims: Vec<i64> = (1..tensor.dim() as i64).collect();
    tensor.f_norm_scalaropt_dim(2.0, dims.as_slice(), true)
}

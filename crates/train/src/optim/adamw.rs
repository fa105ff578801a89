//! Adam with decoupled weight decay.

use super::{Rule, Update};
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

/// AdamW as `torch.optim.AdamW` has it (Loshchilov and Hutter 2019): the decay is multiplied by the learning
/// rate, and epsilon is added after the bias correction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdamW {
    /// Decay rates of the first and second moment, each within 0..1.
    #[serde(default = "betas")]
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    #[serde(default = "eps")]
    pub eps: f64,
}

fn betas() -> [f64; 2] {
    [0.9, 0.999]
}

fn eps() -> f64 {
    1e-8
}

impl Rule for AdamW {
    fn slots(&self) -> &'static [&'static str] {
        &["moment1", "moment2"]
    }

    fn update(
        &self,
        parameter: &mut Tensor,
        gradient: &Tensor,
        slots: &mut [Tensor],
        context: &Update,
    ) -> Result<(), TchError> {
        let [first, second] = slots else {
            return Err(TchError::Shape("AdamW keeps two moments for each parameter".to_owned()));
        };
        let [beta1, beta2] = self.betas;
        let t = context.step as f64;
        if context.weight_decay != 0.0 {
            let _ = parameter.f_mul_scalar_(1.0 - context.lr * context.weight_decay)?;
        }
        let _ = first.f_lerp_(gradient, 1.0 - beta1)?;
        let squares = gradient.f_square()?.f_mul_scalar(1.0 - beta2)?;
        let _ = second.f_mul_scalar_(beta2)?.f_add_(&squares)?;
        let spread = second.f_sqrt()?.f_div_scalar((1.0 - beta2.powf(t)).sqrt())?.f_add_scalar(self.eps)?;
        let step = first.f_div(&spread)?.f_mul_scalar(context.lr / (1.0 - beta1.powf(t)))?;
        let _ = parameter.f_sub_(&step)?;
        Ok(())
    }
}

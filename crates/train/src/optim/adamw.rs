//! Adam with decoupled weight decay.

use super::rule::wrong_slots;
use super::{Group, Rule};
use crate::Error;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};
use visrep_torch::{AdamWState, AdamWStep, fused_adamw_};

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

pub(super) fn betas() -> [f64; 2] {
    [0.9, 0.999]
}

fn eps() -> f64 {
    1e-8
}

impl Rule for AdamW {
    fn slots(&self, parameter: &Tensor) -> Result<Vec<(&'static str, Tensor)>, Error> {
        Ok(vec![
            ("moment1", parameter.f_zeros_like()?),
            ("moment2", parameter.f_zeros_like()?),
            // LibTorch counts the steps of each parameter where that is.
            ("step", Tensor::f_zeros([0i64; 0], (Kind::Float, parameter.device()))?),
        ])
    }

    fn step(&self, group: &mut Group<'_>) -> Result<(), Error> {
        let [exp_avgs, exp_avg_sqs, steps] = group.slots else { return Err(wrong_slots("adamw")) };
        let (lr, weight_decay) = (group.lr, group.weight_decay);
        let step = AdamWStep { lr, betas: self.betas, eps: self.eps, weight_decay };
        Ok(fused_adamw_(
            group.parameters,
            group.gradients,
            AdamWState { exp_avgs, exp_avg_sqs, steps },
            &step,
        )?)
    }
}

//! Stochastic gradient descent with momentum.

use super::rule::wrong_slots;
use super::{Group, Rule};
use crate::Error;
use serde::{Deserialize, Serialize};
use tch::Tensor;
use visrep_torch::{SgdStep, fused_sgd_};

/// SGD as `torch.optim.SGD` has it: `d = g + decay * p; v = momentum * v + d; p -= lr * v`, or with Nesterov
/// `p -= lr * (d + momentum * v)`. The learning rate is not part of the momentum buffer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sgd {
    /// 0..1; 0 keeps no buffer.
    #[serde(default)]
    pub momentum: f64,
    /// Nesterov's look-ahead.
    #[serde(default)]
    pub nesterov: bool,
}

impl Rule for Sgd {
    fn slots(&self, parameter: &Tensor) -> Result<Vec<(&'static str, Tensor)>, Error> {
        if self.momentum == 0.0 {
            return Ok(Vec::new());
        }
        Ok(vec![("momentum", parameter.f_zeros_like()?)])
    }

    fn step(&self, group: &mut Group<'_>) -> Result<(), Error> {
        let (lr, weight_decay) = (group.lr, group.weight_decay);
        let step = SgdStep { lr, momentum: self.momentum, weight_decay, nesterov: self.nesterov };
        let buffers = match group.slots {
            [] => &mut [][..],
            [buffers] => &mut buffers[..],
            _ => return Err(wrong_slots("sgd")),
        };
        Ok(fused_sgd_(group.parameters, group.gradients, buffers, &step)?)
    }
}

//! Stochastic gradient descent with momentum.

use super::{Rule, Update};
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

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
    fn slots(&self) -> &'static [&'static str] {
        if self.momentum == 0.0 { &[] } else { &["momentum"] }
    }

    fn update(
        &self,
        parameter: &mut Tensor,
        gradient: &Tensor,
        slots: &mut [Tensor],
        context: &Update,
    ) -> Result<(), TchError> {
        let mut direction = if context.weight_decay == 0.0 {
            gradient.shallow_clone()
        } else {
            gradient.f_add(&parameter.f_mul_scalar(context.weight_decay)?)?
        };
        if let [velocity] = slots {
            let _ = velocity.f_mul_scalar_(self.momentum)?.f_add_(&direction)?;
            direction = if self.nesterov {
                direction.f_add(&velocity.f_mul_scalar(self.momentum)?)?
            } else {
                velocity.shallow_clone()
            };
        }
        let _ = parameter.f_sub_(&direction.f_mul_scalar(context.lr)?)?;
        Ok(())
    }
}

//! An exponential moving average of a model, to export in its stead.

use crate::Error;
use crate::tensors::copy;
use serde::{Deserialize, Serialize};
use tch::Tensor;
use visrep_methods::{NamedTensor, Ramp};
use visrep_torch::foreach_lerp_;

/// The section `[ema]` of a recipe; without it there is no average.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmaConfig {
    /// How much of the average stays at each step, 0..=1.
    pub decay: Ramp,
}

/// `average = decay * average + (1 - decay) * value` after every step, over floating tensors, the running
/// statistics of normalisation layers included; integer tensors are copied (timm's `ModelEmaV3`). This is the
/// average that is evaluated: a teacher inside a method is the method's own business.
pub struct Ema {
    names: Vec<String>,
    tensors: Vec<Tensor>,
}

impl Ema {
    /// Starts the average at the present values of `tensors`.
    pub fn new(tensors: &[NamedTensor]) -> Result<Self, Error> {
        let names = tensors.iter().map(|(name, _)| name.clone()).collect();
        let tensors = tensors.iter().map(|(_, tensor)| copy(tensor)).collect::<Result<_, _>>()?;
        Ok(Self { names, tensors })
    }

    /// Moves the average towards `tensors`, which must be those of [`Self::new`] in the same order; `decay` of it stays.
    pub fn update(&mut self, tensors: &[NamedTensor], decay: f64) -> Result<(), Error> {
        let _guard = tch::no_grad_guard();
        let (mut averages, mut values) = (Vec::new(), Vec::new());
        for ((name, average), (found, tensor)) in self.names.iter().zip(&mut self.tensors).zip(tensors) {
            if name != found {
                return Err(Error::State { message: format!("average of {name} given {found}") });
            }
            if average.is_floating_point() {
                averages.push(average.shallow_clone());
                values.push(tensor.shallow_clone());
            } else {
                average.f_copy_(tensor)?;
            }
        }
        Ok(foreach_lerp_(&mut averages, &values, 1.0 - decay)?)
    }

    /// The averages, under the names of [`Self::new`]; they share storage with this object's.
    pub fn state(&self) -> Vec<NamedTensor> {
        let tensors = self.tensors.iter().map(Tensor::shallow_clone);
        self.names.iter().cloned().zip(tensors).collect()
    }

    /// Copies the averages into `tensors`, which must be those of [`Self::new`] in the same order.
    pub fn copy_into(&self, tensors: &[NamedTensor]) -> Result<(), Error> {
        let _guard = tch::no_grad_guard();
        for (average, (_, tensor)) in self.tensors.iter().zip(tensors) {
            tensor.shallow_clone().f_copy_(average)?;
        }
        Ok(())
    }
}

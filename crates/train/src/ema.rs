//! An exponential moving average of a model, to export in its stead.

use crate::Error;
use serde::{Deserialize, Serialize};
use tch::Tensor;
use visrep_methods::NamedTensor;

/// The section `[ema]` of a recipe; without it there is no average.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmaConfig {
    /// How much of the average stays at each step, 0..=1.
    pub decay: f64,
}

/// `average = decay * average + (1 - decay) * value` after every step, over floating tensors, the running
/// statistics of normalisation layers included; integer tensors are copied (timm's `ModelEmaV3`). This is the
/// average that is evaluated: a teacher inside a method is the method's own business.
pub struct Ema {
    decay: f64,
    tensors: Vec<NamedTensor>,
}

impl Ema {
    /// Starts the average at the present values of `tensors`.
    pub fn new(tensors: &[NamedTensor], decay: f64) -> Result<Self, Error> {
        let _guard = tch::no_grad_guard();
        let copies = tensors.iter().map(|(name, tensor)| Ok((name.clone(), copy(tensor)?)));
        Ok(Self { decay, tensors: copies.collect::<Result<_, Error>>()? })
    }

    /// Moves the average towards `tensors`, which must be those of [`Self::new`] in the same order.
    pub fn update(&mut self, tensors: &[NamedTensor]) -> Result<(), Error> {
        let _guard = tch::no_grad_guard();
        for ((name, average), (found, tensor)) in self.tensors.iter_mut().zip(tensors) {
            if name != found {
                return Err(Error::State { message: format!("average of {name} given {found}") });
            }
            if average.is_floating_point() {
                let _ = average.f_lerp_(tensor, 1.0 - self.decay)?;
            } else {
                average.f_copy_(tensor)?;
            }
        }
        Ok(())
    }

    /// The averages, under the names of [`Self::new`]; they share storage with this object's.
    pub fn state(&self) -> Vec<NamedTensor> {
        self.tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect()
    }

    /// Copies the averages into `tensors`, which must be those of [`Self::new`] in the same order.
    pub fn copy_into(&self, tensors: &[NamedTensor]) -> Result<(), Error> {
        let _guard = tch::no_grad_guard();
        for ((_, average), (_, tensor)) in self.tensors.iter().zip(tensors) {
            tensor.shallow_clone().f_copy_(average)?;
        }
        Ok(())
    }
}

fn copy(tensor: &Tensor) -> Result<Tensor, Error> {
    let mut copy = tensor.f_zeros_like()?;
    copy.f_copy_(tensor)?;
    Ok(copy)
}

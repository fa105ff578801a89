//! Inference mode: no gradients, and nothing prepared for any.

use std::marker::PhantomData;

use tch::Tensor;

use crate::Error;
use crate::shim::{
    self, InferenceGuard, visrep_inference_enter, visrep_inference_leave, visrep_is_inference,
};

/// While it lives, this thread's operations record no gradients, count no versions and track no views: less work
/// than under `tch::no_grad`, and for nothing but results. Tensors made meanwhile are inference tensors for good:
/// reading them is always allowed, changing them in place or saving them for a backward pass only in inference mode.
///
/// Guards are dropped in the opposite order of their making, as scopes do it. LibTorch: `c10::InferenceMode`.
///
/// ```
/// use tch::{Device, Kind, Tensor};
///
/// let weight = Tensor::ones([2], (Kind::Float, Device::Cpu)).set_requires_grad(true);
/// let inference = visrep_torch::InferenceMode::enter()?;
/// assert!(!(&weight * 2.0).requires_grad());
/// drop(inference);
/// assert!((&weight * 2.0).requires_grad());
/// # Ok::<(), visrep_torch::Error>(())
/// ```
#[must_use = "inference mode ends when the guard is dropped"]
#[derive(Debug)]
pub struct InferenceMode {
    guard: *mut InferenceGuard,
    /// The mode is the thread's: the guard must not leave it.
    _thread: PhantomData<*const ()>,
}

impl InferenceMode {
    /// Enters inference mode; the guard leaves it for what was before.
    ///
    /// # Errors
    /// [`Error::LibTorch`] if memory is short.
    pub fn enter() -> Result<Self, Error> {
        let mut guard = std::ptr::null_mut();
        // SAFETY: the call writes one pointer.
        shim::check("InferenceMode", unsafe { visrep_inference_enter(&raw mut guard) })?;
        Ok(Self { guard, _thread: PhantomData })
    }
}

impl Drop for InferenceMode {
    fn drop(&mut self) {
        // SAFETY: the guard is ours, alive, and of this thread, since it is not `Send`.
        unsafe { visrep_inference_leave(self.guard) };
    }
}

/// Whether the tensor was made in inference mode, so that no backward pass may use it.
///
/// LibTorch: `tensor.is_inference()`.
#[must_use]
pub fn is_inference(tensor: &Tensor) -> bool {
    // SAFETY: the tensor is borrowed for the call.
    unsafe { visrep_is_inference(tensor.as_ptr()) }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    fn weight() -> Tensor {
        Tensor::ones([3], (Kind::Float, Device::Cpu)).set_requires_grad(true)
    }

    #[test]
    fn results_need_no_gradients_and_the_mode_is_put_back() {
        let weight = weight();
        let made = {
            let _outer = InferenceMode::enter().unwrap();
            drop(InferenceMode::enter().unwrap());
            let made = &weight * 2.0;
            assert!(!made.requires_grad() && is_inference(&made));
            made
        };
        assert!(is_inference(&made) && !is_inference(&weight));
        assert!((&weight * 2.0).requires_grad());
        assert_eq!(made.sum(Kind::Float).double_value(&[]), 6.0);
    }

    #[test]
    fn grad_mode_off_stays_off() {
        let _no_grad = tch::no_grad_guard();
        drop(InferenceMode::enter().unwrap());
        assert!(!(weight() * 2.0).requires_grad());
    }

    #[test]
    fn inference_tensors_are_refused_by_backward_passes() {
        let inference = InferenceMode::enter().unwrap();
        let made = weight() * 2.0;
        drop(inference);
        let message = made.f_mul(&weight()).unwrap_err().to_string();
        assert!(message.contains("Inference tensors cannot be saved for backward"), "{message}");
        let once = crate::checkpoint([&made], |[x]| Ok::<_, Error>(x.f_sin()?));
        let message = once.unwrap_err().to_string();
        assert!(message.contains("Inference tensors cannot be saved for backward"), "{message}");
    }

    #[test]
    fn other_threads_are_not_concerned() {
        let _inference = InferenceMode::enter().unwrap();
        let there = std::thread::spawn(|| (weight() * 2.0).requires_grad()).join();
        assert!(there.unwrap());
    }
}

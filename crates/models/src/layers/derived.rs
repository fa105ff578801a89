//! Tensors that follow from sizes alone.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use tch::{TchError, Tensor};

/// A tensor that is no parameter: computed when it is first needed, and kept as the network needs it (its device and kind),
/// until that changes. Clones share it.
#[derive(Clone)]
pub(crate) struct Derived {
    make: Arc<dyn Fn() -> Result<Tensor, TchError> + Send + Sync>,
    kept: Arc<Mutex<Option<Tensor>>>,
}

impl Derived {
    /// `make` computes it on the CPU.
    pub(crate) fn new(make: impl Fn() -> Result<Tensor, TchError> + Send + Sync + 'static) -> Self {
        Self { make: Arc::new(make), kept: Arc::default() }
    }

    /// Where `other` is, and if it is of floating-point values, of the kind of `other`.
    pub(crate) fn like(&self, other: &Tensor) -> Result<Tensor, TchError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |x: &&Tensor| {
            x.device() == other.device() && (x.kind() == other.kind() || !x.is_floating_point())
        };
        if let Some(tensor) = kept.as_ref().filter(fits) {
            return Ok(tensor.shallow_clone());
        }
        let mut tensor = (self.make)()?.f_to_device(other.device())?;
        if tensor.is_floating_point() {
            tensor = tensor.f_to_kind(other.kind())?;
        }
        *kept = Some(tensor.shallow_clone());
        Ok(tensor)
    }
}

impl fmt::Debug for Derived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Derived").finish_non_exhaustive()
    }
}

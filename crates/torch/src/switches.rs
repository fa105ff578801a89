//! What CUDA's libraries may do to be faster.

use crate::Error;
use crate::shim::{self, visrep_switches_get, visrep_switches_set};

/// What cuBLAS and cuDNN are allowed, for the whole program. Nothing here concerns the CPU, and all of it can be set
/// where no CUDA is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CudaSwitches {
    /// Whether products and convolutions of `Float` may round their factors to TF32 (10 bits of mantissa), on GPUs
    /// of the Ampere generation and later. LibTorch: `setAllowTF32CuBLAS` and `setAllowTF32CuDNN`; it has the first
    /// off and the second on, which reads as off here.
    pub tf32: bool,
    /// Whether cuDNN tries all its algorithms for each new shape of a convolution and keeps the fastest: worth it
    /// where shapes repeat. LibTorch: `setBenchmarkCuDNN`; off at first.
    pub cudnn_benchmark: bool,
    /// Whether only what gives the same bits each time is used: of cuDNN's algorithms, of LibTorch's own, where an
    /// operation that has no such form fails and says so, and of cuBLAS's, whose environment variable
    /// `CUBLAS_WORKSPACE_CONFIG` becomes `:4096:8` unless it is set. LibTorch: `setDeterministicCuDNN`,
    /// `setDeterministicAlgorithms`; off at first.
    ///
    /// Set it before other threads are there, as environment variables are the whole process's.
    pub deterministic: bool,
}

impl CudaSwitches {
    /// The switches as they are.
    ///
    /// # Errors
    /// [`Error::LibTorch`] if the program set precisions in more than one of LibTorch's ways, which it does not
    /// like.
    pub fn current() -> Result<Self, Error> {
        let mut switches = Self { tf32: false, cudnn_benchmark: false, deterministic: false };
        // SAFETY: the call writes three bools.
        let message = unsafe {
            visrep_switches_get(
                &raw mut switches.tf32,
                &raw mut switches.cudnn_benchmark,
                &raw mut switches.deterministic,
            )
        };
        shim::check("Context::allowTF32CuBLAS", message)?;
        Ok(switches)
    }

    /// Sets all of them.
    ///
    /// # Errors
    /// [`Error::LibTorch`] as for [`current`](Self::current).
    pub fn set(self) -> Result<(), Error> {
        // SAFETY: the call takes three bools.
        let message = unsafe { visrep_switches_set(self.tf32, self.cudnn_benchmark, self.deterministic) };
        shim::check("Context::setAllowTF32CuBLAS", message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_switch_is_what_it_was_set_to() {
        let before = CudaSwitches::current().unwrap();
        for bits in 0..8u8 {
            let [tf32, cudnn_benchmark, deterministic] = [1, 2, 4].map(|bit| bits & bit != 0);
            let switches = CudaSwitches { tf32, cudnn_benchmark, deterministic };
            switches.set().unwrap();
            assert_eq!(CudaSwitches::current().unwrap(), switches);
        }
        before.set().unwrap();
        assert_eq!(CudaSwitches::current().unwrap(), before);
    }
}

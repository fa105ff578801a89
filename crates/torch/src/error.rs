//! The crate's error type.

use std::path::PathBuf;

use crate::{CudaLibraries, Version};

/// What can go wrong before the first tensor.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text names no device.
    #[error("`{text}` is no device: write auto, cpu, cuda or cuda:N")]
    UnknownDevice {
        /// What was given.
        text: String,
    },
    /// CUDA was asked for, and LibTorch cannot use it.
    #[error("device {device} cannot be used: {found}; choose auto or cpu, or see `cargo xtask doctor`")]
    NoCuda {
        /// The device that was asked for.
        device: String,
        /// What became of the CUDA libraries.
        found: CudaLibraries,
    },
    /// There are fewer GPUs than the index says.
    #[error("there is no cuda:{index}: LibTorch sees {count} CUDA device(s), numbered from 0")]
    NoSuchGpu {
        /// The index that was asked for.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// The CUDA libraries are there, and do not load.
    #[error(
        "{} does not load: {source}; repair it (`cargo xtask setup --cuda`), or choose the device cpu",
        path.display()
    )]
    CudaLibraries {
        /// The library.
        path: PathBuf,
        /// The loader's message.
        source: libloading::Error,
    },
    /// The program runs with another LibTorch than it was built for.
    #[error(
        "LibTorch {found} was loaded, and this program needs {needed}: check LD_LIBRARY_PATH and LIBTORCH, or \
         run `cargo xtask setup`"
    )]
    Version {
        /// The version that was loaded.
        found: Version,
        /// The version whose bindings the program has.
        needed: Version,
    },
}

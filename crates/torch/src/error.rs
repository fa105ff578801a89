//! The crate's error type.

use std::path::PathBuf;

use tch::{Device, Kind, TchError};

use crate::{CudaLibraries, Version, device_name};

/// What can go wrong with the calls of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text names no device.
    #[error("`{text}` is no device: write auto, cpu, cuda or cuda:N")]
    UnknownDevice {
        /// What was given.
        text: String,
    },
    /// The text names no precision.
    #[error("`{text}` is no precision: write auto, fp32 or bf16")]
    UnknownPrecision {
        /// What was given.
        text: String,
    },
    /// The device has no instructions for bf16.
    #[error(
        "{device} has no instructions for bf16 (on a CPU AMX or AVX-512 BF16, on a GPU Ampere or later) and would be slower \
         than in fp32: choose the precision fp32 or auto"
    )]
    NoBf16 {
        /// The device that was asked for.
        device: String,
    },
    /// An operation has no 16-bit form.
    #[error("an operation cannot run in bf16, not even under autocast: {message}; choose the precision fp32")]
    NotInBf16 {
        /// What LibTorch says.
        message: String,
    },
    /// A batch needs more memory than there is.
    #[error(
        "a batch of {batch} does not fit into the memory of {}: {}; {message}",
        device_name(*device),
        match fits {
            Some(fits) => format!("a batch of {fits} fits"),
            None => "not even one sample fits, take a smaller model or smaller images".into(),
        }
    )]
    OutOfMemory {
        /// Where.
        device: Device,
        /// The samples that were to be worked on at once.
        batch: usize,
        /// A number of samples that fits: half of that, a quarter and so on, as was tried. `None` if not even one does.
        fits: Option<usize>,
        /// How much memory was free, where that is known, and what LibTorch says.
        message: String,
    },
    /// CUDA was asked for, and LibTorch cannot use it.
    #[error("device {device} cannot be used: {found}; choose auto or cpu, or see `cargo xtask doctor`")]
    NoCuda {
        /// The device that was asked for.
        device: String,
        /// What became of the CUDA libraries.
        found: CudaLibraries,
    },
    /// A step cannot be recorded as a CUDA graph.
    #[error("no CUDA graph can be made on {device}: {reason}")]
    NoCudaGraph {
        /// The device that was asked for.
        device: String,
        /// Why not.
        reason: String,
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
    /// A call of this crate into LibTorch failed.
    #[error("LibTorch's {call}: {message}")]
    LibTorch {
        /// LibTorch's name of what was called.
        call: &'static str,
        /// What it says.
        message: String,
    },
    /// A call of tch's failed.
    #[error(transparent)]
    Tch(#[from] TchError),
    /// A file cannot be mapped into memory.
    #[error("{} cannot be mapped into memory: {source}", path.display())]
    MapFile {
        /// The file.
        path: PathBuf,
        /// The system's message.
        source: std::io::Error,
    },
    /// A tensor would reach beyond the end of its file.
    #[error("{} has {length} bytes, and a tensor needs {size} from byte {offset} on: the file is damaged or cut short",
        path.display())]
    MappedRange {
        /// The file.
        path: PathBuf,
        /// The tensor's first byte.
        offset: usize,
        /// How many bytes it has.
        size: usize,
        /// How many bytes the file has.
        length: usize,
    },
    /// No tensor can have this shape.
    #[error("{}: a tensor of shape {shape:?} and kind {kind:?} has a negative size or too many bytes", path.display())]
    MappedShape {
        /// The file.
        path: PathBuf,
        /// The shape that was asked for.
        shape: Vec<i64>,
        /// The kind of its elements.
        kind: Kind,
    },
    /// The bytes cannot be elements of this kind.
    #[error("{}: no tensor of kind {kind:?} at byte {offset}: {reason}", path.display())]
    MappedKind {
        /// The file.
        path: PathBuf,
        /// The kind that was asked for.
        kind: Kind,
        /// The tensor's first byte.
        offset: usize,
        /// Why not.
        reason: &'static str,
    },
    /// Operations cannot be cast to this kind.
    #[error("autocast to {kind:?} is not possible: choose BFloat16 or Half")]
    AutocastKind {
        /// The kind that was asked for.
        kind: Kind,
    },
    /// A compiled model cannot be opened or run.
    #[error("{}: {message}", path.display())]
    Package {
        /// The package.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// Lists that belong together differ in length.
    #[error("{call}: one list has {expected} tensors and another that belongs to it {found}")]
    ListLengths {
        /// LibTorch's name of what was called.
        call: &'static str,
        /// The length of the first list.
        expected: usize,
        /// The length of a list that differs.
        found: usize,
    },
}

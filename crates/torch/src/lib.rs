//! The LibTorch calls that `tch` lacks, and the choices a program makes before its first tensor.
//!
//! It is the one crate of this workspace, besides the bindings themselves, that may use `unsafe`.
//!
//! A program calls [`DeviceChoice::resolve`] first: it checks that the LibTorch which was loaded is the
//! one the program was built for, loads the CUDA libraries if the machine can use them, and says on which
//! device to work.
//!
//! ```
//! let device = "cpu".parse::<visrep_torch::DeviceChoice>()?.resolve()?;
//! visrep_torch::set_threads(None);
//! visrep_torch::keep_freed_memory();
//! assert_eq!(device, tch::Device::Cpu);
//! # Ok::<(), visrep_torch::Error>(())
//! ```
//!
//! | for | there is |
//! |---|---|
//! | weights in a file, used where they lie | [`MappedFile`] |
//! | less memory in training | [`checkpoint`] |
//! | 16 bits | [`PrecisionChoice`], [`Precision`], [`Autocast`], [`cpu_bf16`] |
//! | evaluation | [`InferenceMode`] |
//! | optimisers and moving averages | [`fused_adamw_`], [`fused_sgd_`], [`foreach_lerp_`], [`clip_grad_norm_`] |
//! | random numbers that no other thread disturbs | [`Generator`] |
//! | convolutions | [`channels_last`], [`CudaSwitches`] |
//! | GPUs | [`Prefetcher`], [`Uploader`], [`Stream`], [`Event`], [`CudaGraph`], [`device_memory`], [`empty_cache`] |
//! | batches that are too large | [`with_batch`], [`is_out_of_memory`] |
//! | models that PyTorch compiled | [`CompiledPackage`] |
//!
//! # Building
//! The calls go through the C++ files in `shim`, which the build script compiles with the `cc` crate: it takes a C++17
//! compiler and LibTorch 2.11 with its headers, as `torch-sys` does, and 15 to 20 seconds on two cores. No header of CUDA's
//! is needed, and one build serves machines with and without a GPU. The script finds LibTorch through `torch-sys`
//! (`LIBTORCH`, `LIBTORCH_INCLUDE`, `LIBTORCH_CXX11_ABI`, `LIBTORCH_USE_PYTORCH` mean what they mean there), and refuses
//! the headers of another release; [`check_version`] refuses another library at run time.

mod allocator;
mod autocast;
mod channels;
mod checkpoint;
mod cuda;
mod device;
mod error;
mod foreach;
mod format;
mod fused;
mod generator;
mod graph;
mod inference;
mod linear;
mod mapped;
mod memory;
mod memory_limit;
mod package;
mod precision;
mod prefetch;
mod shim;
mod stream;
mod switches;
mod threads;
mod upload;
mod version;

pub use allocator::keep_freed_memory;
pub use autocast::{Autocast, CpuBf16, autocast_kind, cpu_bf16};
pub use channels::map_channels;
pub use checkpoint::{checkpoint, recomputing};
pub use cuda::{CudaLibraries, load_cuda_libraries};
pub use device::{DeviceChoice, device_name};
pub use error::Error;
pub use foreach::{clip_grad_norm_, foreach_add_, foreach_lerp_, foreach_mul_, global_norm};
pub use format::{channels_last, contiguous, is_channels_last, prefers_channels_last};
pub use fused::{AdamWState, AdamWStep, SgdStep, fused_adamw_, fused_sgd_};
pub use generator::Generator;
pub use graph::CudaGraph;
pub use inference::{InferenceMode, is_inference};
pub use linear::linear;
pub use mapped::MappedFile;
pub use memory::{DeviceMemory, device_memory, empty_cache, reset_peak_memory};
pub use memory_limit::{is_out_of_memory, with_batch};
pub use package::CompiledPackage;
pub use precision::{Precision, PrecisionChoice};
pub use prefetch::Prefetcher;
pub use stream::{Event, Stream, StreamGuard};
pub use switches::CudaSwitches;
pub use threads::set_threads;
pub use upload::{Upload, Uploader};
pub use version::{Version, check_version, version};

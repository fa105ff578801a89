//! Backbones, heads, weight files, and the preprocessing that travels with the weights.
//!
//! Architectures carry timm's names and parameter names, so its safetensors files load as they are:
//!
//! ```no_run
//! use visrep_models::{Model, ModelOptions};
//!
//! let mut model = Model::create("resnet50.a1_in1k", &ModelOptions::default())?;
//! let report = model.load_weights("resnet50.safetensors")?;
//! println!("{report}");
//! let pixels = tch::Tensor::zeros([1, 224, 224, 3], (tch::Kind::Uint8, tch::Device::Cpu));
//! let x = model.preprocessing().normalize(&pixels, model.device())?;
//! let logits = tch::no_grad(|| model.forward(&x, false))?;
//! # Ok::<(), visrep_models::Error>(())
//! ```
//!
//! A family is one module under `families`: a `Config`, a table of architectures, and a [`Backbone`]; `arch` joins the
//! tables.
#![forbid(unsafe_code)]
mod adapt;
mod arch;
mod backbone;
mod builder;
mod compiled;
mod error;
mod families;
mod file;
#[cfg(test)]
mod golden;
mod head;
mod info;
mod init;
mod layers;
mod model;
mod options;
mod patches;
mod preprocessing;
mod pretrained;
mod sparse;
mod surgery;
mod tuning;
mod weights;

pub use backbone::{Backbone, Features, Taps};
pub use builder::BatchNormMode;
pub use error::Error;
pub use families::{MaeDecoder, MaeDecoderConfig};
pub use file::{WriteError, write_atomically, write_atomically_with};
pub use info::{ModelInfo, Parameter, ParameterTable, model_info, model_names, parameter_table};
pub use model::Model;
pub use options::ModelOptions;
pub use patches::{PatchTransformer, patchify};
pub use preprocessing::{
    CIFAR_MEAN, CIFAR_STD, CLIP_MEAN, CLIP_STD, CropMode, IMAGENET_MEAN, IMAGENET_STD, Interpolation,
    Preprocessing,
};
#[cfg(feature = "hub")]
pub use pretrained::{
    Download, FetchedFile, FileSource, HubFile, HubOptions, Verification, fetch_file, hub_dataset_files,
};
pub use pretrained::{HubConfig, Pretrained, find_pretrained, pretrained_weights};
pub use sparse::{GrnStatistics, SparseEncoder};
pub use surgery::HeadStart;
pub use tuning::{LayerGroup, MemoryFormat};
pub use weights::{
    Difference, Format, LoadReport, Mismatch, Misshaped, StateDict, Suggestion, TensorDiff, Unread, diff,
    dtype_name, suggest_architectures,
};

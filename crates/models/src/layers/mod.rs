//! The layers that architectures are made of: parameters under PyTorch's names, every initial value explicit,
//! every call fallible. Cloning a layer gives another handle on the same parameters.

mod activation;
mod block;
mod conv;
mod derived;
mod drop;
mod layer_scale;
mod linear;
mod mlp;
mod norm;
mod patchify;
mod relative_position;
mod squeeze_excite;

pub(crate) use activation::Activation;
pub(crate) use block::{Block, run};
pub(crate) use conv::{Conv2d, ConvConfig, Padding};
pub(crate) use derived::Derived;
pub(crate) use drop::{DropPath, dropout};
pub(crate) use layer_scale::LayerScale;
pub(crate) use linear::{Linear, LinearConfig};
pub(crate) use mlp::Mlp;
pub(crate) use norm::{BatchNorm2d, BatchNormConfig, GroupNorm, LayerNorm, LayerNorm2d};
pub(crate) use patchify::{Patchify, PatchifyConfig};
pub(crate) use relative_position::{RelativeIndex, RelativePosition, resize_table};
pub(crate) use squeeze_excite::SqueezeExcite;

use std::ops::Deref;
use tch::Tensor;

/// A parameter or buffer; cloning it shares its memory.
#[derive(Debug)]
pub(crate) struct Param(pub(crate) Tensor);

impl Clone for Param {
    fn clone(&self) -> Self {
        Self(self.0.shallow_clone())
    }
}

impl Deref for Param {
    type Target = Tensor;

    fn deref(&self) -> &Tensor {
        &self.0
    }
}

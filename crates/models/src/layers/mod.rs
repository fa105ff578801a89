//! The layers that architectures are made of: parameters under PyTorch's names, every initial value explicit,
//! every call fallible. Cloning a layer gives another handle on the same parameters.

mod activation;
mod anti_aliasing;
mod attention;
mod attention_pool;
mod block;
mod blur_pool;
mod channel_attention;
mod conv;
mod conv_norm_act;
mod derived;
mod drop;
mod glu;
mod layer_scale;
mod linear;
mod mlp;
mod norm;
mod norm2d;
mod patchify;
mod pool;
mod pre_activation;
mod relative_position;
mod squeeze_excite;
mod std_conv;
mod token_norm;

pub(crate) use activation::Activation;
pub(crate) use anti_aliasing::{AntiAliasing, Downsampling};
pub(crate) use attention::{attend, heads, split};
pub(crate) use attention_pool::AttentionPool;
pub(crate) use block::{Block, run, run_stages};
pub(crate) use blur_pool::BlurPool;
pub(crate) use channel_attention::{ChannelAttention, ChannelAttentionKind, nearest_multiple};
pub(crate) use conv::{Conv2d, ConvConfig, Padding};
pub(crate) use conv_norm_act::ConvNormAct;
pub(crate) use derived::Derived;
pub(crate) use drop::{DropPath, add_branch, dropout};
pub(crate) use glu::SwiGlu;
pub(crate) use layer_scale::LayerScale;
pub(crate) use linear::{Linear, LinearConfig};
pub(crate) use mlp::Mlp;
pub(crate) use norm::{BatchNorm2d, BatchNormConfig, GroupNorm, LayerNorm};
pub(crate) use norm2d::{Norm2d, Norm2dKind};
pub(crate) use patchify::{Patchify, PatchifyConfig};
pub(crate) use pool::{average_pool_2x2, max_pool_3x3};
pub(crate) use pre_activation::{Convolution, PreActivation, PreActivationBlock, Projection};
pub(crate) use relative_position::{RelativeIndex, RelativePosition, resize_table};
pub(crate) use squeeze_excite::SqueezeExcite;
pub(crate) use std_conv::StdConv2d;
pub(crate) use token_norm::{NormKind, TokenNorm};

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

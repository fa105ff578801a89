//! Pooling by a class token that comes late: the class-attention blocks of "Going deeper with image transformers" (Touvron et
//! al., 2021), timm's `LayerScaleBlockClassAttn`, as ExtreMA (Wu et al., 2022) puts them on a plain transformer.

use super::config::Config;
use crate::Error;
use crate::builder::Builder;
use crate::init::Init;
use crate::layers::{Linear, Mlp, Param, TokenNorm, attend, heads};
use tch::Tensor;

/// A class token that reads the patches in two blocks, in which nothing else changes.
pub(super) struct ClassAttention {
    token: Param,
    blocks: Vec<Block>,
}

/// One block: the token attends to itself and the patches, then a perceptron; both branches are scaled.
struct Block {
    norm1: TokenNorm,
    q: Linear,
    k: Linear,
    v: Linear,
    proj: Linear,
    gamma_1: Param,
    norm2: TokenNorm,
    mlp: Mlp,
    gamma_2: Param,
    heads: i64,
}

impl ClassAttention {
    /// For tokens of `config`'s width; the scales of the branches start at `scale`.
    pub(super) fn new(builder: &Builder<'_>, config: &Config, scale: f64) -> Result<Self, Error> {
        let block = |i| Block::new(&(builder / "blocks" / i), config, scale);
        Ok(Self {
            token: builder.parameter("cls_token", &[1, 1, config.width], config.start.class_token())?,
            blocks: (0..2).map(block).collect::<Result<_, _>>()?,
        })
    }

    /// Patches (N, T, C) to the class token (N, C).
    pub(super) fn forward(&self, patches: &Tensor) -> Result<Tensor, Error> {
        let mut class = self.token.f_expand([patches.size()[0], -1, -1], false)?;
        for block in &self.blocks {
            class = block.forward(class, patches)?;
        }
        Ok(class.f_select(1, 0)?)
    }
}

impl Block {
    fn new(builder: &Builder<'_>, config: &Config, scale: f64) -> Result<Self, Error> {
        let Config { width, hidden, heads, norm, activation, start, qkv_bias, .. } = *config;
        let attention = builder / "attn";
        let linear = |name: &str, bias| {
            Linear::new(&(&attention / name), super::biased(start.linear(width, width), bias))
        };
        let gamma = |name: &str| builder.parameter(name, &[width], Init::Constant(scale));
        let layers = (start.mlp(width, hidden), start.mlp(hidden, width));
        Ok(Self {
            norm1: TokenNorm::new(&(builder / "norm1"), norm, width)?,
            q: linear("q", qkv_bias)?,
            k: linear("k", qkv_bias)?,
            v: linear("v", qkv_bias)?,
            proj: linear("proj", true)?,
            gamma_1: gamma("gamma_1")?,
            norm2: TokenNorm::new(&(builder / "norm2"), norm, width)?,
            mlp: Mlp::of(&(builder / "mlp"), layers, activation)?,
            gamma_2: gamma("gamma_2")?,
            heads,
        })
    }

    fn forward(&self, class: Tensor, patches: &Tensor) -> Result<Tensor, Error> {
        let all = self.norm1.forward(&Tensor::f_cat(&[&class, patches], 1)?)?;
        let part = |linear: &Linear, x: &Tensor| heads(&linear.forward(x)?, self.heads);
        let q = part(&self.q, &all.f_narrow(1, 0, 1)?)?;
        let y = attend(&q, &part(&self.k, &all)?, &part(&self.v, &all)?, None)?;
        let class = class.f_add(&self.proj.forward(&y)?.f_mul(&self.gamma_1)?)?;
        let y = self.mlp.forward(&self.norm2.forward(&class)?)?;
        Ok(class.f_add(&y.f_mul(&self.gamma_2)?)?)
    }
}

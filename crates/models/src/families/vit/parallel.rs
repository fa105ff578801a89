//! Blocks whose attention and perceptron read the same normalised tokens: "Scaling vision transformers to 22 billion
//! parameters" (Dehghani et al., 2023); timm's `ParallelScalingBlock` and `DiffParallelScalingBlock`.

use super::attention::{Differential, QkNorm};
use super::config::{BlockKind, Config};
use crate::Error;
use crate::builder::Builder;
use crate::init::Init;
use crate::layers::{Activation, DropPath, LayerScale, Linear, Param, TokenNorm, attend, heads};
use tch::Tensor;

/// `in_proj` makes the perceptron's hidden values, queries, keys and values at once.
#[derive(Clone)]
pub(super) struct Parallel {
    in_norm: TokenNorm,
    in_proj: Linear,
    /// The perceptron's bias where `in_proj` has none.
    mlp_bias: Option<Param>,
    norms: QkNorm,
    differential: Option<Differential>,
    output: Output,
    scale: Option<LayerScale>,
    activation: Activation,
    width: i64,
    hidden: i64,
    heads: i64,
    drop_path: DropPath,
}

#[derive(Clone)]
enum Output {
    /// `attn_out_proj` and `mlp_out_proj`.
    Separate(Linear, Linear),
    /// `out_proj`, of both side by side.
    Joint(Linear),
}

impl Parallel {
    pub(super) fn new(
        builder: &Builder<'_>,
        config: &Config,
        index: usize,
        drop_path: DropPath,
    ) -> Result<Self, Error> {
        let Config { width, hidden, heads, start, activation, .. } = *config;
        let linear = |name: &str, input, output| Linear::new(&(builder / name), start.linear(input, output));
        let in_proj = super::biased(start.linear(width, hidden + 3 * width), config.qkv_bias);
        let joint = config.block == BlockKind::ParallelDifferential;
        Ok(Self {
            in_norm: TokenNorm::new(&(builder / "in_norm"), config.norm, width)?,
            in_proj: Linear::new(&(builder / "in_proj"), in_proj)?,
            mlp_bias: match config.qkv_bias {
                true => None,
                false => Some(builder.parameter("mlp_bias", &[hidden], Init::Constant(0.0))?),
            },
            norms: QkNorm::new(builder, config)?,
            differential: match joint {
                true => Some(Differential::new(builder, width / heads, index)?),
                false => None,
            },
            output: match joint {
                true => Output::Joint(linear("out_proj", width + hidden, width)?),
                false => Output::Separate(
                    linear("attn_out_proj", width, width)?,
                    linear("mlp_out_proj", hidden, width)?,
                ),
            },
            scale: match config.layer_scale > 0.0 {
                true => Some(LayerScale::new(&(builder / "ls"), width, config.layer_scale)?),
                false => None,
            },
            activation,
            width,
            hidden,
            heads,
            drop_path,
        })
    }

    pub(super) fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        let y = self.in_proj.forward(&self.in_norm.forward(x)?)?;
        let part = |i: i64| y.f_narrow(-1, self.hidden + i * self.width, self.width);
        let (q, k, v) = (part(0)?, part(1)?, part(2)?);
        let attended = match &self.differential {
            Some(differential) => differential.attend(&q, &k, &v, self.heads)?,
            None => {
                let (q, k) = self.norms.forward(heads(&q, self.heads)?, heads(&k, self.heads)?)?;
                attend(&q, &k, &heads(&v, self.heads)?, None)?
            }
        };
        let hidden = y.f_narrow(-1, 0, self.hidden)?;
        let hidden = match &self.mlp_bias {
            Some(bias) => self.activation.apply(&hidden.f_add(bias)?)?,
            None => self.activation.apply(&hidden)?,
        };
        let y = match &self.output {
            Output::Separate(attention, mlp) => {
                attention.forward(&attended)?.f_add(&mlp.forward(&hidden)?)?
            }
            Output::Joint(linear) => linear.forward(&Tensor::f_cat(&[attended, hidden], -1)?)?,
        };
        let y = match &self.scale {
            Some(scale) => scale.forward(&y)?,
            None => y,
        };
        Ok(x.f_add(&self.drop_path.apply(y, train)?)?)
    }
}

//! Which channel attention a residual branch ends with, and ECA's: "ECA-Net: efficient channel attention for deep
//! convolutional neural networks" (Wang et al., 2019).

use crate::builder::Builder;
use crate::init::Init;
use crate::layers::{Activation, ConvConfig, Param, SqueezeExcite};
use tch::{TchError, Tensor};

/// A kind of channel attention.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ChannelAttentionKind {
    /// Squeeze-and-excitation, with this part of the channels in the middle.
    SqueezeExcite(f64),
    /// One convolution along the channels.
    Efficient,
}

/// Scales the channels of a map by a gate that sees their means (timm's `SEModule` and `EcaModule`).
#[derive(Clone, Debug)]
pub(crate) enum ChannelAttention {
    SqueezeExcite(Box<SqueezeExcite>),
    Efficient(EfficientChannelAttention),
}

impl ChannelAttention {
    /// `init` and `bias_init` say how the weights and biases of squeeze-and-excitation start; `None`: by PyTorch's default, as
    /// ECA's always does.
    pub(crate) fn new(
        builder: &Builder<'_>,
        kind: ChannelAttentionKind,
        channels: i64,
        (init, bias_init): (Init, Option<Init>),
    ) -> Result<Self, TchError> {
        Ok(match kind {
            ChannelAttentionKind::SqueezeExcite(ratio) => {
                let activations = (Activation::Relu, Activation::Sigmoid);
                let reduced = nearest_multiple(channels as f64 * ratio, 8);
                let conv = |input, output| ConvConfig {
                    init,
                    bias: true,
                    bias_init,
                    ..ConvConfig::new(input, output, 1)
                };
                let convs = (conv(channels, reduced), conv(reduced, channels));
                let attention = SqueezeExcite::new(builder, ("fc1", "fc2"), convs, activations)?;
                Self::SqueezeExcite(Box::new(attention))
            }
            ChannelAttentionKind::Efficient => {
                Self::Efficient(EfficientChannelAttention::new(builder, channels)?)
            }
        })
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        match self {
            Self::SqueezeExcite(attention) => attention.forward(x),
            Self::Efficient(attention) => attention.forward(x),
        }
    }
}

/// The multiple of `divisor` nearest to `width`, and at least `divisor`.
pub(crate) fn nearest_multiple(width: f64, divisor: i64) -> i64 {
    ((width + divisor as f64 / 2.0) as i64 / divisor * divisor).max(divisor)
}

/// A convolution along the channels' means, whose kernel grows with their number, and a sigmoid.
#[derive(Clone, Debug)]
pub(crate) struct EfficientChannelAttention {
    /// (1, 1, K).
    weight: Param,
}

impl EfficientChannelAttention {
    fn new(builder: &Builder<'_>, channels: i64) -> Result<Self, TchError> {
        // The paper's mapping with γ = 2 and b = 1; odd, and at least 3.
        let size = (((channels as f64).log2() + 1.0) / 2.0) as i64;
        let size = (size | 1).max(3);
        Ok(Self { weight: (builder / "conv").parameter("weight", &[1, 1, size], Init::Default)? })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let padding = self.weight.size()[2] / 2;
        let mean = x.f_mean_dim(&[2_i64, 3][..], false, None)?.f_unsqueeze(1)?;
        let mut gate = mean.f_conv1d(&self.weight, None::<&Tensor>, [1], [padding], [1], 1)?;
        let gate = gate.f_sigmoid_()?.f_squeeze_dim(1)?.f_unsqueeze(-1)?.f_unsqueeze(-1)?;
        x.f_mul(&gate)
    }
}

//! Channel attention: "Squeeze-and-excitation networks" (Hu et al., 2017).

use crate::builder::Builder;
use crate::init::Init;
use crate::layers::{Activation, Conv2d, ConvConfig};
use tch::{TchError, Tensor};

/// The channels' means go through two 1×1 convolutions and a gate, and scale the channels.
#[derive(Clone, Debug)]
pub(crate) struct SqueezeExcite {
    reduce: Conv2d,
    expand: Conv2d,
    activation: Activation,
    gate: Activation,
}

impl SqueezeExcite {
    /// `names` are those of the two convolutions: `fc1`, `fc2` in timm's ResNets, `conv_reduce`, `conv_expand` in its
    /// EfficientNets.
    pub(crate) fn new(
        builder: &Builder<'_>,
        names: (&str, &str),
        channels: i64,
        reduced: i64,
        activations: (Activation, Activation),
    ) -> Result<Self, TchError> {
        Self::started(builder, names, channels, reduced, activations, (Init::Default, None))
    }

    /// With weights and biases that start as `init` and `bias_init` say; `None`: by PyTorch's default.
    pub(crate) fn started(
        builder: &Builder<'_>,
        names: (&str, &str),
        channels: i64,
        reduced: i64,
        (activation, gate): (Activation, Activation),
        (init, bias_init): (Init, Option<Init>),
    ) -> Result<Self, TchError> {
        let conv = |name, input, output| {
            let config = ConvConfig { init, bias: true, bias_init, ..ConvConfig::new(input, output, 1) };
            Conv2d::new(&(builder / name), config)
        };
        Ok(Self {
            reduce: conv(names.0, channels, reduced)?,
            expand: conv(names.1, reduced, channels)?,
            activation,
            gate,
        })
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let mean = x.f_mean_dim(&[2_i64, 3][..], true, None)?;
        let hidden = self.activation.apply_(self.reduce.forward(&mean)?)?;
        x.f_mul(&self.gate.apply_(self.expand.forward(&hidden)?)?)
    }
}

//! Channel attention: "Squeeze-and-excitation networks" (Hu et al., 2017).

use crate::builder::Builder;
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
    /// `names` are those of the two 1×1 convolutions: `fc1`, `fc2` in timm's ResNets, `conv_reduce`, `conv_expand` in its
    /// EfficientNets.
    pub(crate) fn new(
        builder: &Builder<'_>,
        names: (&str, &str),
        (reduce, expand): (ConvConfig, ConvConfig),
        (activation, gate): (Activation, Activation),
    ) -> Result<Self, TchError> {
        Ok(Self {
            reduce: Conv2d::new(&(builder / names.0), reduce)?,
            expand: Conv2d::new(&(builder / names.1), expand)?,
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

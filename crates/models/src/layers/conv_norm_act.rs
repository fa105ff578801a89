//! A convolution, its batch normalisation and its non-linearity: the unit of most convolutional networks.

use crate::Error;
use crate::builder::Builder;
use crate::layers::{Activation, BatchNorm2d, BatchNormConfig, Conv2d, ConvConfig};
use tch::{Kind, TchError, Tensor};

/// `act(norm(conv(x)))`.
#[derive(Clone, Debug)]
pub(crate) struct ConvNormAct {
    conv: Conv2d,
    norm: BatchNorm2d,
    activation: Activation,
}

impl ConvNormAct {
    /// `names` are the sub-paths of the convolution and the normalisation.
    pub(crate) fn new(
        builder: &Builder<'_>,
        names: (&str, &str),
        conv: ConvConfig,
        norm: BatchNormConfig,
        activation: Activation,
    ) -> Result<Self, TchError> {
        Ok(Self {
            conv: Conv2d::new(&(builder / names.0), conv)?,
            norm: BatchNorm2d::new(&(builder / names.1), conv.output, norm)?,
            activation,
        })
    }

    /// The kind of its parameters.
    pub(crate) fn kind(&self) -> Kind {
        self.conv.weight().kind()
    }

    pub(crate) fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        Ok(self.activation.apply_(self.norm.forward(&self.conv.forward(x)?, train)?)?)
    }
}

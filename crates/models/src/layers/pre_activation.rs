//! Pre-activation residual blocks: "Identity mappings in deep residual networks" (He et al., 2016).

use crate::Error;
use crate::layers::{Block, Conv2d, DropPath, Norm2d, StdConv2d, average_pool_2x2};
use tch::{TchError, Tensor};

/// A convolution, of standardised weights or not.
#[derive(Clone, Debug)]
pub(crate) enum Convolution {
    Plain(Conv2d),
    Standardised(StdConv2d),
}

impl Convolution {
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        match self {
            Self::Plain(conv) => conv.forward(x),
            Self::Standardised(conv) => conv.forward(x),
        }
    }

    /// Its weight, as it is stored.
    pub(crate) fn weight(&self) -> &Tensor {
        match self {
            Self::Plain(conv) => conv.weight(),
            Self::Standardised(conv) => conv.weight(),
        }
    }
}

/// A normalisation, a ReLU and a convolution.
#[derive(Clone, Debug)]
pub(crate) struct PreActivation {
    pub(crate) norm: Norm2d,
    pub(crate) conv: Convolution,
}

impl PreActivation {
    /// What the convolution is given.
    pub(crate) fn activate(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        Ok(self.norm.forward(x, train)?.f_relu_()?)
    }

    pub(crate) fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        Ok(self.conv.forward(&self.activate(x, train)?)?)
    }
}

/// The projection of a shortcut, after a mean of 2×2 pixels where `average` says so.
#[derive(Clone, Debug)]
pub(crate) struct Projection {
    pub(crate) average: bool,
    pub(crate) conv: Convolution,
}

/// A residual block: its branch, and the projection of the activated input where the shape changes.
#[derive(Clone, Debug)]
pub(crate) struct PreActivationBlock {
    pub(crate) first: PreActivation,
    pub(crate) rest: Vec<PreActivation>,
    pub(crate) projection: Option<Projection>,
    pub(crate) drop_path: DropPath,
}

impl Block for PreActivationBlock {
    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        let activated = self.first.activate(x, train)?;
        let shortcut = match &self.projection {
            Some(Projection { average: true, conv }) => conv.forward(&average_pool_2x2(&activated)?)?,
            Some(Projection { conv, .. }) => conv.forward(&activated)?,
            None => x.shallow_clone(),
        };
        let mut y = self.first.conv.forward(&activated)?;
        drop(activated);
        for member in &self.rest {
            y = member.forward(&y, train)?;
        }
        Ok(self.drop_path.add(&shortcut, y, train)?)
    }
}

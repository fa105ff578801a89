//! A normalisation of maps whose kind the architecture chooses.

use crate::Error;
use crate::builder::Builder;
use crate::layers::{BatchNorm2d, BatchNormConfig, GroupNorm};
use tch::Tensor;

/// Which normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Norm2dKind {
    /// Over the batch and the positions.
    Batch,
    /// Over 32 groups of channels.
    Group,
}

/// A normalisation of maps (N, C, H, W), of PyTorch's default epsilon and momentum.
#[derive(Clone, Debug)]
pub(crate) enum Norm2d {
    Batch(BatchNorm2d),
    Group(GroupNorm),
}

impl Norm2d {
    /// `scale` is where the weight starts.
    pub(crate) fn new(
        builder: &Builder<'_>,
        kind: Norm2dKind,
        channels: i64,
        scale: f64,
    ) -> Result<Self, Error> {
        Ok(match kind {
            Norm2dKind::Batch => {
                let config = BatchNormConfig { scale, ..Default::default() };
                Self::Batch(BatchNorm2d::new(builder, channels, config)?)
            }
            Norm2dKind::Group => Self::Group(GroupNorm::new(builder, 32, channels, 1e-5, scale)?),
        })
    }

    pub(crate) fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        match self {
            Self::Batch(norm) => norm.forward(x, train),
            Self::Group(norm) => Ok(norm.forward(x)?),
        }
    }
}

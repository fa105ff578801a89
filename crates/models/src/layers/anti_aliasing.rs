//! What takes the place of a stride in the anti-aliased residual networks.

use crate::layers::BlurPool;
use tch::{TchError, Tensor};

/// A kind of downsampling by two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AntiAliasing {
    /// [`BlurPool`].
    Blur,
    /// The mean of 2×2 pixels; a last odd row or column is lost.
    Average,
}

/// Downsampling by two.
#[derive(Clone, Debug)]
pub(crate) enum Downsampling {
    Blur(BlurPool),
    Average,
}

impl Downsampling {
    pub(crate) fn new(kind: AntiAliasing, channels: i64) -> Result<Self, TchError> {
        Ok(match kind {
            AntiAliasing::Blur => Self::Blur(BlurPool::new(channels)?),
            AntiAliasing::Average => Self::Average,
        })
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        match self {
            Self::Blur(pool) => pool.forward(x),
            Self::Average => x.f_avg_pool2d([2, 2], [2, 2], [0, 0], false, true, None),
        }
    }
}

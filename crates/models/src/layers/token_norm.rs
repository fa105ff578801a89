//! The normalisations that transformers choose between for their tokens.

use crate::builder::Builder;
use crate::init::Init;
use crate::layers::{LayerNorm, Param};
use tch::{TchError, Tensor};

/// Which normalisation a transformer has; the number is its epsilon.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum NormKind {
    /// Layer normalisation.
    Layer(f64),
    /// Layer normalisation that scales and does not shift (ViT-22B).
    LayerWithoutBias(f64),
    /// Division by the root mean square ("Root mean square layer normalization", Zhang and Sennrich, 2019).
    Rms(f64),
}

/// A normalisation over the last axis: `weight` (C), and `bias` (C) where the kind has one.
#[derive(Clone, Debug)]
pub(crate) enum TokenNorm {
    Layer(LayerNorm),
    Rms { weight: Param, width: i64, eps: f64 },
}

impl TokenNorm {
    /// For vectors of length `width`.
    pub(crate) fn new(builder: &Builder<'_>, kind: NormKind, width: i64) -> Result<Self, TchError> {
        Self::starting(builder, kind, width, 1.0)
    }

    /// With a weight that starts at `scale`.
    pub(crate) fn starting(
        builder: &Builder<'_>,
        kind: NormKind,
        width: i64,
        scale: f64,
    ) -> Result<Self, TchError> {
        Ok(match kind {
            NormKind::Layer(eps) => Self::Layer(LayerNorm::starting(builder, width, eps, scale)?),
            NormKind::LayerWithoutBias(eps) => {
                Self::Layer(LayerNorm::without_bias(builder, width, eps, scale)?)
            }
            NormKind::Rms(eps) => {
                let weight = builder.parameter("weight", &[width], Init::Constant(scale))?;
                Self::Rms { weight, width, eps }
            }
        })
    }

    /// `x` (..., C).
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        match self {
            Self::Layer(norm) => norm.forward(x),
            Self::Rms { weight, width, eps } => x.f_rms_norm([*width], Some(&**weight), *eps),
        }
    }
}

//! LayerScale: "Going deeper with image transformers" (Touvron et al., 2021).

use crate::builder::Builder;
use crate::init::Init;
use crate::layers::Param;
use tch::{TchError, Tensor};

/// Scales each channel of a residual branch by a learned factor `gamma` (C) that starts small.
#[derive(Clone, Debug)]
pub(crate) struct LayerScale {
    gamma: Param,
}

impl LayerScale {
    /// For branches (..., `width`), every factor starting at `start`.
    pub(crate) fn new(builder: &Builder<'_>, width: i64, start: f64) -> Result<Self, TchError> {
        Ok(Self { gamma: builder.parameter("gamma", &[width], Init::Constant(start))? })
    }

    /// `x` (..., C).
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        x.f_mul(&self.gamma)
    }
}

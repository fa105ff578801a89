//! Convolutions whose weights are standardised before use.

use crate::builder::Builder;
use crate::init::Init;
use crate::layers::{Conv2d, ConvConfig, Param};
use tch::{TchError, Tensor};

/// A convolution whose weight is given mean 0 and variance 1 for each output channel: "Micro-batch training with
/// batch-channel normalization and weight standardization" (Qiao et al., 2019). The scaled kind then multiplies it by a learnt
/// `gain` (O, 1, 1, 1) and γ / √fan-in: "Characterizing signal propagation to close the performance gap in unnormalized
/// ResNets" (Brock et al., 2021). timm's `StdConv2d` and `ScaledStdConv2d`.
#[derive(Clone, Debug)]
pub(crate) struct StdConv2d {
    conv: Conv2d,
    gain: Option<(Param, f64)>,
    eps: f64,
}

impl StdConv2d {
    pub(crate) fn new(builder: &Builder<'_>, config: ConvConfig, eps: f64) -> Result<Self, TchError> {
        Ok(Self { conv: Conv2d::new(builder, config)?, gain: None, eps })
    }

    /// The scaled kind, of this γ, with a gain that starts at `gain`.
    pub(crate) fn scaled(
        builder: &Builder<'_>,
        config: ConvConfig,
        eps: f64,
        gamma: f64,
        gain: f64,
    ) -> Result<Self, TchError> {
        let conv = Conv2d::new(builder, config)?;
        let fan_in: i64 = conv.weight().size()[1..].iter().product();
        let gain = builder.parameter("gain", &[config.output, 1, 1, 1], Init::Constant(gain))?;
        Ok(Self { conv, gain: Some((gain, gamma / (fan_in as f64).sqrt())), eps })
    }

    /// Its weight, as it is stored.
    pub(crate) fn weight(&self) -> &Tensor {
        self.conv.weight()
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let weight = self.conv.weight();
        let scale = match &self.gain {
            Some((gain, scale)) => Some(gain.f_mul_scalar(*scale)?.f_flatten(0, -1)?),
            None => None,
        };
        // Batch normalisation of the weight as one image with a channel for each output is this very thing.
        let flat = weight.f_reshape([1, weight.size()[0], -1])?;
        let none = None::<&Tensor>;
        let standard = flat.f_batch_norm(scale.as_ref(), none, none, none, true, 0.0, self.eps, true)?;
        self.conv.forward_with(x, &standard.f_reshape_as(weight)?)
    }
}

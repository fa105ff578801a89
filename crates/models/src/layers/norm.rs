//! Normalisations.

use crate::Error;
use crate::builder::{BatchNormMode, Builder, NormSwitch};
use crate::init::Init;
use crate::layers::Param;
use tch::{TchError, Tensor};

/// How a [`BatchNorm2d`] is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchNormConfig {
    /// Where the weight starts: 1, or 0 for the last one of a residual branch.
    pub(crate) scale: f64,
    pub(crate) eps: f64,
    /// The batch's share in the running statistics.
    pub(crate) momentum: f64,
}

impl Default for BatchNormConfig {
    /// PyTorch's: scale 1, eps 1e-5, momentum 0.1.
    fn default() -> Self {
        Self { scale: 1.0, eps: 1e-5, momentum: 0.1 }
    }
}

/// Batch normalisation over (N, H, W): `weight`, `bias`, and the buffers `running_mean` and `running_var` (C).
/// PyTorch's `num_batches_tracked` is not kept: nothing reads it at a fixed momentum.
#[derive(Clone, Debug)]
pub(crate) struct BatchNorm2d {
    weight: Param,
    bias: Param,
    running_mean: Param,
    running_var: Param,
    config: BatchNormConfig,
    switch: NormSwitch,
}

impl BatchNorm2d {
    pub(crate) fn new(
        builder: &Builder<'_>,
        channels: i64,
        config: BatchNormConfig,
    ) -> Result<Self, TchError> {
        Ok(Self {
            weight: builder.parameter("weight", &[channels], Init::Constant(config.scale))?,
            bias: builder.parameter("bias", &[channels], Init::Constant(0.0))?,
            running_mean: builder.buffer("running_mean", &[channels], Init::Constant(0.0))?,
            running_var: builder.buffer("running_var", &[channels], Init::Constant(1.0))?,
            config,
            switch: builder.norm_switch(),
        })
    }

    pub(crate) fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        let (batch, update) = match self.switch.get() {
            // A second run under gradient checkpointing must not count the batch twice.
            BatchNormMode::Auto => (train, train && !visrep_torch::recomputing()),
            BatchNormMode::Running => (false, false),
            BatchNormMode::Batch => (true, false),
        };
        let size = x.size();
        if batch && size[0] * size[2..].iter().product::<i64>() == 1 {
            return Err(Error::SingleValueBatchNorm(size));
        }
        let (weight, bias) = (Some(&*self.weight), Some(&*self.bias));
        let (mean, var) = match batch && !update {
            true => (None, None),
            false => (Some(&*self.running_mean), Some(&*self.running_var)),
        };
        let BatchNormConfig { eps, momentum, .. } = self.config;
        let momentum = self.switch.momentum().unwrap_or(momentum);
        Ok(x.f_batch_norm(weight, bias, mean, var, batch, momentum, eps, true)?)
    }
}

/// Layer normalisation over the last axis: `weight`, and `bias` where it has one.
#[derive(Clone, Debug)]
pub(crate) struct LayerNorm {
    weight: Param,
    bias: Option<Param>,
    width: i64,
    eps: f64,
}

impl LayerNorm {
    /// timm's transformers have an `eps` of 1e-6; PyTorch's own default is 1e-5.
    pub(crate) fn new(builder: &Builder<'_>, width: i64, eps: f64) -> Result<Self, TchError> {
        Self::starting(builder, width, eps, 1.0)
    }

    /// With a weight that starts at `scale`.
    pub(crate) fn starting(
        builder: &Builder<'_>,
        width: i64,
        eps: f64,
        scale: f64,
    ) -> Result<Self, TchError> {
        let norm = Self::without_bias(builder, width, eps, scale)?;
        Ok(Self { bias: Some(builder.parameter("bias", &[width], Init::Constant(0.0))?), ..norm })
    }

    /// It only scales.
    pub(crate) fn without_bias(
        builder: &Builder<'_>,
        width: i64,
        eps: f64,
        scale: f64,
    ) -> Result<Self, TchError> {
        let weight = builder.parameter("weight", &[width], Init::Constant(scale))?;
        Ok(Self { weight, bias: None, width, eps })
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        x.f_layer_norm([self.width], Some(&*self.weight), self.bias.as_deref(), self.eps, true)
    }
}

/// Group normalisation ("Group normalization", Wu and He, 2018): `weight` and `bias` (C).
#[derive(Clone, Debug)]
pub(crate) struct GroupNorm {
    weight: Param,
    bias: Param,
    groups: i64,
    eps: f64,
}

impl GroupNorm {
    /// `scale` is where the weight starts: 1, or 0 for the last one of a residual branch.
    pub(crate) fn new(
        builder: &Builder<'_>,
        groups: i64,
        channels: i64,
        eps: f64,
        scale: f64,
    ) -> Result<Self, TchError> {
        let weight = builder.parameter("weight", &[channels], Init::Constant(scale))?;
        let bias = builder.parameter("bias", &[channels], Init::Constant(0.0))?;
        Ok(Self { weight, bias, groups, eps })
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        x.f_group_norm(self.groups, Some(&*self.weight), Some(&*self.bias), self.eps, true)
    }
}

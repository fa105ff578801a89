//! The affine layer.

use crate::builder::Builder;
use crate::init::Init;
use crate::layers::Param;
use tch::{TchError, Tensor};

/// How a [`Linear`] is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinearConfig {
    pub(crate) input: i64,
    pub(crate) output: i64,
    pub(crate) bias: bool,
    pub(crate) init: Init,
    /// `None`: by PyTorch's default.
    pub(crate) bias_init: Option<Init>,
}

impl LinearConfig {
    /// With bias, all by PyTorch's default: uniform within ±1/√fan-in.
    pub(crate) const fn new(input: i64, output: i64) -> Self {
        Self { input, output, bias: true, init: Init::Default, bias_init: None }
    }

    /// timm's transformers: weight normal with deviation 0.02, bias 0.
    pub(crate) const fn normal02(input: i64, output: i64) -> Self {
        Self::new(input, output).started(Init::Normal(0.02))
    }

    /// Weight as `init` says, bias 0.
    pub(crate) const fn started(self, init: Init) -> Self {
        Self { init, bias_init: Some(Init::Constant(0.0)), ..self }
    }

    pub(crate) const fn without_bias(self) -> Self {
        Self { bias: false, ..self }
    }
}

/// `y = x Wᵀ + b`: `weight` (O, I), `bias` (O) where it has one.
#[derive(Clone, Debug)]
pub(crate) struct Linear {
    weight: Param,
    bias: Option<Param>,
}

impl Linear {
    pub(crate) fn new(builder: &Builder<'_>, config: LinearConfig) -> Result<Self, TchError> {
        let LinearConfig { input, output, bias, init, bias_init } = config;
        let weight = builder.parameter("weight", &[output, input], init)?;
        let bias = match bias {
            true => {
                let init = bias_init.unwrap_or(Init::default_bias(input));
                Some(builder.parameter("bias", &[output], init)?)
            }
            false => None,
        };
        Ok(Self { weight, bias })
    }

    /// Of parameters made elsewhere.
    pub(crate) fn from_parts(weight: Param, bias: Option<Param>) -> Self {
        Self { weight, bias }
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        visrep_torch::linear(x, &self.weight, self.bias.as_deref())
    }
}

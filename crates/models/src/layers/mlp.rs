//! The two-layer perceptron of transformers and mixers.

use crate::Error;
use crate::builder::Builder;
use crate::layers::{Activation, Linear, LinearConfig};
use tch::Tensor;

/// `fc2(act(fc1(x)))`, timm's `Mlp`.
#[derive(Clone, Debug)]
pub(crate) struct Mlp {
    fc1: Linear,
    fc2: Linear,
    activation: Activation,
}

impl Mlp {
    /// `width` in and out, `hidden` between; weights normal with deviation 0.02, biases 0.
    pub(crate) fn new(
        builder: &Builder<'_>,
        width: i64,
        hidden: i64,
        activation: Activation,
    ) -> Result<Self, Error> {
        let configs = (LinearConfig::normal02(width, hidden), LinearConfig::normal02(hidden, width));
        Self::of(builder, configs, activation)
    }

    /// Its two layers made as `configs` say.
    pub(crate) fn of(
        builder: &Builder<'_>,
        configs: (LinearConfig, LinearConfig),
        activation: Activation,
    ) -> Result<Self, Error> {
        Ok(Self {
            fc1: Linear::new(&(builder / "fc1"), configs.0)?,
            fc2: Linear::new(&(builder / "fc2"), configs.1)?,
            activation,
        })
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, Error> {
        let hidden = self.activation.apply_(self.fc1.forward(x)?)?;
        Ok(self.fc2.forward(&hidden)?)
    }
}

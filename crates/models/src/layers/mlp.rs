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
        Ok(Self {
            fc1: Linear::new(&(builder / "fc1"), LinearConfig::normal02(width, hidden))?,
            fc2: Linear::new(&(builder / "fc2"), LinearConfig::normal02(hidden, width))?,
            activation,
        })
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, Error> {
        let hidden = self.activation.apply(&self.fc1.forward(x)?)?;
        Ok(self.fc2.forward(&hidden)?)
    }
}

//! Gated two-layer perceptrons: "GLU variants improve transformer" (Shazeer, 2020).

use crate::Error;
use crate::builder::Builder;
use crate::init::Init;
use crate::layers::{Activation, Linear, LinearConfig};
use tch::Tensor;

/// `fc2(SiLU(g) · v)` with `g` and `v` the halves of `fc1(x)`: timm's `SwiGLUPacked`.
#[derive(Clone, Debug)]
pub(crate) struct SwiGlu {
    fc1: Linear,
    fc2: Linear,
    hidden: i64,
}

impl SwiGlu {
    /// `width` in and out; gate and value of `hidden` each. As in timm the second half of `fc1`, which there is the
    /// value and not the gate, starts as a gate would: weight near 0, bias 1.
    pub(crate) fn new(builder: &Builder<'_>, width: i64, hidden: i64) -> Result<Self, Error> {
        let path = builder / "fc1";
        let (gate, value) =
            ([Init::Normal(0.02), Init::Constant(0.0)], [Init::Normal(1e-6), Init::Constant(1.0)]);
        let weight = path.stacked("weight", &[hidden, width], &[gate[0], value[0]])?;
        let bias = path.stacked("bias", &[hidden], &[gate[1], value[1]])?;
        Ok(Self {
            fc1: Linear::from_parts(weight, Some(bias)),
            fc2: Linear::new(&(builder / "fc2"), LinearConfig::normal02(hidden, width))?,
            hidden,
        })
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, Error> {
        let both = self.fc1.forward(x)?;
        let gate = Activation::Silu.apply(&both.f_narrow(-1, 0, self.hidden)?)?;
        Ok(self.fc2.forward(&gate.f_mul(&both.f_narrow(-1, self.hidden, self.hidden)?)?)?)
    }
}

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
}

impl SwiGlu {
    /// `width` in and out; gate and value of `hidden` each. As in timm the second half of `fc1`, which there is the
    /// value and not the gate, starts as a gate would: weight near 0, bias 1.
    pub(crate) fn new(builder: &Builder<'_>, width: i64, hidden: i64) -> Result<Self, Error> {
        let path = builder / "fc1";
        let weight = path.computed("weight", &[2 * hidden, width], true, || {
            let halves = [Init::Normal(0.02), Init::Normal(1e-6)];
            let halves = halves.map(|init| init.make(&[hidden, width]));
            let [gate, value] = halves;
            Tensor::f_cat(&[gate?, value?], 0)
        })?;
        let bias = path.computed("bias", &[2 * hidden], true, || {
            let halves = [Init::Constant(0.0), Init::Constant(1.0)].map(|init| init.make(&[hidden]));
            let [gate, value] = halves;
            Tensor::f_cat(&[gate?, value?], 0)
        })?;
        Ok(Self {
            fc1: Linear::from_parts(weight, Some(bias)),
            fc2: Linear::new(&(builder / "fc2"), LinearConfig::normal02(hidden, width))?,
        })
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, Error> {
        let halves = self.fc1.forward(x)?.f_chunk(2, -1)?;
        let [gate, value] = halves.as_slice() else { unreachable!("two chunks were asked for") };
        Ok(self.fc2.forward(&Activation::Silu.apply(gate)?.f_mul(value)?)?)
    }
}

//! The network and the images of fixtures/golden/robustness/attacks.py.

use tch::{Kind, Tensor};
use visrep_robustness::Error;
use visrep_robustness::attack::Victim;

pub(crate) const COUNT: i64 = 12;

/// The formula of fixtures/golden/models/common.py: evenly within 0..1.
pub(crate) fn uniform(name: &str, shape: &[i64]) -> Tensor {
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let value = |index: i64| {
        let mut z = hash.wrapping_add(index as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f64 / f64::from(1 << 24)
    };
    let values: Vec<f64> = (0..shape.iter().product()).map(value).collect();
    Tensor::from_slice(&values).view(shape)
}

/// Two convolutions and a linear layer.
pub(crate) struct Network {
    pub(crate) weights: [Tensor; 3],
    pub(crate) biases: [Tensor; 3],
}

impl Network {
    pub(crate) fn new() -> Self {
        let shapes: [(&str, &[i64]); 3] =
            [("conv1", &[8, 3, 3, 3]), ("conv2", &[16, 8, 3, 3]), ("fc", &[10, 256])];
        let weight = |(name, shape): (&str, &[i64])| {
            let fan_in: i64 = shape[1..].iter().product();
            let gain = if shape.len() == 4 { 6.0 } else { 3.0 };
            let values = uniform(&format!("{name}.weight"), shape) * 2.0 - 1.0;
            (values * (gain / fan_in as f64).sqrt()).to_kind(Kind::Float)
        };
        let bias = |(name, shape): (&str, &[i64])| {
            ((uniform(&format!("{name}.bias"), &shape[..1]) - 0.5) * 0.2).to_kind(Kind::Float)
        };
        Self { weights: shapes.map(weight), biases: shapes.map(bias) }
    }
}

impl Victim for Network {
    fn logits(&self, images: &Tensor) -> Result<Tensor, Error> {
        let [conv1, conv2, fc] = &self.weights;
        let [bias1, bias2, bias3] = &self.biases;
        let x = images.conv2d(conv1, Some(bias1), 2, 1, 1, 1).relu();
        let x = x.conv2d(conv2, Some(bias2), 2, 1, 1, 1).relu();
        Ok(x.flatten(1, -1).linear(fc, Some(bias3)) * 4.0)
    }
}

pub(crate) fn image(name: &str) -> Tensor {
    uniform(name, &[COUNT, 3, 16, 16]).to_kind(Kind::Float)
}

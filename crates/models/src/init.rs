//! Initial values, each spelled out: `tch`'s defaults are not PyTorch's.

use tch::{Device, Kind, TchError, Tensor};

/// Kaiming-normal in fan-out mode for ReLU (`nn.init.kaiming_normal_(mode="fan_out")`): what
/// torchvision's and timm's ResNets give every convolution. `shape` is (O, I, H, W).
pub(crate) fn kaiming_normal_fan_out(shape: [i64; 4]) -> Result<Tensor, TchError> {
    let fan_out = shape[0] * shape[2] * shape[3];
    normal(&shape, (2.0 / fan_out as f64).sqrt())
}

/// Uniform within ±1/√`fan_in`: what PyTorch's `nn.Linear` and `nn.Conv2d` start with, weight and bias.
pub(crate) fn uniform_fan_in(shape: &[i64], fan_in: i64) -> Result<Tensor, TchError> {
    let bound = 1.0 / (fan_in as f64).sqrt();
    empty(shape)?.f_uniform_(-bound, bound)
}

/// Normal with mean 0. timm's `trunc_normal_(std=.02)` is this: it cuts at ±2, a hundred deviations away.
pub(crate) fn normal(shape: &[i64], std: f64) -> Result<Tensor, TchError> {
    empty(shape)?.f_normal_(0.0, std)
}

/// Every value the same.
pub(crate) fn constant(shape: &[i64], value: f64) -> Result<Tensor, TchError> {
    Tensor::f_full(shape, value, (Kind::Float, Device::Cpu))
}

fn empty(shape: &[i64]) -> Result<Tensor, TchError> {
    Tensor::f_empty(shape, (Kind::Float, Device::Cpu))
}

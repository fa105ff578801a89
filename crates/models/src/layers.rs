//! The layers that architectures are made of: parameters under PyTorch's names, every initial value explicit,
//! every call fallible.

use crate::{Error, init};
use tch::{TchError, Tensor, nn::Path};

/// How a convolution starts.
#[derive(Clone, Copy)]
pub(crate) enum ConvInit {
    /// [`init::kaiming_normal_fan_out`].
    KaimingFanOut,
    /// PyTorch's default, [`init::uniform_fan_in`].
    Default,
}

/// A 2-D convolution with square kernels: `weight` (O, I, K, K), and `bias` (O) where it has one.
pub(crate) struct Conv2d {
    weight: Tensor,
    bias: Option<Tensor>,
    stride: i64,
    padding: i64,
}

/// The geometry of a [`Conv2d`].
#[derive(Clone, Copy)]
pub(crate) struct ConvShape {
    pub(crate) input: i64,
    pub(crate) output: i64,
    pub(crate) kernel: i64,
    pub(crate) stride: i64,
    pub(crate) padding: i64,
    pub(crate) bias: bool,
}

impl Conv2d {
    pub(crate) fn new(path: &Path<'_>, shape: ConvShape, start: ConvInit) -> Result<Self, TchError> {
        let ConvShape { input, output, kernel, stride, padding, bias } = shape;
        let dims = [output, input, kernel, kernel];
        let fan_in = input * kernel * kernel;
        let weight = match start {
            ConvInit::KaimingFanOut => init::kaiming_normal_fan_out(dims)?,
            ConvInit::Default => init::uniform_fan_in(&dims, fan_in)?,
        };
        let weight = path.add("weight", weight, true);
        let bias = match bias {
            true => Some(path.add("bias", init::uniform_fan_in(&[output], fan_in)?, true)),
            false => None,
        };
        Ok(Self { weight, bias, stride, padding })
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let (stride, padding) = ([self.stride; 2], [self.padding; 2]);
        x.f_conv2d(&self.weight, self.bias.as_ref(), stride, padding, [1, 1], 1)
    }
}

/// Batch normalisation over (N, H, W), eps 1e-5, momentum 0.1: `weight`, `bias`, and the buffers `running_mean`
/// and `running_var` (C). PyTorch's `num_batches_tracked` is not kept: nothing reads it at a fixed momentum.
pub(crate) struct BatchNorm2d {
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
}

impl BatchNorm2d {
    /// `scale` is where the weight starts: 1, or 0 for the last one of a residual branch.
    pub(crate) fn new(path: &Path<'_>, channels: i64, scale: f64) -> Result<Self, TchError> {
        Ok(Self {
            weight: path.add("weight", init::constant(&[channels], scale)?, true),
            bias: path.add("bias", init::constant(&[channels], 0.0)?, true),
            running_mean: path.add("running_mean", init::constant(&[channels], 0.0)?, false),
            running_var: path.add("running_var", init::constant(&[channels], 1.0)?, false),
        })
    }

    pub(crate) fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        let size = x.size();
        if train && size[0] * size[2] * size[3] == 1 {
            return Err(Error::SingleValueBatchNorm(size));
        }
        let (weight, bias) = (Some(&self.weight), Some(&self.bias));
        let (mean, var) = (Some(&self.running_mean), Some(&self.running_var));
        Ok(x.f_batch_norm(weight, bias, mean, var, train, 0.1, 1e-5, true)?)
    }
}

/// How a linear layer starts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LinearInit {
    /// PyTorch's default: weight and bias uniform within ±1/√fan-in.
    Default,
    /// timm's transformers: weight normal with deviation 0.02, bias 0.
    Normal02,
}

/// `y = x Wᵀ + b`: `weight` (O, I), `bias` (O).
pub(crate) struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    pub(crate) fn new(path: &Path<'_>, input: i64, output: i64, start: LinearInit) -> Result<Self, TchError> {
        let dims = [output, input];
        let (weight, bias) = match start {
            LinearInit::Default => {
                (init::uniform_fan_in(&dims, input)?, init::uniform_fan_in(&[output], input)?)
            }
            LinearInit::Normal02 => (init::normal(&dims, 0.02)?, init::constant(&[output], 0.0)?),
        };
        Ok(Self { weight: path.add("weight", weight, true), bias: path.add("bias", bias, true) })
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        x.f_linear(&self.weight, Some(&self.bias))
    }
}

/// Layer normalisation over the last axis, eps 1e-6 (timm's transformers; PyTorch's own default is 1e-5).
pub(crate) struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    width: i64,
}

impl LayerNorm {
    pub(crate) fn new(path: &Path<'_>, width: i64) -> Result<Self, TchError> {
        let weight = path.add("weight", init::constant(&[width], 1.0)?, true);
        let bias = path.add("bias", init::constant(&[width], 0.0)?, true);
        Ok(Self { weight, bias, width })
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        x.f_layer_norm([self.width], Some(&self.weight), Some(&self.bias), 1e-6, true)
    }
}

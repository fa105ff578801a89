//! Two-dimensional convolutions.

use crate::builder::Builder;
use crate::init::Init;
use crate::layers::Param;
use tch::{TchError, Tensor};

/// How an image is padded before a convolution or a pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Padding {
    /// As much on every side: `(kernel - 1) * dilation / 2`, PyTorch's way to keep the size at stride 1.
    Same,
    /// By this many rows above and below and columns left and right.
    Fixed(i64, i64),
    /// TensorFlow's `SAME`: so that the output is ⌈size / stride⌉, the odd pixel below and to the right. It depends
    /// on the size of the image.
    TensorFlow,
}

impl Padding {
    /// TensorFlow's padding for one axis: all of it.
    pub(crate) fn tensorflow(size: i64, kernel: i64, stride: i64, dilation: i64) -> i64 {
        ((size + stride - 1) / stride * stride - stride + (kernel - 1) * dilation + 1 - size).max(0)
    }
}

/// The geometry of a [`Conv2d`]; [`ConvConfig::new`] gives a plain one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConvConfig {
    pub(crate) input: i64,
    pub(crate) output: i64,
    /// Rows and columns.
    pub(crate) kernel: (i64, i64),
    pub(crate) stride: i64,
    pub(crate) padding: Padding,
    pub(crate) dilation: i64,
    pub(crate) groups: i64,
    pub(crate) bias: bool,
    /// How the weight starts.
    pub(crate) init: Init,
    /// How the bias starts; `None`: by PyTorch's default.
    pub(crate) bias_init: Option<Init>,
}

impl ConvConfig {
    /// A square kernel, stride 1, padded to keep the size, ungrouped, without bias, started by PyTorch's default.
    pub(crate) const fn new(input: i64, output: i64, kernel: i64) -> Self {
        Self {
            input,
            output,
            kernel: (kernel, kernel),
            stride: 1,
            padding: Padding::Same,
            dilation: 1,
            groups: 1,
            bias: false,
            init: Init::Default,
            bias_init: None,
        }
    }

    pub(crate) const fn stride(self, stride: i64) -> Self {
        Self { stride, ..self }
    }

    pub(crate) const fn groups(self, groups: i64) -> Self {
        Self { groups, ..self }
    }

    pub(crate) const fn padding(self, padding: Padding) -> Self {
        Self { padding, ..self }
    }

    pub(crate) const fn init(self, init: Init) -> Self {
        Self { init, ..self }
    }

    /// With a bias that starts by PyTorch's default.
    pub(crate) const fn bias(self) -> Self {
        Self { bias: true, ..self }
    }

    /// With a bias that starts at zero.
    pub(crate) const fn zero_bias(self) -> Self {
        Self { bias: true, bias_init: Some(Init::Constant(0.0)), ..self }
    }
}

/// A 2-D convolution: `weight` (O, I / groups, K, K), and `bias` (O) where it has one.
#[derive(Clone, Debug)]
pub(crate) struct Conv2d {
    weight: Param,
    bias: Option<Param>,
    config: ConvConfig,
}

impl Conv2d {
    pub(crate) fn new(builder: &Builder<'_>, config: ConvConfig) -> Result<Self, TchError> {
        let ConvConfig { input, output, kernel, groups, .. } = config;
        let shape = [output, input / groups, kernel.0, kernel.1];
        let weight = builder.parameter("weight", &shape, config.init)?;
        let bias = match config.bias {
            true => {
                let init = config.bias_init.unwrap_or(Init::default_bias(shape[1..].iter().product()));
                Some(builder.parameter("bias", &[output], init)?)
            }
            false => None,
        };
        Ok(Self { weight, bias, config })
    }

    /// Its weight, (O, I / groups, K, K).
    pub(crate) fn weight(&self) -> &Tensor {
        &self.weight
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        self.forward_with(x, &self.weight)
    }

    /// The convolution with `weight` in the place of its own: for weights that are standardised or resampled first.
    pub(crate) fn forward_with(&self, x: &Tensor, weight: &Tensor) -> Result<Tensor, TchError> {
        let ConvConfig { stride, dilation, groups, kernel, .. } = self.config;
        let bias = self.bias.as_deref();
        let conv = |x: &Tensor, padding: [i64; 2]| {
            x.f_conv2d(weight, bias, [stride; 2], padding, [dilation; 2], groups)
        };
        match self.config.padding {
            Padding::Same => conv(x, [(kernel.0 - 1) * dilation / 2, (kernel.1 - 1) * dilation / 2]),
            Padding::Fixed(rows, columns) => conv(x, [rows, columns]),
            Padding::TensorFlow => {
                let (_, _, height, width) = x.size4()?;
                let rows = Padding::tensorflow(height, kernel.0, stride, dilation);
                let columns = Padding::tensorflow(width, kernel.1, stride, dilation);
                match rows % 2 == 0 && columns % 2 == 0 {
                    true => conv(x, [rows / 2, columns / 2]),
                    false => {
                        let pad = [columns / 2, columns - columns / 2, rows / 2, rows - rows / 2];
                        conv(&x.f_constant_pad_nd(pad)?, [0, 0])
                    }
                }
            }
        }
    }
}

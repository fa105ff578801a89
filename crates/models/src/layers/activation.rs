//! Non-linearities.

use tch::{TchError, Tensor};

/// A non-linearity, by PyTorch's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    /// Nothing.
    Identity,
    Relu,
    Relu6,
    /// The exact one, by the error function.
    Gelu,
    /// The tanh approximation (`nn.GELU(approximate="tanh")`).
    GeluTanh,
    /// OpenAI CLIP's `x σ(1.702 x)`.
    QuickGelu,
    /// Also called swish.
    Silu,
    HardSwish,
    HardSigmoid,
    Sigmoid,
}

impl Activation {
    pub(crate) fn apply(self, x: &Tensor) -> Result<Tensor, TchError> {
        match self {
            Self::Identity => Ok(x.shallow_clone()),
            Self::Relu => x.f_relu(),
            Self::Relu6 => x.f_clamp(0.0, 6.0),
            Self::Gelu => x.f_gelu("none"),
            Self::GeluTanh => x.f_gelu("tanh"),
            Self::QuickGelu => x.f_mul(&(x * 1.702).f_sigmoid()?),
            Self::Silu => x.f_silu(),
            Self::HardSwish => x.f_hardswish(),
            Self::HardSigmoid => x.f_hardsigmoid(),
            Self::Sigmoid => x.f_sigmoid(),
        }
    }

    /// The same, in the memory of `x` where autograd allows it: the caller must be the only one to read `x`, and the
    /// operation that made `x` must not need it in its backward pass.
    pub(crate) fn apply_(self, mut x: Tensor) -> Result<Tensor, TchError> {
        match self {
            Self::Identity => Ok(x),
            Self::Relu => x.f_relu_(),
            Self::Relu6 => x.f_clamp_(0.0, 6.0),
            Self::Silu => x.f_silu_(),
            Self::HardSwish => x.f_hardswish_(),
            Self::HardSigmoid => x.f_hardsigmoid_(),
            Self::Sigmoid => x.f_sigmoid_(),
            // Its backward pass reads what it was applied to.
            Self::Gelu | Self::GeluTanh if x.requires_grad() => self.apply(&x),
            Self::Gelu => x.f_gelu_("none"),
            Self::GeluTanh => x.f_gelu_("tanh"),
            Self::QuickGelu => self.apply(&x),
        }
    }
}

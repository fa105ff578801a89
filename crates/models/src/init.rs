//! Initial values, each spelled out: `tch`'s defaults are not PyTorch's.

use tch::{Device, Kind, TchError, Tensor};
use visrep_torch::Generator;

/// How a tensor starts. Fans are those of PyTorch: for a weight (O, I, ...) of receptive field r, fan-in is I·r and
/// fan-out O·r; for a grouped convolution I is already the group's share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Init {
    /// Every value the same.
    Constant(f64),
    /// Normal with mean 0 and this deviation. timm's `trunc_normal_(std=.02)` is this: it cuts at ±2, a hundred
    /// deviations away.
    Normal(f64),
    /// Normal of this deviation, cut at two of its own deviations (JAX's `truncated_normal`, before its correction).
    TruncatedNormal(f64),
    /// Uniform within plus and minus this.
    Uniform(f64),
    /// Uniform within ±1/√fan-in: what PyTorch's `nn.Linear` and `nn.Conv2d` give their weight.
    Default,
    /// `kaiming_normal_(mode="fan_out", nonlinearity="relu")`: torchvision's and timm's ResNet convolutions.
    KaimingNormalFanOut,
    /// `kaiming_normal_(mode="fan_in", nonlinearity="relu")`, PyTorch's default mode.
    KaimingNormalFanIn,
    /// `kaiming_uniform_` with its default arguments for a ReLU: uniform within ±√(6 / fan-in).
    KaimingUniformFanIn,
    /// Uniform within ±1/√fan-out: the classifiers of TensorFlow's EfficientNets.
    UniformFanOut,
    /// `xavier_uniform_`: uniform within ±√(6 / (fan-in + fan-out)).
    XavierUniform,
    /// Normal with variance 1/fan-in (LeCun), uncut.
    LecunNormal,
}

impl Init {
    /// A tensor of `shape` in f32 on the CPU.
    pub(crate) fn make(self, shape: &[i64], random: &mut Generator) -> Result<Tensor, TchError> {
        let receptive: i64 = shape.iter().skip(2).product();
        let fan_in = (shape.get(1).copied().unwrap_or(1) * receptive) as f64;
        let fan_out = (shape.first().copied().unwrap_or(1) * receptive) as f64;
        match self {
            Self::Constant(value) => Tensor::f_full(shape, value, (Kind::Float, Device::Cpu)),
            Self::Normal(std) => normal(random, shape, std),
            Self::TruncatedNormal(std) => truncated_normal(random, shape, std),
            Self::Uniform(bound) => uniform(random, shape, bound),
            Self::Default => uniform(random, shape, 1.0 / fan_in.sqrt()),
            Self::KaimingNormalFanOut => normal(random, shape, (2.0 / fan_out).sqrt()),
            Self::KaimingNormalFanIn => normal(random, shape, (2.0 / fan_in).sqrt()),
            Self::KaimingUniformFanIn => uniform(random, shape, (6.0 / fan_in).sqrt()),
            Self::UniformFanOut => uniform(random, shape, 1.0 / fan_out.sqrt()),
            Self::XavierUniform => uniform(random, shape, (6.0 / (fan_in + fan_out)).sqrt()),
            Self::LecunNormal => normal(random, shape, (1.0 / fan_in).sqrt()),
        }
    }

    /// How the bias of a layer whose weight has `fan_in` starts by PyTorch's default.
    pub(crate) fn default_bias(fan_in: i64) -> Self {
        Self::Uniform(1.0 / (fan_in as f64).sqrt())
    }
}

fn empty(shape: &[i64]) -> Result<Tensor, TchError> {
    Tensor::f_empty(shape, (Kind::Float, Device::Cpu))
}

fn failed(error: visrep_torch::Error) -> TchError {
    TchError::Torch(error.to_string())
}

fn normal(random: &mut Generator, shape: &[i64], std: f64) -> Result<Tensor, TchError> {
    let x = empty(shape)?;
    random.normal_(&x, 0.0, std).map_err(failed)?;
    Ok(x)
}

fn uniform(random: &mut Generator, shape: &[i64], bound: f64) -> Result<Tensor, TchError> {
    let x = empty(shape)?;
    random.uniform_(&x, -bound, bound).map_err(failed)?;
    Ok(x)
}

/// By the inverse of the normal distribution function, as PyTorch's `trunc_normal_`.
fn truncated_normal(random: &mut Generator, shape: &[i64], std: f64) -> Result<Tensor, TchError> {
    // 2 Φ(2) - 1: the mass within two deviations.
    let mass = 0.954_499_736_103_641_6;
    let x = uniform(random, shape, mass)?;
    x.f_erfinv()?.f_mul_scalar_(std * std::f64::consts::SQRT_2)?.f_clamp_(-2.0 * std, 2.0 * std)
}

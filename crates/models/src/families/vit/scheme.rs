//! How parameters start.

use crate::init::Init;
use crate::layers::LinearConfig;

/// Whose initial values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// timm's: normal with deviation 0.02.
    Timm,
    /// big_vision's: Xavier for query, key and value each, perceptrons' biases of 1e-6, head of zeros.
    BigVision,
    /// MoCo v3's: Xavier for query, key and value each.
    MocoV3,
    /// MAE's: Xavier for the joint projection.
    Mae,
}

impl Scheme {
    /// A linear layer outside the perceptrons.
    pub(crate) fn linear(self, input: i64, output: i64) -> LinearConfig {
        match self {
            Self::Timm => LinearConfig::normal02(input, output),
            _ => LinearConfig::new(input, output).started(Init::XavierUniform),
        }
    }

    /// The joint projection to queries, keys and values.
    pub(crate) fn qkv(self, width: i64) -> LinearConfig {
        match self {
            Self::Timm | Self::Mae => self.linear(width, 3 * width),
            Self::BigVision | Self::MocoV3 => {
                let each = (6.0 / (2 * width) as f64).sqrt();
                LinearConfig::new(width, 3 * width).started(Init::Uniform(each))
            }
        }
    }

    /// A layer of a perceptron.
    pub(crate) fn mlp(self, input: i64, output: i64) -> LinearConfig {
        let config = self.linear(input, output);
        match self {
            Self::BigVision => LinearConfig { bias_init: Some(Init::Normal(1e-6)), ..config },
            _ => config,
        }
    }

    /// The patches' kernels (C, I, P, P), weight and bias; `None`: the bias by PyTorch's default.
    pub(crate) fn patches(self, width: i64, fan_in: i64) -> (Init, Option<Init>) {
        let xavier = Init::Uniform((6.0 / (fan_in + width) as f64).sqrt());
        let zero = Some(Init::Constant(0.0));
        // Flax corrects the deviation for what the cut at two deviations takes away.
        let lecun = Init::TruncatedNormal(1.0 / (fan_in as f64).sqrt() / 0.879_625_661_034_239_8);
        match self {
            Self::Timm => (Init::Default, None),
            Self::BigVision => (lecun, zero),
            Self::MocoV3 => (xavier, zero),
            Self::Mae => (xavier, None),
        }
    }

    pub(crate) fn class_token(self) -> Init {
        match self {
            Self::Mae => Init::Normal(0.02),
            _ => Init::Normal(1e-6),
        }
    }

    pub(crate) fn head(self) -> Init {
        match self {
            Self::Timm => Init::Normal(0.02),
            Self::BigVision => Init::Constant(0.0),
            Self::MocoV3 => Init::XavierUniform,
            // What MAE's fine-tuning starts from.
            Self::Mae => Init::Normal(2e-5),
        }
    }
}

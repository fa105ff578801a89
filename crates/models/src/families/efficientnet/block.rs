//! The blocks of EfficientNet and the MobileNets.

use super::stages::{Form, Row, divisible};
use super::{Config, Excite};
use crate::Error;
use crate::builder::Builder;
use crate::init::Init;
use crate::layers::{Activation, Block, ConvConfig, ConvNormAct, DropPath, SqueezeExcite};
use tch::{TchError, Tensor};

/// A convolution started as in TensorFlow's EfficientNet: normal with variance 2 / fan-out, where a grouped
/// convolution's fan-out is its group's share.
pub(super) fn started(conv: ConvConfig) -> ConvConfig {
    let fan_out = conv.kernel.0 * conv.kernel.1 * conv.output / conv.groups;
    conv.init(Init::Normal((2.0 / fan_out as f64).sqrt()))
}

/// A convolution of a network, padded and normalised as its `config` has it.
pub(super) fn conv_norm_act(
    builder: &Builder<'_>,
    names: (&str, &str),
    conv: ConvConfig,
    activation: Activation,
    config: &Config,
) -> Result<ConvNormAct, TchError> {
    ConvNormAct::new(builder, names, started(conv.padding(config.padding)), config.norm(), activation)
}

/// One block: convolutions, channel attention behind the depthwise one, and the shortcut where the shape stays. Nothing
/// follows the last convolution's normalisation but the sum ("linear bottleneck").
#[derive(Clone)]
pub(super) struct MobileBlock {
    convs: Vec<ConvNormAct>,
    /// Follows the convolution of this index.
    excite: Option<(usize, SqueezeExcite)>,
    skip: bool,
    drop_path: DropPath,
}

impl MobileBlock {
    pub(super) fn new(
        builder: &Builder<'_>,
        row: &Row,
        (input, output, stride): (i64, i64, i64),
        drop_path: f64,
        config: &Config,
    ) -> Result<Self, TchError> {
        let activation = if row.relu { Activation::Relu } else { config.activation };
        let linear = Activation::Identity;
        let conv = |names, conv, activation| conv_norm_act(builder, names, conv, activation, config);
        let pointwise = |input, output| ConvConfig::new(input, output, 1);
        let depthwise = |width| ConvConfig::new(width, width, row.kernel).stride(stride).groups(width);
        let (convs, excited) = match row.form {
            Form::Pointwise => (vec![conv(("conv", "bn1"), pointwise(input, output), activation)?], None),
            Form::Separable => {
                let convs = vec![
                    conv(("conv_dw", "bn1"), depthwise(input), activation)?,
                    conv(("conv_pw", "bn2"), pointwise(input, output), linear)?,
                ];
                (convs, Some((0, input)))
            }
            Form::Inverted => {
                let width = divisible(input as f64 * row.expansion);
                let convs = vec![
                    conv(("conv_pw", "bn1"), pointwise(input, width), activation)?,
                    conv(("conv_dw", "bn2"), depthwise(width), activation)?,
                    conv(("conv_pwl", "bn3"), pointwise(width, output), linear)?,
                ];
                (convs, Some((1, width)))
            }
        };
        let excite = match excited.filter(|_| row.excite) {
            Some((at, width)) => {
                let builder = builder / "se";
                let (reduced, activations) = config.excite.design(width, row.expansion, activation);
                let names = ("conv_reduce", "conv_expand");
                let reduce = started(pointwise(width, reduced)).zero_bias();
                let expand = started(pointwise(reduced, width)).zero_bias();
                Some((at, SqueezeExcite::new(&builder, names, (reduce, expand), activations)?))
            }
            None => None,
        };
        let skip = row.form != Form::Pointwise && !row.no_skip && stride == 1 && input == output;
        Ok(Self { convs, excite, skip, drop_path: DropPath(drop_path) })
    }
}

impl Excite {
    /// The reduced width, and the non-linearity and the gate, of the channel attention on `width` channels.
    fn design(self, width: i64, expansion: f64, activation: Activation) -> (i64, (Activation, Activation)) {
        let width = width as f64;
        match self {
            Self::EfficientNet => {
                ((width * (0.25 / expansion)).round_ties_even() as i64, (activation, Activation::Sigmoid))
            }
            Self::V3 => (divisible(width * 0.25), (Activation::Relu, Activation::HardSigmoid)),
            Self::V3Rw => ((width * 0.25).round_ties_even() as i64, (activation, Activation::HardSigmoid)),
        }
    }
}

impl Block for MobileBlock {
    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        let mut y = x.shallow_clone();
        for (i, conv) in self.convs.iter().enumerate() {
            y = conv.forward(&y, train)?;
            if let Some((at, excite)) = &self.excite
                && *at == i
            {
                y = excite.forward(&y)?;
            }
        }
        match self.skip {
            true => Ok(self.drop_path.add(x, y, train)?),
            false => Ok(y),
        }
    }
}

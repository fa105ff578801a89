//! A normaliser-free network's residual block.

use super::{ALPHA, Config, ScaledActivation, multiple_of_8};
use crate::Error;
use crate::builder::Builder;
use crate::init::Init;
use crate::layers::{
    Block, ChannelAttention, ConvConfig, DropPath, Param, StdConv2d, add_branch, average_pool_2x2,
};
use tch::Tensor;

/// Where a block stands.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) input: i64,
    pub(super) output: i64,
    pub(super) stride: i64,
    /// Whether it is the network's first.
    pub(super) is_first: bool,
    /// One over the deviation that the input is expected to have.
    pub(super) beta: f64,
    pub(super) drop_path: f64,
}

/// `x + α f(β x)`, with the activated input projected where the shape changes.
#[derive(Clone)]
pub(super) struct NormFree {
    convs: Vec<StdConv2d>,
    /// After which of the convolutions, and what.
    attention: Option<(usize, ChannelAttention)>,
    /// The means of 2×2 pixels come first where the flag says so.
    projection: Option<(bool, StdConv2d)>,
    /// The gain of the branch.
    gain: Option<Param>,
    activation: ScaledActivation,
    beta: f64,
    drop_path: DropPath,
}

/// What attention's gate takes from the variance, as the authors found it.
const ATTENTION_GAIN: f64 = 2.0;

impl NormFree {
    pub(super) fn new(builder: &Builder<'_>, config: &Config, place: Place) -> Result<Self, Error> {
        let Place { input, output, stride, is_first, beta, drop_path } = place;
        let mut middle = match config.regnet {
            true if is_first => multiple_of_8(input as f64),
            true => multiple_of_8(input as f64 * config.bottleneck),
            false => multiple_of_8(output as f64 * config.bottleneck),
        };
        let mut groups = 1;
        if config.group_size > 0 {
            groups = middle / config.group_size;
            if config.group_size % 8 == 0 {
                middle = groups * config.group_size;
            }
        }
        let conv = |name: &str, conv, gain| config.conv(&(builder / name), conv, gain);
        let wide = ConvConfig::new(middle, middle, 3).groups(groups);
        let mut convs = vec![
            conv("conv1", ConvConfig::new(input, middle, 1), 1.0)?,
            conv("conv2", wide.stride(stride), 1.0)?,
        ];
        if config.extra_conv {
            convs.push(conv("conv2b", wide, 1.0)?);
        }
        // The block starts as the identity: by the branch's gain, or by that of its last convolution.
        let last = if config.deepmind { 1.0 } else { 0.0 };
        convs.push(conv("conv3", ConvConfig::new(middle, output, 1), last)?);

        let attention = match config.attention {
            Some(kind) => {
                let (name, after, channels) = match config.regnet {
                    true => ("attn", convs.len() - 2, middle),
                    false => ("attn_last", convs.len() - 1, output),
                };
                let start = (Init::LecunNormal, Some(Init::Constant(0.0)));
                Some((after, ChannelAttention::new(&(builder / name), kind, channels, start)?))
            }
            None => None,
        };
        let projection = match input != output || stride != 1 {
            true => Some((stride != 1, conv("downsample.conv", ConvConfig::new(input, output, 1), 1.0)?)),
            false => None,
        };
        let gain = match config.deepmind {
            true => Some(builder.parameter("skipinit_gain", &[], Init::Constant(0.0))?),
            false => None,
        };
        let (activation, drop_path) = (config.scaled_activation(), DropPath(drop_path));
        Ok(Self { convs, attention, projection, gain, activation, beta, drop_path })
    }
}

impl Block for NormFree {
    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        let activated = self.activation.apply(x, self.beta)?;
        let shortcut = match &self.projection {
            Some((true, conv)) => conv.forward(&average_pool_2x2(&activated)?)?,
            Some((false, conv)) => conv.forward(&activated)?,
            None => x.shallow_clone(),
        };
        let mut y = self.convs[0].forward(&activated)?;
        drop(activated);
        for (i, conv) in self.convs.iter().enumerate().skip(1) {
            y = conv.forward(&self.activation.apply_(y)?)?;
            if let Some((_, attention)) = self.attention.as_ref().filter(|(after, _)| *after == i) {
                y = attention.forward(&y)?.f_mul_scalar_(ATTENTION_GAIN)?;
            }
        }
        y = self.drop_path.apply(y, train)?;
        if let Some(gain) = &self.gain {
            y = y.f_mul_(gain)?;
        }
        Ok(add_branch(&shortcut, y.f_mul_scalar_(ALPHA)?)?)
    }
}

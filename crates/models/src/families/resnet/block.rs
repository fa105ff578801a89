//! A ResNet's residual blocks.

use super::{BlockKind, Config, ShortcutKind};
use crate::Error;
use crate::builder::Builder;
use crate::init::Init;
use crate::layers::{
    Block, ChannelAttention, Conv2d, ConvConfig, Downsampling, DropPath, Norm2d, Norm2dKind, average_pool_2x2,
};
use tch::{Kind, Tensor};

/// A convolution and its normalisation.
#[derive(Clone)]
pub(super) struct ConvNorm {
    conv: Conv2d,
    norm: Norm2d,
    channels: i64,
}

impl ConvNorm {
    /// `names` are the sub-paths of the convolution and the normalisation, `scale` where the latter's weight starts.
    pub(super) fn new(
        builder: &Builder<'_>,
        names: (&str, &str),
        conv: ConvConfig,
        norm: Norm2dKind,
        scale: f64,
    ) -> Result<Self, Error> {
        Ok(Self {
            conv: Conv2d::new(&(builder / names.0), conv.init(Init::KaimingNormalFanOut))?,
            norm: Norm2d::new(&(builder / names.1), norm, conv.output, scale)?,
            channels: conv.output,
        })
    }

    pub(super) fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        self.norm.forward(&self.conv.forward(x)?, train)
    }

    /// The channels that it makes.
    pub(super) fn channels(&self) -> i64 {
        self.channels
    }

    /// The kind of its parameters.
    pub(super) fn kind(&self) -> Kind {
        self.conv.weight().kind()
    }
}

/// Where a block stands.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// The channels that it is given.
    pub(super) input: i64,
    pub(super) planes: i64,
    pub(super) stride: i64,
    pub(super) drop_path: f64,
}

/// The projection of a shortcut, after a mean of 2×2 pixels where `average` says so.
#[derive(Clone)]
struct Shortcut {
    average: bool,
    projection: ConvNorm,
}

impl Shortcut {
    fn new(builder: &Builder<'_>, config: &Config, place: Place, output: i64) -> Result<Self, Error> {
        let Place { input, stride, .. } = place;
        let builder = builder / "downsample";
        let (names, kernel, conv_stride) = match config.shortcut {
            ShortcutKind::Conv1 => (("0", "1"), 1, stride),
            ShortcutKind::Conv3 => (("0", "1"), if stride == 1 { 1 } else { 3 }, stride),
            ShortcutKind::AverageConv1 => (("1", "2"), 1, 1),
        };
        let conv = ConvConfig::new(input, output, kernel).stride(conv_stride);
        Ok(Self {
            average: stride != conv_stride,
            projection: ConvNorm::new(&builder, names, conv, config.norm, 1.0)?,
        })
    }

    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        match self.average {
            true => self.projection.forward(&average_pool_2x2(x)?, train),
            false => self.projection.forward(x, train),
        }
    }
}

/// A residual block: its branch, a ReLU after every member but the last, and the shortcut's projection where
/// the shape changes.
#[derive(Clone)]
pub(super) struct Residual {
    branch: Vec<ConvNorm>,
    /// The member after whose ReLU the branch is downsampled, in anti-aliased networks.
    downsampling: Option<(usize, Downsampling)>,
    attention: Option<ChannelAttention>,
    shortcut: Option<Shortcut>,
    drop_path: DropPath,
}

impl Residual {
    pub(super) fn new(builder: &Builder<'_>, config: &Config, place: Place) -> Result<Self, Error> {
        let Place { input, planes, stride, drop_path } = place;
        let output = planes * config.block.expansion();
        let kind = config.anti_aliasing.filter(|_| stride > 1);
        let conv_stride = if kind.is_some() { 1 } else { stride };
        let member = |names, conv, scale| ConvNorm::new(builder, names, conv, config.norm, scale);
        let conv = ConvConfig::new;
        // timm's `zero_init_last`: each block starts as the identity.
        let (branch, strided) = match config.block {
            BlockKind::Basic => {
                let first = planes / config.reduce_first;
                let branch = vec![
                    member(("conv1", "bn1"), conv(input, first, 3).stride(conv_stride), 1.0)?,
                    member(("conv2", "bn2"), conv(first, planes, 3), 0.0)?,
                ];
                (branch, 0)
            }
            BlockKind::Bottleneck => {
                let width = planes * config.base_width / 64 * config.groups;
                let first = width / config.reduce_first;
                let middle = conv(first, width, 3).stride(conv_stride).groups(config.groups);
                let branch = vec![
                    member(("conv1", "bn1"), conv(input, first, 1), 1.0)?,
                    member(("conv2", "bn2"), middle, 1.0)?,
                    member(("conv3", "bn3"), conv(width, output, 1), 0.0)?,
                ];
                (branch, 1)
            }
        };
        let downsampling = match kind {
            Some(kind) => Some((strided, Downsampling::new(kind, branch[strided].channels())?)),
            None => None,
        };
        let attention = match config.attention {
            Some(kind) => {
                let start = (Init::KaimingNormalFanOut, None);
                Some(ChannelAttention::new(&(builder / "se"), kind, output, start)?)
            }
            None => None,
        };
        let shortcut = match stride != 1 || input != output {
            true => Some(Shortcut::new(builder, config, place, output)?),
            false => None,
        };
        Ok(Self { branch, downsampling, attention, shortcut, drop_path: DropPath(drop_path) })
    }
}

impl Block for Residual {
    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        let mut y = x.shallow_clone();
        for (i, member) in self.branch.iter().enumerate() {
            y = member.forward(&y, train)?;
            if i + 1 < self.branch.len() {
                y = y.f_relu_()?;
            }
            if let Some((_, downsampling)) = self.downsampling.as_ref().filter(|(at, _)| *at == i) {
                y = downsampling.forward(&y)?;
            }
        }
        if let Some(attention) = &self.attention {
            y = attention.forward(&y)?;
        }
        y = self.drop_path.apply(y, train)?;
        let mut y = match &self.shortcut {
            Some(shortcut) => y.f_add_(&shortcut.forward(x, train)?)?,
            None => y.f_add_(x)?,
        };
        Ok(y.f_relu_()?)
    }
}

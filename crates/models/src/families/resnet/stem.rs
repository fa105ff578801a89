//! A ResNet's stem: convolutions and a pooling that quarter the size of the image.

use super::block::ConvNorm;
use super::{Config, StemKind, StemPool};
use crate::Error;
use crate::builder::Builder;
use crate::layers::{AntiAliasing, ConvConfig, Downsampling};
use tch::{Kind, TchError, Tensor};

/// The stem.
pub(super) struct Stem {
    /// A ReLU follows each.
    convs: Vec<ConvNorm>,
    pool: Pool,
}

enum Pool {
    None,
    /// 3×3 with this stride, and what downsamples after it.
    Max(i64, Option<Downsampling>),
    Average,
    /// With a ReLU.
    Conv(ConvNorm),
}

impl Stem {
    pub(super) fn new(builder: &Builder<'_>, config: &Config, in_channels: i64) -> Result<Self, Error> {
        let conv = |names, conv| ConvNorm::new(builder, names, conv, config.norm, 1.0);
        let convs = match config.stem {
            StemKind::Conv7 => {
                vec![conv(("conv1", "bn1"), ConvConfig::new(in_channels, config.width, 7).stride(2))?]
            }
            StemKind::Cifar => vec![conv(("conv1", "bn1"), ConvConfig::new(in_channels, config.width, 3))?],
            StemKind::Deep([first, second, third]) => vec![
                conv(("conv1.0", "conv1.1"), ConvConfig::new(in_channels, first, 3).stride(2))?,
                conv(("conv1.3", "conv1.4"), ConvConfig::new(first, second, 3))?,
                conv(("conv1.6", "bn1"), ConvConfig::new(second, third, 3))?,
            ],
        };
        let channels = convs[convs.len() - 1].channels();
        let pool = match (config.stem, config.pool, config.anti_aliasing) {
            (StemKind::Cifar, _, _) => Pool::None,
            (_, StemPool::Conv, _) => {
                let config = ConvConfig::new(channels, channels, 3).stride(2);
                Pool::Conv(conv(("maxpool.0", "maxpool.1"), config)?)
            }
            (_, StemPool::Max, None) => Pool::Max(2, None),
            (_, StemPool::Max, Some(AntiAliasing::Average)) => Pool::Average,
            (_, StemPool::Max, Some(blur)) => Pool::Max(1, Some(Downsampling::new(blur, channels)?)),
        };
        Ok(Self { convs, pool })
    }

    /// The channels that it makes.
    pub(super) fn channels(&self) -> i64 {
        self.convs[self.convs.len() - 1].channels()
    }

    /// The kind of its parameters.
    pub(super) fn kind(&self) -> Kind {
        self.convs[0].kind()
    }

    /// All before the pooling.
    pub(super) fn convolve(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        let mut x = x.shallow_clone();
        for conv in &self.convs {
            x = conv.forward(&x, train)?.f_relu_()?;
        }
        Ok(x)
    }

    /// The pooling.
    pub(super) fn pool(&self, x: Tensor, train: bool) -> Result<Tensor, Error> {
        Ok(match &self.pool {
            Pool::None => x,
            Pool::Max(stride, after) => {
                let x = max_pool(&x, *stride)?;
                match after {
                    Some(downsampling) => downsampling.forward(&x)?,
                    None => x,
                }
            }
            Pool::Average => Downsampling::Average.forward(&x)?,
            Pool::Conv(conv) => conv.forward(&x, train)?.f_relu_()?,
        })
    }
}

fn max_pool(x: &Tensor, stride: i64) -> Result<Tensor, TchError> {
    x.f_max_pool2d([3, 3], [stride, stride], [1, 1], [1, 1], false)
}

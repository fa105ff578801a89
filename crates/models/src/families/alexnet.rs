//! AlexNet in the form of "One weird trick for parallelizing convolutional neural networks" (Krizhevsky, 2014), which is
//! torchvision's: names, parameters and initial values are torchvision's.
//!
//! LPIPS reads the five ReLUs `features.1`, `features.4`, `features.7`, `features.9` and `features.11`. torchvision trains with a
//! dropout of 0.5 before the two hidden linear layers: `ModelOptions::drop_rate`.
//!
//! Images have at least 63 pixels a side.

use super::sequential::{self, Plan, Sequential};
use crate::arch::{self, Architecture};
use crate::backbone::Collected;
use crate::builder::{Builder, images};
use crate::head::{HeadKind, HeadSpec};
use crate::layers::{Activation, ConvConfig, Linear, LinearConfig, Padding, dropout};
use crate::{Backbone, Error, Features, Taps};
use tch::Tensor;

/// There is one AlexNet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config;

/// The architectures of this family.
pub(crate) const ARCHITECTURES: &[Architecture] = &[Architecture::new("alexnet", &Config)];

/// Below this side nothing is left for the last pooling.
const SMALLEST: i64 = 63;

impl arch::Config for Config {
    fn build(&self, builder: &Builder<'_>) -> Result<Box<dyn Backbone>, Error> {
        Ok(Box::new(AlexNet::new(builder)?))
    }

    fn head(&self) -> HeadSpec {
        HeadSpec::linear("classifier.6").kind(HeadKind::LinearUndropped)
    }
}

/// AlexNet without its last linear layer.
struct AlexNet {
    features: Sequential,
    hidden: [Linear; 2],
    in_channels: i64,
    drop_rate: f64,
}

impl AlexNet {
    fn new(builder: &Builder<'_>) -> Result<Self, Error> {
        let in_channels = builder.options().in_channels;
        let conv = |input, output, kernel| ConvConfig::new(input, output, kernel).bias();
        let pool = Plan::Pool { kernel: 3, ceil: false };
        let features = [
            Plan::Conv(conv(in_channels, 64, 11).stride(4).padding(Padding::Fixed(2, 2))),
            pool,
            Plan::Conv(conv(64, 192, 5)),
            pool,
            Plan::Conv(conv(192, 384, 3)),
            Plan::Conv(conv(384, 256, 3)),
            Plan::Conv(conv(256, 256, 3)),
            pool,
        ];
        Ok(Self {
            features: Sequential::new(builder, &features)?,
            hidden: [
                Linear::new(&(builder / "classifier.1"), LinearConfig::new(256 * 6 * 6, 4096))?,
                Linear::new(&(builder / "classifier.4"), LinearConfig::new(4096, 4096))?,
            ],
            in_channels,
            drop_rate: builder.options().drop_rate,
        })
    }

    fn input(&self, x: &Tensor) -> Result<Tensor, Error> {
        images(x, "AlexNet", self.in_channels, SMALLEST, self.features.kind())
    }
}

impl Backbone for AlexNet {
    fn forward_with_taps(&self, x: &Tensor, train: bool, taps: Taps<'_>) -> Result<Features, Error> {
        let mut collected = Collected::new(taps, self.taps())?;
        let x = self.input(x)?;
        let map = self.features.forward(&x, train, &mut collected)?;
        let mut pooled = map.f_adaptive_avg_pool2d([6, 6])?.f_flatten(1, -1)?;
        for linear in &self.hidden {
            pooled = linear.forward(&dropout(pooled, self.drop_rate, train)?)?;
            pooled = Activation::Relu.apply_(pooled)?;
        }
        Ok(Features { pooled, map: Some(map), tokens: None, taps: collected.into_taps() })
    }

    fn forward_taps(&self, x: &Tensor, train: bool, taps: Taps<'_>) -> Result<Vec<(String, Tensor)>, Error> {
        let collected = Collected::new(taps, self.taps())?;
        self.features.forward_taps(&self.input(x)?, train, collected)
    }

    fn embed_dim(&self) -> i64 {
        4096
    }

    fn taps(&self) -> &[String] {
        self.features.taps()
    }

    fn layer_key(&self, parameter: &str) -> Option<[u32; 2]> {
        match parameter.split('.').nth(1) {
            Some(layer @ ("1" | "4")) if parameter.starts_with("classifier.") => {
                Some([u32::MAX, layer.parse().ok()?])
            }
            _ => sequential::layer_key(parameter),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::golden;

    #[test]
    fn match_torchvision() {
        golden::check_family("tv_classics", super::ARCHITECTURES);
    }
}

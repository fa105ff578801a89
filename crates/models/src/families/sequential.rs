//! Layers in a row under torchvision's names `features.N`: the trunk of AlexNet, VGG and SqueezeNet.
//!
//! Every ReLU, pooling and Fire module is a tap, named by its place: `features.1`. LPIPS and perceptual losses
//! read ReLU outputs ("The unreasonable effectiveness of deep features as a perceptual metric", Zhang et al., 2018).

use crate::Error;
use crate::backbone::Collected;
use crate::builder::{Builder, Switches};
use crate::init::Init;
use crate::layers::{Activation, BatchNorm2d, BatchNormConfig, Block, Conv2d, ConvConfig, run};
use tch::{Kind, TchError, Tensor};

/// A line of the plan of a [`Sequential`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum Plan {
    /// A convolution and a ReLU: two modules.
    Conv(ConvConfig),
    /// A convolution, its batch normalisation and a ReLU: three modules.
    ConvNorm(ConvConfig),
    /// A maximum over `kernel`² positions, every second row and column; `ceil` keeps what is left at the edge.
    Pool { kernel: i64, ceil: bool },
    /// SqueezeNet's module: a 1×1 convolution to `squeezed` channels, then 1×1 and 3×3 convolutions side by side, each to four
    /// times as many.
    Fire { input: i64, squeezed: i64 },
}

/// The layers, each with the index of its last module.
pub(crate) struct Sequential {
    layers: Vec<(String, Layer)>,
    taps: Vec<String>,
    switches: Switches,
}

#[derive(Clone)]
enum Layer {
    Conv(Conv2d, Option<BatchNorm2d>),
    Pool { kernel: i64, ceil: bool },
    Fire(Box<Fire>),
}

#[derive(Clone)]
struct Fire {
    squeeze: Conv2d,
    expand1x1: Conv2d,
    expand3x3: Conv2d,
}

impl Fire {
    fn new(builder: &Builder<'_>, input: i64, squeezed: i64) -> Result<Self, TchError> {
        let conv = |name, input, output, kernel| {
            Conv2d::new(&(builder / name), squeezenet_conv(input, output, kernel))
        };
        Ok(Self {
            squeeze: conv("squeeze", input, squeezed, 1)?,
            expand1x1: conv("expand1x1", squeezed, 4 * squeezed, 1)?,
            expand3x3: conv("expand3x3", squeezed, 4 * squeezed, 3)?,
        })
    }
}

/// A convolution that starts as torchvision's SqueezeNets do.
pub(crate) fn squeezenet_conv(input: i64, output: i64, kernel: i64) -> ConvConfig {
    ConvConfig::new(input, output, kernel).init(Init::KaimingUniformFanIn).zero_bias()
}

impl Sequential {
    pub(crate) fn new(builder: &Builder<'_>, plan: &[Plan]) -> Result<Self, Error> {
        let features = builder / "features";
        let mut layers: Vec<(String, Layer)> = Vec::with_capacity(plan.len());
        let mut index = 0;
        for line in plan {
            let conv = |config: ConvConfig| Conv2d::new(&(&features / index), config);
            let (layer, modules) = match *line {
                Plan::Conv(config) => (Layer::Conv(conv(config)?, None), 2),
                Plan::ConvNorm(config) => {
                    let norm = &features / (index + 1);
                    let norm = BatchNorm2d::new(&norm, config.output, BatchNormConfig::default())?;
                    (Layer::Conv(conv(config)?, Some(norm)), 3)
                }
                Plan::Pool { kernel, ceil } => (Layer::Pool { kernel, ceil }, 1),
                Plan::Fire { input, squeezed } => {
                    (Layer::Fire(Box::new(Fire::new(&(&features / index), input, squeezed)?)), 1)
                }
            };
            index += modules;
            layers.push((format!("features.{}", index - 1), layer));
        }
        let taps = layers.iter().map(|(name, _)| name.clone()).collect();
        Ok(Self { layers, taps, switches: builder.switches().clone() })
    }

    /// The names of the modules whose outputs can be kept.
    pub(crate) fn taps(&self) -> &[String] {
        &self.taps
    }

    /// The kind of the parameters.
    pub(crate) fn kind(&self) -> Kind {
        let first = self.layers.iter().find_map(|(_, layer)| match layer {
            Layer::Conv(conv, _) => Some(conv),
            Layer::Fire(fire) => Some(&fire.squeeze),
            Layer::Pool { .. } => None,
        });
        first.map_or(Kind::Float, |conv| conv.weight().kind())
    }

    /// What the last layer makes of `x`.
    pub(crate) fn forward(
        &self,
        x: &Tensor,
        train: bool,
        collected: &mut Collected<'_>,
    ) -> Result<Tensor, Error> {
        self.forward_by(&self.layers, x, train, collected)
    }

    /// The taps that are wanted, without the layers behind them.
    pub(crate) fn forward_taps(
        &self,
        x: &Tensor,
        train: bool,
        mut collected: Collected<'_>,
    ) -> Result<Vec<(String, Tensor)>, Error> {
        let needed =
            self.layers.iter().rposition(|(name, _)| collected.wants(name)).map_or(0, |last| last + 1);
        drop(self.forward_by(&self.layers[..needed], x, train, &mut collected)?);
        Ok(collected.into_taps())
    }

    fn forward_by(
        &self,
        layers: &[(String, Layer)],
        x: &Tensor,
        train: bool,
        collected: &mut Collected<'_>,
    ) -> Result<Tensor, Error> {
        let mut x = x.shallow_clone();
        for (name, layer) in layers {
            x = run(&self.switches, layer, &x, train)?;
            collected.keep(name, &x);
        }
        Ok(x)
    }
}

impl Block for Layer {
    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        // In place: nobody else reads a convolution's or a normalisation's output.
        let relu = |x: Tensor| Activation::Relu.apply_(x);
        Ok(match self {
            Self::Conv(conv, None) => relu(conv.forward(x)?)?,
            Self::Conv(conv, Some(norm)) => relu(norm.forward(&conv.forward(x)?, train)?)?,
            Self::Pool { kernel, ceil } => x.f_max_pool2d([*kernel; 2], [2, 2], [0, 0], [1, 1], *ceil)?,
            Self::Fire(fire) => {
                let x = relu(fire.squeeze.forward(x)?)?;
                relu(Tensor::f_cat(&[fire.expand1x1.forward(&x)?, fire.expand3x3.forward(&x)?], 1)?)?
            }
        })
    }
}

/// Where a parameter of `features.N` stands in depth.
pub(crate) fn layer_key(parameter: &str) -> Option<[u32; 2]> {
    let rest = parameter.strip_prefix("features.")?;
    Some([rest.split('.').next()?.parse().ok()?, 0])
}

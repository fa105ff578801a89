//! Layers in a row under torchvision's names `features.N`: the trunk of AlexNet, VGG and SqueezeNet.
//!
//! Every ReLU, pooling and Fire module is a tap, named by its place: `features.1`. LPIPS and perceptual losses
//! read ReLU outputs ("The unreasonable effectiveness of deep features as a perceptual metric", Zhang et al., 2018).

use crate::Error;
use crate::backbone::Collected;
use crate::builder::{Builder, Switches};
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
    /// SqueezeNet's module.
    Fire(FirePlan),
}

/// A Fire module: a 1×1 convolution to `squeeze` channels, then 1×1 and 3×3 convolutions side by side ("SqueezeNet", Iandola et
/// al., 2016).
#[derive(Clone, Copy, Debug)]
pub(crate) struct FirePlan {
    pub(crate) squeeze: ConvConfig,
    pub(crate) expand1x1: ConvConfig,
    pub(crate) expand3x3: ConvConfig,
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
    Fire { squeeze: Conv2d, expand1x1: Conv2d, expand3x3: Conv2d },
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
                Plan::Fire(plan) => (Layer::fire(&(&features / index), &plan)?, 1),
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
            Layer::Conv(conv, _) | Layer::Fire { squeeze: conv, .. } => Some(conv),
            Layer::Pool { .. } => None,
        });
        first.map_or(Kind::Float, |conv| conv.weight().kind())
    }

    pub(crate) fn forward(
        &self,
        x: &Tensor,
        train: bool,
        collected: &mut Collected<'_>,
    ) -> Result<Tensor, Error> {
        let mut x = x.shallow_clone();
        for (name, layer) in &self.layers {
            x = run(&self.switches, layer, &x, train)?;
            collected.keep(name, &x);
        }
        Ok(x)
    }
}

impl Layer {
    fn fire(builder: &Builder<'_>, plan: &FirePlan) -> Result<Self, TchError> {
        Ok(Self::Fire {
            squeeze: Conv2d::new(&(builder / "squeeze"), plan.squeeze)?,
            expand1x1: Conv2d::new(&(builder / "expand1x1"), plan.expand1x1)?,
            expand3x3: Conv2d::new(&(builder / "expand3x3"), plan.expand3x3)?,
        })
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
            Self::Fire { squeeze, expand1x1, expand3x3 } => {
                let x = relu(squeeze.forward(x)?)?;
                relu(Tensor::f_cat(&[expand1x1.forward(&x)?, expand3x3.forward(&x)?], 1)?)?
            }
        })
    }
}

/// Where a parameter of `features.N` stands in depth.
pub(crate) fn layer_key(parameter: &str) -> Option<[u32; 2]> {
    let rest = parameter.strip_prefix("features.")?;
    Some([rest.split('.').next()?.parse().ok()?, 0])
}

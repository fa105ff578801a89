//! The trunk of the family: layers in a row, each a tap.

use super::mixed::{BranchPlan, Mixed, conv};
use crate::backbone::Collected;
use crate::builder::{Builder, Switches, images};
use crate::layers::{Block, ConvConfig, ConvNormAct, run};
use crate::{Backbone, Error, Features, Taps};
use tch::{Kind, Tensor};

/// What a network is made of.
pub(super) struct Plan {
    /// Begins the message about images that do not fit: "GoogLeNet".
    pub(super) network: &'static str,
    /// The smallest side of an image.
    pub(super) smallest: i64,
    /// The deviation of initial weights.
    pub(super) std: f64,
    /// Names and layers, from the image on.
    pub(super) layers: Vec<(&'static str, LayerPlan)>,
    /// How many layers at the front stand at one depth, for layer-wise learning rates.
    pub(super) grouped: &'static [usize],
}

pub(super) enum LayerPlan {
    /// The input channels of the first are the image's.
    Conv(ConvConfig),
    /// A maximum over `kernel`² positions at stride 2; `ceil` keeps what is left at the edge.
    Pool {
        kernel: i64,
        ceil: bool,
    },
    Mixed(Vec<BranchPlan>),
}

/// An inception network without its classifier.
pub(super) struct Inception {
    layers: Vec<Layer>,
    taps: Vec<String>,
    network: &'static str,
    smallest: i64,
    grouped: &'static [usize],
    in_channels: i64,
    embed_dim: i64,
    switches: Switches,
}

#[derive(Clone)]
enum Layer {
    Conv(Box<ConvNormAct>),
    Pool { kernel: i64, ceil: bool },
    Mixed(Mixed),
}

impl Block for Layer {
    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        match self {
            Self::Conv(conv) => conv.forward(x, train),
            Self::Pool { kernel, ceil } => Ok(x.f_max_pool2d([*kernel; 2], [2, 2], [0, 0], [1, 1], *ceil)?),
            Self::Mixed(mixed) => mixed.forward(x, train),
        }
    }
}

impl Inception {
    pub(super) fn new(builder: &Builder<'_>, plan: Plan) -> Result<Self, Error> {
        let in_channels = builder.options().in_channels;
        let mut channels = in_channels;
        let mut layers = Vec::with_capacity(plan.layers.len());
        let taps = plan.layers.iter().map(|(name, _)| (*name).to_owned()).collect();
        for (name, layer) in plan.layers {
            let builder = builder / name;
            layers.push(match layer {
                LayerPlan::Conv(config) => {
                    let config = ConvConfig { input: channels, ..config };
                    channels = config.output;
                    Layer::Conv(Box::new(conv(&builder, config, plan.std)?))
                }
                LayerPlan::Pool { kernel, ceil } => Layer::Pool { kernel, ceil },
                LayerPlan::Mixed(branches) => {
                    let (mixed, output) = Mixed::new(&builder, channels, &branches, plan.std)?;
                    channels = output;
                    Layer::Mixed(mixed)
                }
            });
        }
        Ok(Self {
            layers,
            taps,
            network: plan.network,
            smallest: plan.smallest,
            grouped: plan.grouped,
            in_channels,
            embed_dim: channels,
            switches: builder.switches().clone(),
        })
    }

    fn kind(&self) -> Kind {
        match self.layers.first() {
            Some(Layer::Conv(conv)) => conv.kind(),
            _ => Kind::Float,
        }
    }
}

impl Backbone for Inception {
    fn forward_with_taps(&self, x: &Tensor, train: bool, taps: Taps<'_>) -> Result<Features, Error> {
        let mut collected = Collected::new(taps, self.taps())?;
        let mut x = images(x, self.network, self.in_channels, self.smallest, self.kind())?;
        for (layer, name) in self.layers.iter().zip(&self.taps) {
            x = run(&self.switches, layer, &x, train)?;
            collected.keep(name, &x);
        }
        Features::of_map(x, collected)
    }

    fn embed_dim(&self) -> i64 {
        self.embed_dim
    }

    fn taps(&self) -> &[String] {
        &self.taps
    }

    fn layer_key(&self, parameter: &str) -> Option<[u32; 2]> {
        let first = parameter.split('.').next()?;
        let index = self.taps.iter().position(|tap| tap == first)?;
        let group = self.grouped.iter().position(|end| index < *end);
        Some([group.unwrap_or(self.grouped.len() + index) as u32, 0])
    }
}

//! DenseNet with bottlenecks and compression: "Densely connected convolutional networks" (Huang et al., 2016). Names,
//! parameters and initial values are timm's, which are torchvision's. The last normalisation ends with a ReLU.
//!
//! Taps: `features.norm0`, `features.denseblock1` to `features.denseblock4` and `features.norm5`. Images have at least 29
//! pixels a side.

use crate::arch::{self, Architecture};
use crate::backbone::Collected;
use crate::builder::{Builder, Switches, images};
use crate::head::HeadSpec;
use crate::init::Init;
use crate::layers::{Activation, BatchNorm2d, BatchNormConfig, Block, Conv2d, ConvConfig, ConvNormAct, run};
use crate::preprocessing::Interpolation;
use crate::{Backbone, Error, Features, ModelOptions, Preprocessing, Taps};
use std::collections::BTreeMap;
use tch::{TchError, Tensor};

/// What distinguishes one DenseNet from another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    /// The channels that each layer adds.
    growth: i64,
    /// The layers of each dense block.
    blocks: [usize; 4],
}

const D121: Config = Config { growth: 32, blocks: [6, 12, 24, 16] };

/// The architectures of this family.
pub(crate) const ARCHITECTURES: &[Architecture] = &[
    Architecture::new("densenet121", &D121),
    Architecture::new("densenet161", &Config { growth: 48, blocks: [6, 12, 36, 24] }),
    Architecture::new("densenet169", &Config { blocks: [6, 12, 32, 32], ..D121 }),
    Architecture::new("densenet201", &Config { blocks: [6, 12, 48, 32], ..D121 }),
];

/// Below this side nothing is left for the last transition.
const SMALLEST: i64 = 29;
/// The width of a layer's bottleneck, in units of its growth.
const BOTTLENECK: i64 = 4;

impl arch::Config for Config {
    fn build(&self, builder: &Builder<'_>) -> Result<Box<dyn Backbone>, Error> {
        Ok(Box::new(DenseNet::new(builder, self)?))
    }

    fn head(&self) -> HeadSpec {
        HeadSpec::linear("classifier").started(Init::Default)
    }

    fn untagged(&self) -> (Preprocessing, i64) {
        (Preprocessing { interpolation: Interpolation::Bicubic, ..Default::default() }, 1000)
    }

    /// torchvision's files name the members of a layer `norm.1`, `conv.2`.
    fn adapt(
        &self,
        _options: &ModelOptions,
        tensors: &mut BTreeMap<String, Tensor>,
        _target: &BTreeMap<String, Tensor>,
    ) -> Result<Vec<String>, Error> {
        let modern = |name: &str| {
            let (layer, member) = name.split_once(".denselayer")?;
            let mut parts: Vec<&str> = member.split('.').collect();
            let numbered = matches!(parts.as_slice(), [_, "norm" | "conv", "1" | "2", _]);
            numbered.then(|| {
                let number = parts.remove(2);
                format!("{layer}.denselayer{}.{}{number}.{}", parts[0], parts[1], parts[2])
            })
        };
        let names: Vec<_> = tensors.keys().filter_map(|name| Some((name.clone(), modern(name)?))).collect();
        for (old, new) in &names {
            if let Some(tensor) = tensors.remove(old) {
                tensors.insert(new.clone(), tensor);
            }
        }
        Ok(match names.is_empty() {
            true => Vec::new(),
            false => vec![format!("{} names of the form norm.1 became norm1", names.len())],
        })
    }
}

/// Batch normalisation and a ReLU.
#[derive(Clone)]
struct NormRelu(BatchNorm2d);

impl NormRelu {
    fn new(builder: &Builder<'_>, channels: i64) -> Result<Self, TchError> {
        Ok(Self(BatchNorm2d::new(builder, channels, BatchNormConfig::default())?))
    }

    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        Ok(Activation::Relu.apply_(self.0.forward(x, train)?)?)
    }
}

fn conv(builder: &Builder<'_>, config: ConvConfig) -> Result<Conv2d, TchError> {
    Conv2d::new(builder, config.init(Init::KaimingNormalFanIn))
}

/// From all channels so far to those that the layer adds.
#[derive(Clone)]
struct DenseLayer {
    norm1: NormRelu,
    squeeze: ConvNormAct,
    grow: Conv2d,
}

impl DenseLayer {
    fn new(builder: &Builder<'_>, channels: i64, growth: i64) -> Result<Self, TchError> {
        let width = BOTTLENECK * growth;
        let squeeze = ConvConfig::new(channels, width, 1).init(Init::KaimingNormalFanIn);
        let norm = BatchNormConfig::default();
        Ok(Self {
            norm1: NormRelu::new(&(builder / "norm1"), channels)?,
            squeeze: ConvNormAct::new(builder, ("conv1", "norm2"), squeeze, norm, Activation::Relu)?,
            grow: conv(&(builder / "conv2"), ConvConfig::new(width, growth, 3))?,
        })
    }
}

impl Block for DenseLayer {
    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        let x = self.squeeze.forward(&self.norm1.forward(x, train)?, train)?;
        Ok(self.grow.forward(&x)?)
    }
}

/// Between two blocks: half the channels, half the side.
struct Transition {
    norm: NormRelu,
    conv: Conv2d,
}

impl Transition {
    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        let x = self.conv.forward(&self.norm.forward(x, train)?)?;
        Ok(x.f_avg_pool2d([2, 2], [2, 2], [0, 0], false, true, None::<i64>)?)
    }
}

/// A DenseNet without its classifier.
struct DenseNet {
    stem: ConvNormAct,
    blocks: Vec<(String, Vec<DenseLayer>)>,
    /// Behind every block but the last.
    transitions: Vec<Transition>,
    norm: NormRelu,
    in_channels: i64,
    embed_dim: i64,
    taps: Vec<String>,
    switches: Switches,
}

const FIRST_TAP: &str = "features.norm0";
const LAST_TAP: &str = "features.norm5";

impl DenseNet {
    fn new(builder: &Builder<'_>, config: &Config) -> Result<Self, Error> {
        let in_channels = builder.options().in_channels;
        let features = builder / "features";
        let mut channels = 2 * config.growth;
        let stem = ConvConfig::new(in_channels, channels, 7).stride(2).init(Init::KaimingNormalFanIn);
        let norm = BatchNormConfig::default();
        let stem = ConvNormAct::new(&features, ("conv0", "norm0"), stem, norm, Activation::Relu)?;

        let mut blocks = Vec::new();
        let mut transitions = Vec::new();
        for (i, depth) in config.blocks.into_iter().enumerate() {
            if i > 0 {
                let transition = &features / format!("transition{i}");
                transitions.push(Transition {
                    norm: NormRelu::new(&(&transition / "norm"), channels)?,
                    conv: conv(&(&transition / "conv"), ConvConfig::new(channels, channels / 2, 1))?,
                });
                channels /= 2;
            }
            let name = format!("denseblock{}", i + 1);
            let mut layers = Vec::with_capacity(depth);
            for layer in 1..=depth {
                let builder = &features / &name / format!("denselayer{layer}");
                layers.push(DenseLayer::new(&builder, channels, config.growth)?);
                channels += config.growth;
            }
            blocks.push((format!("features.{name}"), layers));
        }
        let names = blocks.iter().map(|(name, _)| name.as_str());
        let taps = [FIRST_TAP].into_iter().chain(names).chain([LAST_TAP]).map(str::to_owned).collect();
        Ok(Self {
            stem,
            blocks,
            transitions,
            norm: NormRelu::new(&(&features / "norm5"), channels)?,
            in_channels,
            embed_dim: channels,
            taps,
            switches: builder.switches().clone(),
        })
    }
}

impl Backbone for DenseNet {
    fn forward_with_taps(&self, x: &Tensor, train: bool, taps: Taps<'_>) -> Result<Features, Error> {
        let mut collected = Collected::new(taps, self.taps())?;
        let x = images(x, "a DenseNet", self.in_channels, SMALLEST, self.stem.kind())?;
        let x = self.stem.forward(&x, train)?;
        collected.keep(FIRST_TAP, &x);
        let mut x = x.f_max_pool2d([3, 3], [2, 2], [1, 1], [1, 1], false)?;
        for (i, (name, block)) in self.blocks.iter().enumerate() {
            if i > 0 {
                x = self.transitions[i - 1].forward(&x, train)?;
            }
            for layer in block {
                let new = run(&self.switches, layer, &x, train)?;
                x = Tensor::f_cat(&[x, new], 1)?;
            }
            collected.keep(name, &x);
        }
        let map = self.norm.forward(&x, train)?;
        collected.keep(LAST_TAP, &map);
        Features::of_map(map, collected)
    }

    fn embed_dim(&self) -> i64 {
        self.embed_dim
    }

    fn taps(&self) -> &[String] {
        &self.taps
    }

    fn layer_key(&self, parameter: &str) -> Option<[u32; 2]> {
        let mut parts = parameter.strip_prefix("features.")?.split('.');
        let first = parts.next()?;
        if let Some(block) = first.strip_prefix("denseblock") {
            let layer = parts.next()?.strip_prefix("denselayer")?;
            Some([block.parse().ok()?, layer.parse().ok()?])
        } else if let Some(before) = first.strip_prefix("transition") {
            // A transition goes with the last layer of the block before it.
            let block: usize = before.parse().ok()?;
            let layers = &self.blocks.get(block.checked_sub(1)?)?.1;
            Some([block as u32, layers.len() as u32])
        } else {
            matches!(first, "conv0" | "norm0").then_some([0, 0])
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::golden;

    #[test]
    fn match_timm() {
        golden::check_family("densenet", super::ARCHITECTURES);
    }

    #[test]
    fn torchvisions_old_names_are_taken() {
        golden::check_adapt("densenet");
    }
}

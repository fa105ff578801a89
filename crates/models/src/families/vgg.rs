//! VGG: "Very deep convolutional networks for large-scale image recognition" (Simonyan and Zisserman, 2014). Names,
//! parameters and initial values are timm's: the two hidden linear layers are convolutions (`pre_logits.fc1`, 7×7, and
//! `pre_logits.fc2`), so that larger images give a map of features, of which the mean is taken. Below 224 pixels the map is
//! stretched to 7×7.
//!
//! LPIPS and perceptual losses read relu1_2, relu2_2, relu3_3, relu4_3 and relu5_3 of `vgg16`: `features.3`, `features.8`,
//! `features.15`, `features.22` and `features.29`. torchvision trains with a dropout of 0.5: `ModelOptions::drop_rate`.
//!
//! Images have at least 32 pixels a side.

use super::sequential::{self, Plan, Sequential};
use crate::arch::{self, Architecture};
use crate::backbone::Collected;
use crate::builder::{Builder, images};
use crate::head::HeadSpec;
use crate::init::Init;
use crate::layers::{Activation, Conv2d, ConvConfig, Padding, dropout};
use crate::{Backbone, Error, Features, ModelOptions, Taps};
use std::collections::BTreeMap;
use tch::Tensor;

/// What distinguishes one VGG from another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    /// The convolutions of each stage; a pooling ends it.
    stages: [usize; 5],
    norm: bool,
}

const V11: Config = Config { stages: [1, 1, 2, 2, 2], norm: false };
const V13: Config = Config { stages: [2, 2, 2, 2, 2], norm: false };
const V16: Config = Config { stages: [2, 2, 3, 3, 3], norm: false };
const V19: Config = Config { stages: [2, 2, 4, 4, 4], norm: false };

/// The architectures of this family.
pub(crate) const ARCHITECTURES: &[Architecture] = &[
    Architecture::new("vgg11", &V11),
    Architecture::new("vgg11_bn", &Config { norm: true, ..V11 }),
    Architecture::new("vgg13", &V13),
    Architecture::new("vgg13_bn", &Config { norm: true, ..V13 }),
    Architecture::new("vgg16", &V16),
    Architecture::new("vgg16_bn", &Config { norm: true, ..V16 }),
    Architecture::new("vgg19", &V19),
    Architecture::new("vgg19_bn", &Config { norm: true, ..V19 }),
];

/// Channels of each stage.
const WIDTHS: [i64; 5] = [64, 128, 256, 512, 512];
/// Below this side nothing is left for the last pooling.
const SMALLEST: i64 = 32;
/// The side of the map that the first hidden layer sees at once.
const WINDOW: i64 = 7;
const HIDDEN: i64 = 4096;

impl arch::Config for Config {
    fn build(&self, builder: &Builder<'_>) -> Result<Box<dyn Backbone>, Error> {
        Ok(Box::new(Vgg::new(builder, self)?))
    }

    fn head(&self) -> HeadSpec {
        HeadSpec::linear("head.fc").started(Init::Normal(0.01))
    }

    /// torchvision's linear layers `classifier.0`, `.3` and `.6`.
    fn adapt(
        &self,
        _options: &ModelOptions,
        tensors: &mut BTreeMap<String, Tensor>,
        _target: &BTreeMap<String, Tensor>,
    ) -> Result<Vec<String>, Error> {
        let mut renamed = false;
        let layers = [
            ("classifier.0", "pre_logits.fc1"),
            ("classifier.3", "pre_logits.fc2"),
            ("classifier.6", "head.fc"),
        ];
        for (theirs, ours) in layers {
            for part in ["weight", "bias"] {
                let Some(tensor) = tensors.remove(&format!("{theirs}.{part}")) else { continue };
                let size = tensor.size();
                let kernel = if ours == "pre_logits.fc1" { WINDOW } else { 1 };
                let tensor = match size.as_slice() {
                    [output, input] if ours != "head.fc" && input % (kernel * kernel) == 0 => {
                        tensor.f_reshape([*output, input / (kernel * kernel), kernel, kernel])?
                    }
                    _ => tensor,
                };
                tensors.insert(format!("{ours}.{part}"), tensor);
                renamed = true;
            }
        }
        let note = "torchvision's classifier.0, .3 and .6 became pre_logits.fc1, pre_logits.fc2 and head.fc";
        Ok(if renamed { vec![note.into()] } else { Vec::new() })
    }
}

/// A VGG without its last linear layer.
struct Vgg {
    features: Sequential,
    hidden: [Conv2d; 2],
    in_channels: i64,
    drop_rate: f64,
}

impl Vgg {
    fn new(builder: &Builder<'_>, config: &Config) -> Result<Self, Error> {
        let in_channels = builder.options().in_channels;
        let conv = |input, output, kernel| {
            ConvConfig::new(input, output, kernel).init(Init::KaimingNormalFanOut).zero_bias()
        };
        let mut features = Vec::new();
        let mut channels = in_channels;
        for (width, depth) in WIDTHS.into_iter().zip(config.stages) {
            for _ in 0..depth {
                let conv = conv(channels, width, 3);
                features.push(if config.norm { Plan::ConvNorm(conv) } else { Plan::Conv(conv) });
                channels = width;
            }
            features.push(Plan::Pool { kernel: 2, ceil: false });
        }
        let features = Sequential::new(builder, &features)?;
        let fc1 = conv(channels, HIDDEN, WINDOW).padding(Padding::Fixed(0, 0));
        let hidden = [
            Conv2d::new(&(builder / "pre_logits.fc1"), fc1)?,
            Conv2d::new(&(builder / "pre_logits.fc2"), conv(HIDDEN, HIDDEN, 1))?,
        ];
        Ok(Self { features, hidden, in_channels, drop_rate: builder.options().drop_rate })
    }

    fn input(&self, x: &Tensor) -> Result<Tensor, Error> {
        images(x, "a VGG", self.in_channels, SMALLEST, self.features.kind())
    }
}

impl Backbone for Vgg {
    fn forward_with_taps(&self, x: &Tensor, train: bool, taps: Taps<'_>) -> Result<Features, Error> {
        let mut collected = Collected::new(taps, self.taps())?;
        let x = self.input(x)?;
        let map = self.features.forward(&x, train, &mut collected)?;
        let (_, _, height, width) = map.size4()?;
        let (rows, columns) = (height.max(WINDOW), width.max(WINDOW));
        let mut hidden = match (rows, columns) == (height, width) {
            true => map.shallow_clone(),
            false => map.f_adaptive_avg_pool2d([rows, columns])?,
        };
        let [fc1, fc2] = &self.hidden;
        hidden = Activation::Relu.apply_(fc1.forward(&hidden)?)?;
        hidden = Activation::Relu.apply_(fc2.forward(&dropout(hidden, self.drop_rate, train)?)?)?;
        let pooled = hidden.f_adaptive_avg_pool2d([1, 1])?.f_flatten(1, -1)?;
        Ok(Features { pooled, map: Some(map), tokens: None, taps: collected.into_taps() })
    }

    fn forward_taps(&self, x: &Tensor, train: bool, taps: Taps<'_>) -> Result<Vec<(String, Tensor)>, Error> {
        let collected = Collected::new(taps, self.taps())?;
        self.features.forward_taps(&self.input(x)?, train, collected)
    }

    fn embed_dim(&self) -> i64 {
        HIDDEN
    }

    fn taps(&self) -> &[String] {
        self.features.taps()
    }

    fn layer_key(&self, parameter: &str) -> Option<[u32; 2]> {
        sequential::layer_key(parameter)
    }
}

#[cfg(test)]
mod tests {
    use crate::golden;

    #[test]
    fn match_timm() {
        golden::check_family("vgg", super::ARCHITECTURES);
    }

    #[test]
    fn torchvisions_layout_is_taken() {
        golden::check_adapt("vgg");
    }
}

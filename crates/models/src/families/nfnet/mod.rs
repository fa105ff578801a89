//! Networks without normalisation, as timm has them: scaled weight standardisation keeps the size of activations.
//!
//! - NFNet-F0 to F7: "High-performance large-scale image recognition without normalization" (Brock et al., 2021); those with
//!   `dm_` are the authors' (γ in the activation, TensorFlow's padding, a gain of each branch that starts at 0), the others
//!   timm's leaner ones, with its light `l` and ECA kinds.
//! - NF-ResNet and NF-RegNet: "Characterizing signal propagation to close the performance gap in unnormalized ResNets" (Brock et
//!   al., 2021), with SE and ECA kinds.
//!
//! Taps: the stem's last convolution (`stem.conv` or `stem.conv3`), `stages.0` to `stages.2`, and `final_conv`, or `stages.3` in
//! networks without that. Images may have any size.

mod block;
mod stem;
mod table;

pub(crate) use table::ARCHITECTURES;

use crate::arch;
use crate::backbone::Collected;
use crate::builder::{Builder, Switches, images};
use crate::head::HeadSpec;
use crate::init::Init;
use crate::layers::{Activation, ChannelAttentionKind, ConvConfig, Padding, StdConv2d, run};
use crate::preprocessing::Interpolation;
use crate::{Backbone, Error, Features, Preprocessing, Taps};
use block::{NormFree, Place};
use stem::Stem;
use tch::{TchError, Tensor};

/// What distinguishes one from another; widths before the factor and the rounding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    blocks: [usize; 4],
    channels: [i64; 4],
    stem: StemKind,
    stem_channels: i64,
    /// All widths are multiplied by this.
    width_factor: f64,
    /// A block's inner channels, as a part of its outer ones.
    bottleneck: f64,
    /// Channels in a group of the 3×3 convolutions; 0 for one group.
    group_size: i64,
    /// Channels of the last convolution; 0 without one.
    features: i64,
    /// RegNet's blocks: widths from the input, attention in the middle.
    regnet: bool,
    /// A second 3×3 convolution in a block.
    extra_conv: bool,
    attention: Option<ChannelAttentionKind>,
    activation: Activation,
    /// The authors' own: γ in the activation, TensorFlow's padding, a gain of each branch.
    deepmind: bool,
    /// The side of the images, where timm has no weights.
    side: u32,
}

#[derive(Clone, Copy, Debug)]
enum StemKind {
    /// Four 3×3 convolutions, the first and the last of stride 2.
    DeepQuad,
    /// A 3×3 convolution of stride 2.
    Conv3,
    /// A 7×7 convolution of stride 2 and a max-pool.
    Conv7Pool,
}

/// The variance that a residual branch adds is this squared.
const ALPHA: f64 = 0.2;

impl Config {
    /// What brings the deviation of the activation of normal values back to 1, as the authors' code has it.
    fn gamma(&self) -> f64 {
        match self.activation {
            Activation::Gelu => 1.701_504_349_708_557_1,
            Activation::Silu => 1.788_129_329_681_396_5,
            Activation::Relu => 1.713_958_859_443_664_6,
            // No row has another.
            _ => 1.0,
        }
    }

    /// A width times the factor, as a multiple of 8.
    fn width(&self, channels: i64) -> i64 {
        multiple_of_8(channels as f64 * self.width_factor)
    }

    fn conv(&self, builder: &Builder<'_>, config: ConvConfig, gain: f64) -> Result<StdConv2d, TchError> {
        let gamma = if self.deepmind { 1.0 } else { self.gamma() };
        let padding = if self.deepmind { Padding::TensorFlow } else { Padding::Same };
        let config = config.padding(padding).init(Init::LecunNormal).zero_bias();
        StdConv2d::scaled(builder, config, 1e-5, gamma, gain)
    }

    fn scaled_activation(&self) -> ScaledActivation {
        let scale = if self.deepmind { self.gamma() } else { 1.0 };
        ScaledActivation { activation: self.activation, scale }
    }
}

/// The multiple of 8 nearest to `width`, of at least 90 % of it.
fn multiple_of_8(width: f64) -> i64 {
    let nearest = crate::layers::nearest_multiple(width, 8);
    if (nearest as f64) < 0.9 * width { nearest + 8 } else { nearest }
}

/// A non-linearity times a constant.
#[derive(Clone, Copy, Debug)]
struct ScaledActivation {
    activation: Activation,
    scale: f64,
}

impl ScaledActivation {
    /// Of `x`, times `factor`.
    fn apply(self, x: &Tensor, factor: f64) -> Result<Tensor, TchError> {
        self.scaled(self.activation.apply(x)?, factor)
    }

    /// In the memory of `x` where that can be.
    fn apply_(self, x: Tensor) -> Result<Tensor, TchError> {
        self.scaled(self.activation.apply_(x)?, 1.0)
    }

    fn scaled(self, mut y: Tensor, factor: f64) -> Result<Tensor, TchError> {
        let scale = self.scale * factor;
        match self.activation {
            _ if scale == 1.0 => Ok(y),
            // ReLU's backward pass reads its result.
            Activation::Relu => y.f_mul_scalar(scale),
            _ => y.f_mul_scalar_(scale),
        }
    }
}

impl arch::Config for Config {
    fn build(&self, builder: &Builder<'_>) -> Result<Box<dyn Backbone>, Error> {
        Ok(Box::new(NormFreeNet::new(builder, self)?))
    }

    fn head(&self) -> HeadSpec {
        HeadSpec::linear("head.fc").started(Init::Normal(0.01))
    }

    fn untagged(&self) -> (Preprocessing, i64) {
        let (input_size, interpolation) = (self.side, Interpolation::Bicubic);
        (Preprocessing { input_size, crop_pct: 0.9, interpolation, ..Preprocessing::default() }, 1000)
    }
}

struct NormFreeNet {
    stem: Stem,
    stages: [Vec<NormFree>; 4],
    final_conv: Option<StdConv2d>,
    activation: ScaledActivation,
    in_channels: i64,
    embed_dim: i64,
    taps: Vec<String>,
    switches: Switches,
}

impl NormFreeNet {
    fn new(builder: &Builder<'_>, config: &Config) -> Result<Self, Error> {
        let in_channels = builder.options().in_channels;
        let mut channels = config.width(config.stem_channels);
        let stem = Stem::new(&(builder / "stem"), config, in_channels, channels)?;
        let mut drop_path = builder.drop_path_rates(config.blocks.iter().sum()).into_iter();
        let mut stages: [Vec<NormFree>; 4] = Default::default();
        let mut variance = 1.0_f64;
        for (i, stage) in stages.iter_mut().enumerate() {
            for index in 0..config.blocks[i] {
                let strided = index == 0 && (i > 0 || stem.stride() == 2);
                let place = Place {
                    input: channels,
                    output: config.width(config.channels[i]),
                    stride: if strided { 2 } else { 1 },
                    is_first: i == 0 && index == 0,
                    beta: 1.0 / variance.sqrt(),
                    drop_path: drop_path.next().unwrap_or(0.0),
                };
                stage.push(NormFree::new(&(builder / format!("stages.{i}.{index}")), config, place)?);
                channels = place.output;
                // A stage's first shortcut starts from a variance of 1 again.
                variance = if index == 0 { 1.0 } else { variance } + ALPHA * ALPHA;
            }
        }
        let final_conv = match config.features {
            0 => None,
            features => {
                let conv = ConvConfig::new(channels, config.width(features), 1);
                channels = conv.output;
                Some(config.conv(&(builder / "final_conv"), conv, 1.0)?)
            }
        };
        let last = if final_conv.is_some() { "final_conv" } else { "stages.3" };
        Ok(Self {
            taps: [stem.tap(), "stages.0", "stages.1", "stages.2", last].map(str::to_owned).into(),
            stem,
            stages,
            final_conv,
            activation: config.scaled_activation(),
            in_channels,
            embed_dim: channels,
            switches: builder.switches().clone(),
        })
    }
}

impl Backbone for NormFreeNet {
    fn forward_with_taps(&self, x: &Tensor, train: bool, taps: Taps<'_>) -> Result<Features, Error> {
        let mut collected = Collected::new(taps, self.taps())?;
        let x = images(x, "an NFNet", self.in_channels, 1, self.stem.kind())?;
        let mut x = self.stem.forward(&x, |tap| collected.keep(&self.taps[0], tap))?;
        for (name, stage) in self.taps[1..].iter().zip(&self.stages) {
            for block in stage {
                x = run(&self.switches, block, &x, train)?;
            }
            if !name.starts_with("final") {
                collected.keep(name, &x);
            }
        }
        if let Some(conv) = &self.final_conv {
            x = conv.forward(&x)?;
            collected.keep(&self.taps[4], &x);
        }
        let x = self.activation.apply(&x, 1.0)?;
        Features::of_map(x, collected)
    }

    fn embed_dim(&self) -> i64 {
        self.embed_dim
    }

    fn taps(&self) -> &[String] {
        &self.taps
    }

    fn layer_key(&self, parameter: &str) -> Option<[u32; 2]> {
        let parts: Vec<&str> = parameter.split('.').collect();
        match parts[..] {
            ["stem", ..] => Some([0, 0]),
            ["stages", stage, block, ..] => Some([1 + stage.parse::<u32>().ok()?, block.parse().ok()?]),
            // timm's matcher puts the last convolution with the last block.
            ["final_conv", ..] => Some([4, self.stages[3].len() as u32 - 1]),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ARCHITECTURES, Config, table};
    use crate::golden;

    #[test]
    fn match_timm() {
        golden::check_family("nfnet", ARCHITECTURES);
        for (row, config) in
            [("nfnet_f7@depth2", table::nfnet(8)), ("dm_nfnet_f6@depth2", table::deepmind(7))]
        {
            golden::check_config("nfnet", row, &Config { blocks: [2, 2, 2, 2], ..config }, 1000);
        }
    }
}

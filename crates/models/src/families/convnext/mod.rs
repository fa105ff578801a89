//! ConvNeXt: "A ConvNet for the 2020s" (Liu et al., 2022), and ConvNeXt V2: "Co-designing and scaling ConvNets with masked
//! autoencoders" (Woo et al., 2023), as timm's `ConvNeXt`, whose parameter names these are.
//!
//! Maps stay (N, H, W, C) in memory, which every layer here takes as it is: the depthwise convolution sees the same memory
//! as a channels-last (N, C, H, W).
//!
//! Taps: each stage's map, `stages.<i>`. Images have at least 32 pixels a side, 29 for the overlapping stems.

mod block;
mod config;
mod names;
mod sparse;

use crate::backbone::{Collected, stage_key};
use crate::builder::{Builder, Switches, images};
use crate::init::Init;
use crate::layers::{Activation, Conv2d, ConvConfig, Linear, LinearConfig, Padding, run};
use crate::{Backbone, Error, Features, SparseEncoder, Taps};
use block::{Norm, Residual};
use config::{Config, HeadNorm, Stem};
use tch::{TchError, Tensor};

pub(crate) use config::ARCHITECTURES;

/// What comes before a stage's blocks: a normalisation and a convolution, in the stem the other way round.
#[derive(Clone, Debug)]
struct Downsample {
    norm: Norm,
    conv: Conv2d,
}

impl Downsample {
    /// Halves the sides of a map of `input` channels.
    fn new(builder: &Builder<'_>, config: &Config, (input, output): (i64, i64)) -> Result<Self, TchError> {
        Ok(Self {
            norm: Norm::new(&(builder / "0"), config, input)?,
            conv: Conv2d::new(
                &(builder / "1"),
                conv(input, output, 2).stride(2).padding(Padding::Fixed(0, 0)),
            )?,
        })
    }

    /// `x` (N, H, W, C).
    fn convolve(&self, x: &Tensor) -> Result<Tensor, TchError> {
        self.conv.forward(&x.f_permute([0, 3, 1, 2])?)?.f_permute([0, 2, 3, 1])
    }
}

/// A convolution as all of this family start: normal with deviation 0.02, bias 0.
const fn conv(input: i64, output: i64, kernel: i64) -> ConvConfig {
    ConvConfig::new(input, output, kernel).init(Init::Normal(0.02)).zero_bias()
}

/// A ConvNeXt without its classifier.
pub(crate) struct ConvNeXt {
    stem: Vec<Conv2d>,
    stem_norm: Norm,
    downsample: Vec<Downsample>,
    stages: Vec<Vec<Residual>>,
    head_norm: Norm,
    /// The head's hidden layer.
    hidden: Option<Linear>,
    config: Config,
    in_channels: i64,
    embed_dim: i64,
    /// Each stage's output.
    taps: Vec<String>,
    switches: Switches,
}

impl ConvNeXt {
    pub(crate) fn new(builder: &Builder<'_>, config: &Config) -> Result<Self, Error> {
        let widths = config.widths;
        let in_channels = builder.options().in_channels;
        let first = conv(in_channels, widths[0], 3).stride(2);
        let (convs, norm) = match config.stem {
            Stem::Patch => {
                let patch = conv(in_channels, widths[0], 4).stride(4).padding(Padding::Fixed(0, 0));
                (vec![("0", patch)], "1")
            }
            Stem::Overlap(middle) => {
                let second = conv(middle, widths[0], 3).stride(2);
                (vec![("0", ConvConfig { output: middle, ..first }), ("1", second)], "2")
            }
            // The activation has number 1.
            Stem::OverlapActivated => {
                (vec![("0", first), ("2", conv(widths[0], widths[0], 3).stride(2))], "3")
            }
        };
        let stem = builder / "stem";
        let stem_norm = Norm::new(&(&stem / norm), config, widths[0])?;
        let stem = convs.into_iter().map(|(name, conv)| Conv2d::new(&(&stem / name), conv));
        let stem = stem.collect::<Result<_, _>>()?;

        let (mut downsample, mut stages) = (Vec::new(), Vec::new());
        let mut rates = builder.drop_path_rates(config.depths.iter().sum()).into_iter();
        for (i, depth) in config.depths.into_iter().enumerate() {
            let builder = builder / "stages" / i;
            if i > 0 {
                let channels = (widths[i - 1], widths[i]);
                downsample.push(Downsample::new(&(&builder / "downsample"), config, channels)?);
            }
            let shape = (widths[i], config.kernels[i]);
            let block = |j| {
                let rate = rates.next().unwrap_or(0.0);
                Residual::new(&(&builder / "blocks" / j), config, shape, rate)
            };
            stages.push((0..depth).map(block).collect::<Result<_, _>>()?);
        }

        let (norm, hidden) = match config.head {
            HeadNorm::Pooled => ("head.norm", None),
            HeadNorm::PooledHidden(width) => ("head.norm", Some(width)),
            HeadNorm::Map => ("norm_pre", None),
        };
        let embed_dim = hidden.unwrap_or(widths[3]);
        let hidden = match hidden {
            Some(width) => {
                let linear = LinearConfig::normal02(widths[3], width);
                Some(Linear::new(&(builder / "head.pre_logits.fc"), linear)?)
            }
            None => None,
        };
        Ok(Self {
            stem,
            stem_norm,
            downsample,
            stages,
            head_norm: Norm::new(&(builder / norm), config, widths[3])?,
            hidden,
            config: *config,
            in_channels,
            embed_dim,
            taps: (0..4).map(|i| format!("stages.{i}")).collect(),
            switches: builder.switches().clone(),
        })
    }

    /// The stem's output, (N, H / 4, W / 4, C), of images (N, C, H, W).
    fn stem(&self, x: &Tensor) -> Result<Tensor, Error> {
        let smallest = match self.config.stem {
            Stem::Patch => 32,
            // Its convolutions pad.
            _ => 29,
        };
        let mut x = images(x, "a ConvNeXt", self.in_channels, smallest, self.stem[0].weight().kind())?;
        for (i, conv) in self.stem.iter().enumerate() {
            if i > 0 && self.config.stem == Stem::OverlapActivated {
                x = self.config.activation.apply_(x)?;
            }
            x = conv.forward(&x)?;
        }
        Ok(self.stem_norm.forward(&x.f_permute([0, 2, 3, 1])?)?)
    }

    /// What the classifier reads, of the last map (N, H, W, C).
    fn pool(&self, map: &Tensor) -> Result<Tensor, TchError> {
        let mean = map.f_mean_dim(&[1_i64, 2][..], false, None)?;
        if self.config.head == HeadNorm::Map {
            return Ok(mean);
        }
        let pooled = self.head_norm.forward(&mean)?;
        match &self.hidden {
            Some(hidden) => Activation::Gelu.apply_(hidden.forward(&pooled)?),
            None => Ok(pooled),
        }
    }
}

impl Backbone for ConvNeXt {
    fn forward_with_taps(&self, x: &Tensor, train: bool, taps: Taps<'_>) -> Result<Features, Error> {
        let mut collected = Collected::new(taps, self.taps())?;
        let nchw = |x: &Tensor| x.f_permute([0, 3, 1, 2]);
        let mut x = self.stem(x)?;
        for (i, blocks) in self.stages.iter().enumerate() {
            if i > 0 {
                let downsample = &self.downsample[i - 1];
                x = downsample.convolve(&downsample.norm.forward(&x)?)?;
            }
            for block in blocks {
                x = run(&self.switches, block, &x, train)?;
            }
            collected.keep(&self.taps[i], &nchw(&x)?);
        }
        if self.config.head == HeadNorm::Map {
            x = self.head_norm.forward(&x)?;
        }
        let pooled = self.pool(&x)?;
        Ok(Features { pooled, map: Some(nchw(&x)?), tokens: None, taps: collected.into_taps() })
    }

    fn embed_dim(&self) -> i64 {
        self.embed_dim
    }

    fn taps(&self) -> &[String] {
        &self.taps
    }

    fn layer_key(&self, parameter: &str) -> Option<[u32; 2]> {
        let mut parts = parameter.split('.');
        match parts.next()? {
            "stem" => Some([0, 0]),
            "stages" => stage_key(parts),
            "norm_pre" => Some([4, self.stages[3].len() as u32 - 1]),
            _ => None,
        }
    }

    fn sparse_encoder(&self) -> Option<&dyn SparseEncoder> {
        Some(self)
    }
}

#[cfg(test)]
mod tests;

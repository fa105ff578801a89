//! The network of the family: stem, stages of blocks, and the last convolution.

use super::block::{MobileBlock, conv_norm_act, started};
use super::stages::{divisible, repeats};
use super::{Config, Top};
use crate::backbone::Collected;
use crate::builder::{Builder, Switches, images};
use crate::layers::{Activation, Conv2d, ConvConfig, ConvNormAct, run};
use crate::{Backbone, Error, Features, Taps};
use tch::Tensor;

/// An EfficientNet or MobileNet without its classifier.
pub(super) struct EfficientNet {
    stem: ConvNormAct,
    stages: Vec<Vec<MobileBlock>>,
    top: TopConv,
    in_channels: i64,
    embed_dim: i64,
    taps: Vec<String>,
    switches: Switches,
}

enum TopConv {
    BeforePooling(ConvNormAct),
    AfterPooling(Conv2d, Activation),
}

impl EfficientNet {
    pub(super) fn new(builder: &Builder<'_>, config: &Config) -> Result<Self, Error> {
        let in_channels = builder.options().in_channels;
        let scaled = |channels: i64| divisible(channels as f64 * config.width);
        let mut channels = if config.fixed_stem { config.stem } else { scaled(config.stem) };
        let stem = ConvConfig::new(in_channels, channels, 3).stride(2);
        let stem = conv_norm_act(builder, ("conv_stem", "bn1"), stem, config.activation, config)?;

        let last = config.stages.len() - 1;
        let depths: Vec<Vec<usize>> = config
            .stages
            .iter()
            .enumerate()
            .map(|(i, rows)| {
                let fixed = config.fixed_ends && (i == 0 || i == last);
                repeats(rows, if fixed { 1.0 } else { config.depth })
            })
            .collect();
        let total = depths.iter().flatten().sum::<usize>() as f64;
        let mut stages = Vec::with_capacity(depths.len());
        let mut taps = vec!["bn1".to_owned()];
        let mut index = 0.0;
        for (i, (rows, depths)) in config.stages.iter().zip(depths).enumerate() {
            let tap = format!("blocks.{i}");
            let builder = builder / &tap;
            let mut stage = Vec::new();
            for (row, depth) in rows.iter().zip(depths) {
                for _ in 0..depth {
                    let stride = if stage.is_empty() { row.stride } else { 1 };
                    let shape = (channels, scaled(row.channels), stride);
                    // Unlike elsewhere the last block's rate stays below the full one.
                    let drop_path = builder.options().drop_path_rate * index / total;
                    stage.push(MobileBlock::new(&(&builder / stage.len()), row, shape, drop_path, config)?);
                    channels = shape.1;
                    index += 1.0;
                }
            }
            stages.push(stage);
            taps.push(tap);
        }

        let (top, embed_dim) = match config.top {
            Top::BeforePooling => {
                let output = if config.fixed_ends { 1280 } else { scaled(1280).max(1280) };
                let conv = ConvConfig::new(channels, output, 1);
                let conv = conv_norm_act(builder, ("conv_head", "bn2"), conv, config.activation, config)?;
                (TopConv::BeforePooling(conv), output)
            }
            Top::AfterPooling { channels: output, bias } => {
                let conv = started(ConvConfig::new(channels, output, 1));
                let conv = if bias { conv.zero_bias() } else { conv };
                let conv = Conv2d::new(&(builder / "conv_head"), conv)?;
                (TopConv::AfterPooling(conv, config.activation), output)
            }
        };
        let switches = builder.switches().clone();
        Ok(Self { stem, stages, top, in_channels, embed_dim, taps, switches })
    }
}

impl Backbone for EfficientNet {
    fn forward_with_taps(&self, x: &Tensor, train: bool, taps: Taps<'_>) -> Result<Features, Error> {
        let mut collected = Collected::new(taps, self.taps())?;
        let x = images(x, "an EfficientNet or MobileNet", self.in_channels, 1, self.stem.kind())?;
        let mut x = self.stem.forward(&x, train)?;
        collected.keep(&self.taps[0], &x);
        for (stage, name) in self.stages.iter().zip(&self.taps[1..]) {
            for block in stage {
                x = run(&self.switches, block, &x, train)?;
            }
            collected.keep(name, &x);
        }
        let pool = |x: &Tensor| x.f_adaptive_avg_pool2d([1, 1]);
        let (map, pooled) = match &self.top {
            TopConv::BeforePooling(conv) => {
                let map = conv.forward(&x, train)?;
                let pooled = pool(&map)?;
                (map, pooled)
            }
            TopConv::AfterPooling(conv, activation) => {
                let pooled = activation.apply_(conv.forward(&pool(&x)?)?)?;
                (x, pooled)
            }
        };
        let pooled = pooled.f_flatten(1, -1)?;
        Ok(Features { pooled, map: Some(map), tokens: None, taps: collected.into_taps() })
    }

    fn embed_dim(&self) -> i64 {
        self.embed_dim
    }

    fn taps(&self) -> &[String] {
        &self.taps
    }

    fn layer_key(&self, parameter: &str) -> Option<[u32; 2]> {
        let key = |stage: usize, block: usize| Some([stage as u32 + 1, block as u32]);
        let mut parts = parameter.split('.');
        match parts.next()? {
            "conv_stem" | "bn1" => Some([0, 0]),
            "blocks" => key(parts.next()?.parse().ok()?, parts.next()?.parse().ok()?),
            // The last convolution belongs to the last block, unless it stands behind pooling.
            "conv_head" | "bn2" if matches!(self.top, TopConv::BeforePooling(_)) => {
                let stage = self.stages.len().checked_sub(1)?;
                key(stage, self.stages[stage].len().checked_sub(1)?)
            }
            _ => None,
        }
    }
}

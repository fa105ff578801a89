//! Wide residual networks for 32-pixel images (Zagoruyko and Komodakis, 2016): WRN-d-k has (d - 4) / 6 pre-activation
//! blocks of two 3×3 convolutions in each of three stages, k times as wide as 16, 32 and 64. The shortcut's projection sees
//! the activated input, as in the authors' code; the dropout between a block's convolutions is left out.
//!
//! timm has none of them. The parameters are `conv1`, `layer<1-3>.<block>.{bn1, conv1, bn2, conv2, downsample}`,
//! `bn1` and `fc`.
//!
//! Taps: `conv1` and `layer1` to `layer3`. Images may have any size.

use crate::arch::{self, Architecture};
use crate::backbone::Collected;
use crate::builder::{Builder, Switches, images};
use crate::head::HeadSpec;
use crate::init::Init;
use crate::layers::{
    Conv2d, ConvConfig, Convolution, DropPath, Norm2d, Norm2dKind, PreActivation, PreActivationBlock,
    Projection, run_stages,
};
use crate::preprocessing::{CIFAR_MEAN, CIFAR_STD, Interpolation};
use crate::{Backbone, Error, Features, Preprocessing, Taps};
use tch::Tensor;

/// What distinguishes one from another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    /// Blocks in each stage.
    blocks: usize,
    widening: i64,
}

/// The architectures of this family.
pub(crate) const ARCHITECTURES: &[Architecture] = &[
    Architecture::new("wrn_28_10", &Config { blocks: 4, widening: 10 }),
    Architecture::new("wrn_40_2", &Config { blocks: 6, widening: 2 }),
];

impl arch::Config for Config {
    fn build(&self, builder: &Builder<'_>) -> Result<Box<dyn Backbone>, Error> {
        Ok(Box::new(WideResNet::new(builder, self)?))
    }

    fn head(&self) -> HeadSpec {
        HeadSpec::linear("fc").started(Init::Default)
    }

    fn untagged(&self) -> (Preprocessing, i64) {
        let default = Preprocessing { interpolation: Interpolation::Bicubic, ..Preprocessing::default() };
        (Preprocessing { input_size: 32, crop_pct: 1.0, mean: CIFAR_MEAN, std: CIFAR_STD, ..default }, 10)
    }
}

struct WideResNet {
    stem: Conv2d,
    stages: [Vec<PreActivationBlock>; 3],
    norm: Norm2d,
    in_channels: i64,
    embed_dim: i64,
    taps: Vec<String>,
    switches: Switches,
}

/// The stem's output, then each stage's.
const TAPS: [&str; 4] = ["conv1", "layer1", "layer2", "layer3"];

fn conv3(builder: &Builder<'_>, input: i64, output: i64, stride: i64) -> Result<Conv2d, Error> {
    let config = ConvConfig::new(input, output, 3).stride(stride).init(Init::KaimingNormalFanOut);
    Ok(Conv2d::new(builder, config)?)
}

fn norm(builder: &Builder<'_>, channels: i64) -> Result<Norm2d, Error> {
    Norm2d::new(builder, Norm2dKind::Batch, channels, 1.0)
}

fn block(
    builder: &Builder<'_>,
    (input, output, stride): (i64, i64, i64),
    drop_path: f64,
) -> Result<PreActivationBlock, Error> {
    let member = |(name, conv): (&str, &str), input, stride| {
        let conv = Convolution::Plain(conv3(&(builder / conv), input, output, stride)?);
        Ok::<_, Error>(PreActivation { norm: norm(&(builder / name), input)?, conv })
    };
    let projection = match input != output {
        true => {
            let config = ConvConfig::new(input, output, 1).stride(stride).init(Init::KaimingNormalFanOut);
            let conv = Convolution::Plain(Conv2d::new(&(builder / "downsample"), config)?);
            Some(Projection { average: false, conv })
        }
        false => None,
    };
    Ok(PreActivationBlock {
        first: member(("bn1", "conv1"), input, stride)?,
        rest: vec![member(("bn2", "conv2"), output, 1)?],
        projection,
        drop_path: DropPath(drop_path),
    })
}

impl WideResNet {
    fn new(builder: &Builder<'_>, config: &Config) -> Result<Self, Error> {
        let in_channels = builder.options().in_channels;
        let mut channels = 16;
        let stem = conv3(&(builder / TAPS[0]), in_channels, channels, 1)?;
        let mut drop_path = builder.drop_path_rates(3 * config.blocks).into_iter();
        let mut stages: [Vec<PreActivationBlock>; 3] = Default::default();
        for (i, stage) in stages.iter_mut().enumerate() {
            let builder = builder / TAPS[i + 1];
            let output = (16 << i) * config.widening;
            for index in 0..config.blocks {
                let stride = if i > 0 && index == 0 { 2 } else { 1 };
                let drop_path = drop_path.next().unwrap_or(0.0);
                stage.push(block(&(&builder / index), (channels, output, stride), drop_path)?);
                channels = output;
            }
        }
        Ok(Self {
            stem,
            stages,
            norm: norm(&(builder / "bn1"), channels)?,
            in_channels,
            embed_dim: channels,
            taps: TAPS.map(str::to_owned).into(),
            switches: builder.switches().clone(),
        })
    }
}

impl Backbone for WideResNet {
    fn forward_with_taps(&self, x: &Tensor, train: bool, taps: Taps<'_>) -> Result<Features, Error> {
        let mut collected = Collected::new(taps, self.taps())?;
        let x = images(x, "a wide ResNet", self.in_channels, 1, self.stem.weight().kind())?;
        let x = self.stem.forward(&x)?;
        collected.keep(TAPS[0], &x);
        let x = run_stages(&self.switches, &self.stages, &self.taps[1..], x, train, &mut collected)?;
        let x = self.norm.forward(&x, train)?.f_relu_()?;
        Features::of_map(x, collected)
    }

    fn embed_dim(&self) -> i64 {
        self.embed_dim
    }

    fn taps(&self) -> &[String] {
        &self.taps
    }

    /// The last normalisation goes with the last block, as in timm's ResNetV2.
    fn layer_key(&self, parameter: &str) -> Option<[u32; 2]> {
        let mut parts = parameter.split('.');
        let first = parts.next()?;
        match first.strip_prefix("layer") {
            Some(stage) => Some([stage.parse().ok()?, parts.next()?.parse().ok()?]),
            None if first == "bn1" => Some([3, self.stages[2].len() as u32 - 1]),
            None => (first == "conv1").then_some([0, 0]),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::golden;

    #[test]
    fn match_the_paper() {
        golden::check_family("wide_resnet", super::ARCHITECTURES);
        for (name, millions) in [("wrn_28_10", 36.5), ("wrn_40_2", 2.2)] {
            let count = crate::model_info(name).expect("known").parameters as f64 / 1e6;
            assert!((count - millions).abs() < 0.05, "{name} has {count} million parameters");
        }
    }
}

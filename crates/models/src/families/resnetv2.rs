//! ResNets of the second version: pre-activation blocks ("Identity mappings in deep residual networks", He et al., 2016) with
//! the stride in the 3×3 convolution, under timm's names.
//!
//! The `_bit` ones are "Big Transfer (BiT): general visual representation learning" (Kolesnikov et al., 2019): standardised
//! weights, group normalisation, a max-pool over an image padded with zeros, widths times 1 to 4. [`adapt`](arch::Config::adapt)
//! reads the names of the published `.npz` files.
//!
//! Taps: the stem's last convolution (`stem.conv` or `stem.conv3`) and `stages.0` to `stages.3`. Images may have any size.

use crate::arch::{self, Architecture};
use crate::backbone::Collected;
use crate::builder::{Builder, Switches, images};
use crate::head::{HeadKind, HeadSpec};
use crate::init::Init;
use crate::layers::{
    Conv2d, ConvConfig, Convolution, DropPath, Norm2d, Norm2dKind, PreActivation, PreActivationBlock,
    Projection, StdConv2d, max_pool_3x3, run_stages,
};
use crate::preprocessing::Interpolation;
use crate::{Backbone, Error, Features, ModelOptions, Preprocessing, Taps};
use std::collections::BTreeMap;
use tch::{Kind, Tensor};

/// What distinguishes one from another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    blocks: [usize; 4],
    /// Channels of the stem, times the widening.
    width: i64,
    /// Two 3×3 convolutions in a block, rather than a bottleneck.
    basic: bool,
    stem: StemKind,
    norm: Norm2dKind,
    /// Standardised weights, and the padding with zeros.
    bit: bool,
    /// Means of 2×2 pixels in the shortcuts.
    average: bool,
}

#[derive(Clone, Copy, Debug)]
enum StemKind {
    /// A 7×7 convolution.
    Conv7,
    /// Three 3×3 convolutions, the first two of these widths.
    Deep(i64, i64),
}

const R50: Config = Config {
    blocks: [3, 4, 6, 3],
    width: 64,
    basic: false,
    stem: StemKind::Conv7,
    norm: Norm2dKind::Batch,
    bit: false,
    average: false,
};
const R101: Config = Config { blocks: [3, 4, 23, 3], ..R50 };
const R152: Config = Config { blocks: [3, 8, 36, 3], ..R50 };
const R34: Config = Config { basic: true, ..R50 };
const R18: Config = Config { blocks: [2, 2, 2, 2], ..R34 };

impl Config {
    const fn d(self) -> Self {
        Self { stem: StemKind::Deep(32, 32), average: true, ..self }
    }

    const fn t(self) -> Self {
        Self { stem: StemKind::Deep(24, 32), average: true, ..self }
    }

    /// BiT's, widened.
    const fn bit(self, widening: i64) -> Self {
        Self { width: 64 * widening, norm: Norm2dKind::Group, bit: true, ..self }
    }
}

/// The architectures of this family.
pub(crate) const ARCHITECTURES: &[Architecture] = &[
    Architecture::new("resnetv2_18", &R18),
    Architecture::new("resnetv2_18d", &R18.d()),
    Architecture::new("resnetv2_34", &R34),
    Architecture::new("resnetv2_34d", &R34.d()),
    Architecture::new("resnetv2_50", &R50),
    Architecture::new("resnetv2_50d", &R50.d()),
    Architecture::new("resnetv2_50t", &R50.t()),
    Architecture::new("resnetv2_50d_gn", &Config { norm: Norm2dKind::Group, ..R50.d() }),
    Architecture::new("resnetv2_101", &R101),
    Architecture::new("resnetv2_101d", &R101.d()),
    Architecture::new("resnetv2_152", &R152),
    Architecture::new("resnetv2_152d", &R152.d()),
    Architecture::new("resnetv2_50x1_bit", &R50.bit(1)),
    Architecture::new("resnetv2_50x3_bit", &R50.bit(3)),
    Architecture::new("resnetv2_101x1_bit", &R101.bit(1)),
    Architecture::new("resnetv2_101x3_bit", &R101.bit(3)),
    Architecture::new("resnetv2_152x2_bit", &R152.bit(2)),
    Architecture::new("resnetv2_152x4_bit", &R152.bit(4)),
];

impl arch::Config for Config {
    fn build(&self, builder: &Builder<'_>) -> Result<Box<dyn Backbone>, Error> {
        Ok(Box::new(ResNetV2::new(builder, self)?))
    }

    fn head(&self) -> HeadSpec {
        HeadSpec::linear("head.fc").kind(HeadKind::Conv1x1).started(Init::Normal(0.01))
    }

    fn untagged(&self) -> (Preprocessing, i64) {
        let (mean, std) = ([0.5; 3], [0.5; 3]);
        let interpolation = Interpolation::Bicubic;
        (Preprocessing { interpolation, mean, std, ..Preprocessing::default() }, 1000)
    }

    /// BiT's `.npz` files, whose kernels are (H, W, I, O).
    fn adapt(
        &self,
        _options: &ModelOptions,
        tensors: &mut BTreeMap<String, Tensor>,
        _target: &BTreeMap<String, Tensor>,
    ) -> Result<Vec<String>, Error> {
        let mut renamed = 0;
        for (name, tensor) in std::mem::take(tensors) {
            let (name, tensor) = match name.strip_prefix("resnet/").and_then(bit_name) {
                Some(new) => {
                    renamed += 1;
                    let kernel = tensor.dim() == 4;
                    let tensor =
                        if kernel { tensor.f_permute([3, 2, 0, 1])?.f_contiguous()? } else { tensor };
                    (new, tensor)
                }
                None => (name, tensor),
            };
            tensors.insert(name, tensor);
        }
        Ok(match renamed {
            0 => Vec::new(),
            count => vec![format!("{count} tensors of a BiT file renamed")],
        })
    }
}

/// timm's name for BiT's, without its leading `resnet/`.
fn bit_name(name: &str) -> Option<String> {
    let parts: Vec<&str> = name.split('/').collect();
    let norm = |value: &str| match value {
        "gamma" => Some("weight"),
        "beta" => Some("bias"),
        _ => None,
    };
    match parts[..] {
        ["root_block", "standardized_conv2d", "kernel"] => Some("stem.conv.weight".into()),
        ["group_norm", value] => Some(format!("norm.{}", norm(value)?)),
        ["head", "conv2d", "kernel"] => Some("head.fc.weight".into()),
        ["head", "conv2d", "bias"] => Some("head.fc.bias".into()),
        [block, unit, place, ref rest @ ..] => {
            let number =
                |part: &str, prefix| part.strip_prefix(prefix)?.parse::<usize>().ok()?.checked_sub(1);
            let (stage, index) = (number(block, "block")?, number(unit, "unit")?);
            let layer = 1 + ["a", "b", "c"].iter().position(|known| *known == place)?;
            let at = match *rest {
                ["standardized_conv2d", "kernel"] => format!("conv{layer}.weight"),
                ["group_norm", value] => format!("norm{layer}.{}", norm(value)?),
                ["proj", "standardized_conv2d", "kernel"] => "downsample.conv.weight".into(),
                _ => return None,
            };
            Some(format!("stages.{stage}.blocks.{index}.{at}"))
        }
        _ => None,
    }
}

/// Makes the convolutions and normalisations of one network.
impl Config {
    fn conv(&self, builder: &Builder<'_>, config: ConvConfig) -> Result<Convolution, Error> {
        let config = config.init(Init::KaimingNormalFanOut);
        Ok(match self.bit {
            true => Convolution::Standardised(StdConv2d::new(builder, config, 1e-8)?),
            false => Convolution::Plain(Conv2d::new(builder, config)?),
        })
    }

    /// Layers `conv<n>` and the `norm<m>` before it.
    fn member(
        &self,
        builder: &Builder<'_>,
        (norm, conv): (usize, usize),
        config: ConvConfig,
    ) -> Result<PreActivation, Error> {
        Ok(PreActivation {
            norm: Norm2d::new(&(builder / format!("norm{norm}")), self.norm, config.input, 1.0)?,
            conv: self.conv(&(builder / format!("conv{conv}")), config)?,
        })
    }

    fn block(
        &self,
        builder: &Builder<'_>,
        (input, output, stride): (i64, i64, i64),
        (is_first, drop_path): (bool, f64),
    ) -> Result<PreActivationBlock, Error> {
        let conv = ConvConfig::new;
        let member = |n, config| self.member(builder, (n, n), config);
        let (first, rest) = match self.basic {
            true => {
                (member(1, conv(input, output, 3).stride(stride))?, vec![member(2, conv(output, output, 3))?])
            }
            false => {
                let middle = output / 4;
                let rest = vec![
                    member(2, conv(middle, middle, 3).stride(stride))?,
                    member(3, conv(middle, output, 1))?,
                ];
                (member(1, conv(input, middle, 1))?, rest)
            }
        };
        // A bottleneck stage begins with a projection whether the shape changes or not.
        let projection = match is_first && (!self.basic || stride != 1 || input != output) {
            true => {
                let conv_stride = if self.average { 1 } else { stride };
                let config = conv(input, output, 1).stride(conv_stride);
                let conv = self.conv(&(builder / "downsample.conv"), config)?;
                Some(Projection { average: stride != conv_stride, conv })
            }
            false => None,
        };
        Ok(PreActivationBlock { first, rest, projection, drop_path: DropPath(drop_path) })
    }
}

struct ResNetV2 {
    stem: Convolution,
    deep: Vec<PreActivation>,
    zeros: bool,
    stages: [Vec<PreActivationBlock>; 4],
    norm: Norm2d,
    in_channels: i64,
    embed_dim: i64,
    taps: Vec<String>,
    switches: Switches,
}

impl ResNetV2 {
    fn new(builder: &Builder<'_>, config: &Config) -> Result<Self, Error> {
        let in_channels = builder.options().in_channels;
        let stem = builder / "stem";
        let conv = ConvConfig::new;
        let (first, deep, tap) = match config.stem {
            StemKind::Conv7 => {
                let conv = config.conv(&(&stem / "conv"), conv(in_channels, config.width, 7).stride(2))?;
                (conv, Vec::new(), "stem.conv")
            }
            StemKind::Deep(one, two) => {
                let deep = vec![
                    config.member(&stem, (1, 2), conv(one, two, 3))?,
                    config.member(&stem, (2, 3), conv(two, config.width, 3))?,
                ];
                (config.conv(&(&stem / "conv1"), conv(in_channels, one, 3).stride(2))?, deep, "stem.conv3")
            }
        };
        let mut channels = config.width;
        let mut drop_path = builder.drop_path_rates(config.blocks.iter().sum()).into_iter();
        let mut stages: [Vec<PreActivationBlock>; 4] = Default::default();
        for (i, stage) in stages.iter_mut().enumerate() {
            let output = (config.width << i) * if config.basic { 1 } else { 4 };
            for index in 0..config.blocks[i] {
                let builder = builder / format!("stages.{i}.blocks.{index}");
                let stride = if i > 0 && index == 0 { 2 } else { 1 };
                let drop_path = drop_path.next().unwrap_or(0.0);
                stage.push(config.block(&builder, (channels, output, stride), (index == 0, drop_path))?);
                channels = output;
            }
        }
        Ok(Self {
            stem: first,
            deep,
            zeros: config.bit,
            stages,
            norm: Norm2d::new(&(builder / "norm"), config.norm, channels, 1.0)?,
            in_channels,
            embed_dim: channels,
            taps: [tap, "stages.0", "stages.1", "stages.2", "stages.3"].map(str::to_owned).into(),
            switches: builder.switches().clone(),
        })
    }

    fn kind(&self) -> Kind {
        self.stem.weight().kind()
    }
}

impl Backbone for ResNetV2 {
    fn forward_with_taps(&self, x: &Tensor, train: bool, taps: Taps<'_>) -> Result<Features, Error> {
        let mut collected = Collected::new(taps, self.taps())?;
        let mut x = self.stem.forward(&images(x, "a ResNetV2", self.in_channels, 1, self.kind())?)?;
        for member in &self.deep {
            x = member.forward(&x, train)?;
        }
        collected.keep(&self.taps[0], &x);
        let x = max_pool_3x3(&x, self.zeros)?;
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

    fn layer_key(&self, parameter: &str) -> Option<[u32; 2]> {
        let parts: Vec<&str> = parameter.split('.').collect();
        match parts[..] {
            ["stem", ..] => Some([0, 0]),
            ["stages", stage, "blocks", block, ..] => {
                Some([1 + stage.parse::<u32>().ok()?, block.parse().ok()?])
            }
            // timm's matcher puts the final norm with the last block.
            ["norm", ..] => Some([4, self.stages[3].len() as u32 - 1]),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ARCHITECTURES, Config, R152};
    use crate::golden;

    #[test]
    fn match_timm() {
        golden::check_family("resnetv2", ARCHITECTURES);
        let shallow = Config { blocks: [2, 2, 2, 2], ..R152.bit(4) };
        golden::check_config("resnetv2", "resnetv2_152x4_bit@depth2", &shallow, 1000);
    }

    #[test]
    fn bits_npz_names_are_read_as_timm_reads_them() {
        golden::check_adapt("resnetv2");
    }
}

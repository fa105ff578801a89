//! ResNets: "Deep residual learning for image recognition" (He et al., 2015), with the stride of a bottleneck in
//! its 3×3 convolution ("v1.5"), as in torchvision and timm, whose parameter names these are; and the networks that differ
//! from them in a part:
//!
//! - the `c`, `d`, `s` and `t` stems and shortcuts of "Bag of tricks for image classification" (He et al., 2018);
//! - ResNeXt (Xie et al., 2016), wide ResNets (Zagoruyko and Komodakis, 2016), SENet-154 and ResNet-RS (Bello et al., 2021);
//! - channel attention: SE (Hu et al., 2017) and ECA (Wang et al., 2019);
//! - anti-aliasing by blurring (Zhang, 2019) or averaging; group normalisation (Wu and He, 2018).
//!
//! The `_cifar` variants replace the stem by one 3×3 convolution of stride 1 without pooling, as SimCLR (Chen et
//! al., 2020, appendix B.9) does for 32-pixel images. `_w16` divides every width by four.
//!
//! Taps: `act1` and `layer1` to `layer4`. Images may have any size; blurred networks take at least 17 pixels a side, and
//! averaging ones what 32 divides.

mod block;
mod stem;
mod table;

pub(crate) use table::ARCHITECTURES;

use crate::arch;
use crate::backbone::Collected;
use crate::builder::{Builder, Switches, images};
use crate::head::HeadSpec;
use crate::layers::{AntiAliasing, ChannelAttentionKind, Norm2dKind, run_stages};
use crate::preprocessing::{CIFAR_MEAN, CIFAR_STD, Interpolation};
use crate::{Backbone, Error, Features, Preprocessing, Taps};
use block::{Place, Residual};
use stem::Stem;
use tch::Tensor;

/// What distinguishes one ResNet from another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    block: BlockKind,
    blocks: [usize; 4],
    /// The planes of the first stage; each later stage doubles them.
    width: i64,
    stem: StemKind,
    pool: StemPool,
    /// Groups of a bottleneck's 3×3 convolution.
    groups: i64,
    /// Channels of that convolution, per group and 64 planes.
    base_width: i64,
    /// A bottleneck's first convolution makes this times fewer channels.
    reduce_first: i64,
    shortcut: ShortcutKind,
    norm: Norm2dKind,
    attention: Option<ChannelAttentionKind>,
    anti_aliasing: Option<AntiAliasing>,
    /// The side of the images and the part of them that a crop keeps, where timm has no weights.
    input: (u32, f64),
}

#[derive(Clone, Copy, Debug)]
enum BlockKind {
    /// Two 3×3 convolutions.
    Basic,
    /// 1×1, 3×3, 1×1, the last four times as wide as the planes.
    Bottleneck,
}

impl BlockKind {
    fn expansion(self) -> i64 {
        match self {
            Self::Basic => 1,
            Self::Bottleneck => 4,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum StemKind {
    /// A 7×7 convolution of stride 2.
    Conv7,
    /// Three 3×3 convolutions of these widths, the first of stride 2.
    Deep([i64; 3]),
    /// A 3×3 convolution of stride 1, and no pooling.
    Cifar,
}

/// How the stem halves the size again.
#[derive(Clone, Copy, Debug, PartialEq)]
enum StemPool {
    /// A 3×3 max-pool; anti-aliased networks blur it or take plain means instead.
    Max,
    /// A 3×3 convolution.
    Conv,
}

/// The projection of a shortcut where the shape changes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum ShortcutKind {
    /// A 1×1 convolution with the stride.
    Conv1,
    /// A 3×3 convolution where there is a stride, 1×1 otherwise (SENet-154).
    Conv3,
    /// The mean of 2×2 pixels and a 1×1 convolution.
    AverageConv1,
}

impl arch::Config for Config {
    fn build(&self, builder: &Builder<'_>) -> Result<Box<dyn Backbone>, Error> {
        Ok(Box::new(ResNet::new(builder, self)?))
    }

    fn head(&self) -> HeadSpec {
        HeadSpec::linear("fc")
    }

    fn untagged(&self) -> (Preprocessing, i64) {
        let (input_size, crop_pct) = self.input;
        let interpolation = Interpolation::Bicubic;
        let default = Preprocessing { input_size, crop_pct, interpolation, ..Preprocessing::default() };
        match self.stem {
            StemKind::Cifar => (Preprocessing { mean: CIFAR_MEAN, std: CIFAR_STD, ..default }, 10),
            _ => (default, 1000),
        }
    }
}

/// A ResNet without its classifier.
struct ResNet {
    stem: Stem,
    stages: [Vec<Residual>; 4],
    anti_aliasing: Option<AntiAliasing>,
    in_channels: i64,
    embed_dim: i64,
    taps: Vec<String>,
    switches: Switches,
}

/// The stem's output after its ReLU and before pooling, then each stage's output.
const TAPS: [&str; 5] = ["act1", "layer1", "layer2", "layer3", "layer4"];

impl ResNet {
    fn new(builder: &Builder<'_>, config: &Config) -> Result<Self, Error> {
        let in_channels = builder.options().in_channels;
        let stem = Stem::new(builder, config, in_channels)?;
        let mut stages: [Vec<Residual>; 4] = Default::default();
        let mut channels = stem.channels();
        let mut drop_path = builder.drop_path_rates(config.blocks.iter().sum()).into_iter();
        for (i, stage) in stages.iter_mut().enumerate() {
            let builder = builder / TAPS[i + 1];
            for block in 0..config.blocks[i] {
                let place = Place {
                    input: channels,
                    planes: config.width << i,
                    stride: if i > 0 && block == 0 { 2 } else { 1 },
                    drop_path: drop_path.next().unwrap_or(0.0),
                };
                stage.push(Residual::new(&(&builder / block), config, place)?);
                channels = place.planes * config.block.expansion();
            }
        }
        Ok(Self {
            stem,
            stages,
            anti_aliasing: config.anti_aliasing,
            in_channels,
            embed_dim: channels,
            taps: TAPS.map(str::to_owned).into(),
            switches: builder.switches().clone(),
        })
    }

    /// Checks the images' size and kind.
    fn input(&self, x: &Tensor) -> Result<Tensor, Error> {
        let kind = self.stem.kind();
        match self.anti_aliasing {
            None => images(x, "a ResNet", self.in_channels, 1, kind),
            // The last blur reflects a map of a 16th of the size, which takes two pixels.
            Some(AntiAliasing::Blur) => images(x, "a blurred ResNet", self.in_channels, 17, kind),
            Some(AntiAliasing::Average) => {
                let x = images(x, "an averaging ResNet", self.in_channels, 31, kind)?;
                // A mean loses an odd last pixel, which the shortcut beside it keeps.
                let odd = |side: i64| (side + 1) / 2 / 2 % 8 != 0;
                let size = x.size();
                match odd(size[2]) || odd(size[3]) {
                    true => Err(Error::Input {
                        expected: "H and W of an averaging ResNet must be multiples of 32".into(),
                        got: size,
                    }),
                    false => Ok(x),
                }
            }
        }
    }
}

impl Backbone for ResNet {
    fn forward_with_taps(&self, x: &Tensor, train: bool, taps: Taps<'_>) -> Result<Features, Error> {
        let mut collected = Collected::new(taps, self.taps())?;
        let x = self.stem.convolve(&self.input(x)?, train)?;
        collected.keep(TAPS[0], &x);
        let x = self.stem.pool(x, train)?;
        let x = run_stages(&self.switches, &self.stages, &self.taps[1..], x, train, &mut collected)?;
        Features::of_map(x, collected)
    }

    fn embed_dim(&self) -> i64 {
        self.embed_dim
    }

    fn taps(&self) -> &[String] {
        &self.taps
    }

    fn layer_key(&self, parameter: &str) -> Option<[u32; 2]> {
        let mut parts = parameter.split('.');
        let first = parts.next()?;
        match first.strip_prefix("layer") {
            Some(stage) => Some([stage.parse().ok()?, parts.next()?.parse().ok()?]),
            None => matches!(first, "conv1" | "bn1" | "maxpool").then_some([0, 0]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Config, table};
    use crate::{Error, Model, ModelOptions, golden};
    use tch::{Device, Kind, Tensor};

    #[test]
    fn match_timm() {
        golden::check_family("resnet", super::ARCHITECTURES);
        let shallow = Config { blocks: [2, 2, 2, 2], ..table::RESNEXT101_32X32D };
        golden::check_config("resnet", "resnext101_32x32d@depth2", &shallow, 1000);
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused_and_all_others_taken() {
        for (name, fits, refused) in [
            ("resnet10t", &[1, 2, 3, 15, 33][..], &[][..]),
            ("resnetrs50", &[1, 7, 31], &[]),
            ("resnetblur18", &[17, 18, 31, 33], &[1, 16]),
            ("resnetaa34d", &[31, 32, 34, 64, 66], &[1, 30, 35, 48, 62]),
        ] {
            let options = ModelOptions { num_classes: Some(2), ..Default::default() };
            let model = Model::create(name, &options).expect("a model");
            let forward = |side| {
                let x = Tensor::zeros([1, 3, side, 64], (Kind::Float, Device::Cpu));
                tch::no_grad(|| model.forward(&x, false))
            };
            for side in fits {
                assert_eq!(forward(*side).expect("logits").size(), [1, 2], "{name} {side}");
            }
            for side in refused {
                assert!(matches!(forward(*side), Err(Error::Input { .. })), "{name} {side}");
            }
        }
    }
}

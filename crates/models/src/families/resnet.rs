//! ResNets: "Deep residual learning for image recognition" (He et al., 2015), with the stride of a bottleneck in
//! its 3×3 convolution ("v1.5"), as in torchvision and timm, whose parameter names these are.
//!
//! The `_cifar` variants replace the stem by one 3×3 convolution of stride 1 without pooling, as SimCLR (Chen et
//! al., 2020, appendix B.9) does for 32-pixel images. `_w16` divides every width by four.

use crate::arch::{self, Architecture};
use crate::backbone::Collected;
use crate::builder::{Builder, Switches, images};
use crate::head::HeadSpec;
use crate::init::Init;
use crate::layers::{BatchNorm2d, BatchNormConfig, Block, Conv2d, ConvConfig, DropPath, run};
use crate::preprocessing::{CIFAR_MEAN, CIFAR_STD, Interpolation};
use crate::{Backbone, Error, Features, Preprocessing, Taps};
use tch::{TchError, Tensor};

/// What distinguishes one ResNet from another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    block: Kind,
    blocks: [usize; 4],
    /// Channels of the stem and of the first stage; each later stage doubles them.
    width: i64,
    stem: Stem,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Two 3×3 convolutions.
    Basic,
    /// 1×1, 3×3, 1×1, the last four times as wide.
    Bottleneck,
}

impl Kind {
    fn expansion(self) -> i64 {
        match self {
            Kind::Basic => 1,
            Kind::Bottleneck => 4,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stem {
    /// A 7×7 convolution of stride 2 and a 3×3 max-pool of stride 2.
    ImageNet,
    /// A 3×3 convolution of stride 1.
    Cifar,
}

const R18: Config = Config { block: Kind::Basic, blocks: [2, 2, 2, 2], width: 64, stem: Stem::ImageNet };
const R34: Config = Config { blocks: [3, 4, 6, 3], ..R18 };
const R50: Config = Config { block: Kind::Bottleneck, ..R34 };

/// The architectures of this family.
pub(crate) const ARCHITECTURES: &[Architecture] = &[
    Architecture::new("resnet18", &R18),
    Architecture::new("resnet34", &R34),
    Architecture::new("resnet50", &R50),
    Architecture::new("resnet18_cifar", &Config { stem: Stem::Cifar, ..R18 }),
    Architecture::new("resnet34_cifar", &Config { stem: Stem::Cifar, ..R34 }),
    Architecture::new("resnet50_cifar", &Config { stem: Stem::Cifar, ..R50 }),
    Architecture::new("resnet18_cifar_w16", &Config { stem: Stem::Cifar, width: 16, ..R18 }),
];

impl arch::Config for Config {
    fn build(&self, builder: &Builder<'_>) -> Result<Box<dyn Backbone>, Error> {
        Ok(Box::new(ResNet::new(builder, self)?))
    }

    fn head(&self) -> HeadSpec {
        HeadSpec::linear("fc")
    }

    fn untagged(&self) -> (Preprocessing, i64) {
        match self.stem {
            Stem::ImageNet => (Preprocessing::default(), 1000),
            Stem::Cifar => {
                let interpolation = Interpolation::Bicubic;
                let (mean, std) = (CIFAR_MEAN, CIFAR_STD);
                let default = Preprocessing::default();
                (Preprocessing { input_size: 32, crop_pct: 1.0, interpolation, mean, std, ..default }, 10)
            }
        }
    }
}

#[derive(Clone)]
struct ConvNorm {
    conv: Conv2d,
    norm: BatchNorm2d,
}

impl ConvNorm {
    /// `names` are the sub-paths of the convolution and the normalisation, `scale` where the latter's weight starts.
    fn new(
        builder: &Builder<'_>,
        names: (&str, &str),
        conv: ConvConfig,
        scale: f64,
    ) -> Result<Self, TchError> {
        let norm = BatchNormConfig { scale, ..Default::default() };
        Ok(Self {
            conv: Conv2d::new(&(builder / names.0), conv.init(Init::KaimingNormalFanOut))?,
            norm: BatchNorm2d::new(&(builder / names.1), conv.output, norm)?,
        })
    }

    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        self.norm.forward(&self.conv.forward(x)?, train)
    }
}

/// A residual block: its branch, a ReLU after every member but the last, and the shortcut's projection where
/// the shape changes.
#[derive(Clone)]
struct Residual {
    branch: Vec<ConvNorm>,
    shortcut: Option<ConvNorm>,
    drop_path: DropPath,
}

impl Residual {
    fn new(
        builder: &Builder<'_>,
        kind: Kind,
        (input, planes, stride): (i64, i64, i64),
        drop_path: f64,
    ) -> Result<Self, TchError> {
        let output = planes * kind.expansion();
        let conv = ConvConfig::new;
        // timm's `zero_init_last`: each block starts as the identity.
        let branch = match kind {
            Kind::Basic => vec![
                ConvNorm::new(builder, ("conv1", "bn1"), conv(input, planes, 3).stride(stride), 1.0)?,
                ConvNorm::new(builder, ("conv2", "bn2"), conv(planes, planes, 3), 0.0)?,
            ],
            Kind::Bottleneck => vec![
                ConvNorm::new(builder, ("conv1", "bn1"), conv(input, planes, 1), 1.0)?,
                ConvNorm::new(builder, ("conv2", "bn2"), conv(planes, planes, 3).stride(stride), 1.0)?,
                ConvNorm::new(builder, ("conv3", "bn3"), conv(planes, output, 1), 0.0)?,
            ],
        };
        let shortcut = match stride != 1 || input != output {
            true => {
                let builder = builder / "downsample";
                Some(ConvNorm::new(&builder, ("0", "1"), conv(input, output, 1).stride(stride), 1.0)?)
            }
            false => None,
        };
        Ok(Self { branch, shortcut, drop_path: DropPath(drop_path) })
    }
}

impl Block for Residual {
    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        let mut y = x.shallow_clone();
        for (i, member) in self.branch.iter().enumerate() {
            y = member.forward(&y, train)?;
            if i + 1 < self.branch.len() {
                y = y.f_relu_()?;
            }
        }
        y = self.drop_path.apply(y, train)?;
        let mut y = match &self.shortcut {
            Some(projection) => y.f_add_(&projection.forward(x, train)?)?,
            None => y.f_add_(x)?,
        };
        Ok(y.f_relu_()?)
    }
}

/// A ResNet without its classifier.
pub(crate) struct ResNet {
    stem: ConvNorm,
    stem_kind: Stem,
    stages: [Vec<Residual>; 4],
    in_channels: i64,
    embed_dim: i64,
    taps: Vec<String>,
    switches: Switches,
}

/// The stem's output after its ReLU and before pooling, then each stage's output.
const TAPS: [&str; 5] = ["act1", "layer1", "layer2", "layer3", "layer4"];

impl ResNet {
    pub(crate) fn new(builder: &Builder<'_>, config: &Config) -> Result<Self, Error> {
        let in_channels = builder.options().in_channels;
        let stem = match config.stem {
            Stem::ImageNet => ConvConfig::new(in_channels, config.width, 7).stride(2),
            Stem::Cifar => ConvConfig::new(in_channels, config.width, 3),
        };
        let stem = ConvNorm::new(builder, ("conv1", "bn1"), stem, 1.0)?;
        let mut stages: [Vec<Residual>; 4] = Default::default();
        let mut channels = config.width;
        let mut drop_path = builder.drop_path_rates(config.blocks.iter().sum()).into_iter();
        for (i, stage) in stages.iter_mut().enumerate() {
            let builder = builder / TAPS[i + 1];
            let planes = config.width << i;
            for block in 0..config.blocks[i] {
                let stride = if i > 0 && block == 0 { 2 } else { 1 };
                let drop_path = drop_path.next().unwrap_or(0.0);
                let shape = (channels, planes, stride);
                stage.push(Residual::new(&(&builder / block), config.block, shape, drop_path)?);
                channels = planes * config.block.expansion();
            }
        }
        Ok(Self {
            stem,
            stem_kind: config.stem,
            stages,
            in_channels,
            embed_dim: channels,
            taps: TAPS.map(str::to_owned).into(),
            switches: builder.switches().clone(),
        })
    }
}

impl Backbone for ResNet {
    fn forward_with_taps(&self, x: &Tensor, train: bool, taps: Taps<'_>) -> Result<Features, Error> {
        let mut collected = Collected::new(taps, self.taps())?;
        let kind = self.stem.conv.weight().kind();
        let x = images(x, "a ResNet", self.in_channels, 1, kind)?;
        let mut x = self.stem.forward(&x, train)?.f_relu_()?;
        collected.keep(TAPS[0], &x);
        if self.stem_kind == Stem::ImageNet {
            x = x.f_max_pool2d([3, 3], [2, 2], [1, 1], [1, 1], false)?;
        }
        for (name, stage) in TAPS[1..].iter().zip(&self.stages) {
            for block in stage {
                x = run(&self.switches, block, &x, train)?;
            }
            collected.keep(name, &x);
        }
        let pooled = x.f_adaptive_avg_pool2d([1, 1])?.f_flatten(1, -1)?;
        Ok(Features { pooled, map: Some(x), tokens: None, taps: collected.into_taps() })
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
            None => matches!(first, "conv1" | "bn1").then_some([0, 0]),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::golden;

    #[test]
    fn match_timm() {
        golden::check_family("resnet", super::ARCHITECTURES);
    }
}

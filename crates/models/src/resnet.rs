//! ResNets: "Deep residual learning for image recognition" (He et al., 2015), with the stride of a bottleneck in
//! its 3×3 convolution ("v1.5"), as in torchvision and timm, whose parameter names these are.
//!
//! The `_cifar` variants replace the stem by one 3×3 convolution of stride 1 without pooling, as SimCLR (Chen et
//! al., 2020, appendix B.9) does for 32-pixel images. `_w16` divides every width by four.

use crate::arch::{Architecture, Family};
use crate::backbone::Collected;
use crate::layers::{BatchNorm2d, Conv2d, ConvInit, ConvShape};
use crate::{Backbone, Error, Features, Taps};
use tch::{TchError, Tensor, nn::Path};

/// What distinguishes one ResNet from another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    block: Block,
    blocks: [usize; 4],
    /// Channels of the stem and of the first stage; each later stage doubles them.
    width: i64,
    stem: Stem,
}

#[derive(Clone, Copy, Debug)]
enum Block {
    /// Two 3×3 convolutions.
    Basic,
    /// 1×1, 3×3, 1×1, the last four times as wide.
    Bottleneck,
}

impl Block {
    fn expansion(self) -> i64 {
        match self {
            Block::Basic => 1,
            Block::Bottleneck => 4,
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

const R18: Config = Config { block: Block::Basic, blocks: [2, 2, 2, 2], width: 64, stem: Stem::ImageNet };
const R34: Config = Config { blocks: [3, 4, 6, 3], ..R18 };
const R50: Config = Config { block: Block::Bottleneck, ..R34 };

const fn row(name: &'static str, config: Config, backbone_parameters: i64) -> Architecture {
    Architecture { name, family: Family::ResNet(config), backbone_parameters }
}

/// The architectures of this family.
pub(crate) const ARCHITECTURES: &[Architecture] = &[
    row("resnet18", R18, 11_176_512),
    row("resnet34", R34, 21_284_672),
    row("resnet50", R50, 23_508_032),
    row("resnet18_cifar", Config { stem: Stem::Cifar, ..R18 }, 11_168_832),
    row("resnet34_cifar", Config { stem: Stem::Cifar, ..R34 }, 21_276_992),
    row("resnet50_cifar", Config { stem: Stem::Cifar, ..R50 }, 23_500_352),
    row("resnet18_cifar_w16", Config { stem: Stem::Cifar, width: 16, ..R18 }, 700_176),
];

impl Config {
    /// The length of the pooled features.
    pub(crate) fn embed_dim(&self) -> i64 {
        self.width * 8 * self.block.expansion()
    }

    /// Whether the stem is the one for small images.
    pub(crate) fn is_cifar(&self) -> bool {
        self.stem == Stem::Cifar
    }
}

struct ConvNorm {
    conv: Conv2d,
    norm: BatchNorm2d,
}

impl ConvNorm {
    /// `names` are the sub-paths of the convolution and the normalisation.
    fn new(
        path: &Path<'_>,
        names: (&str, &str),
        channels: (i64, i64),
        (kernel, stride): (i64, i64),
        scale: f64,
    ) -> Result<Self, TchError> {
        let (input, output) = channels;
        let shape = ConvShape { input, output, kernel, stride, padding: kernel / 2, bias: false };
        Ok(Self {
            conv: Conv2d::new(&(path / names.0), shape, ConvInit::KaimingFanOut)?,
            norm: BatchNorm2d::new(&(path / names.1), output, scale)?,
        })
    }

    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        self.norm.forward(&self.conv.forward(x)?, train)
    }
}

/// A residual block: its branch, a ReLU after every member but the last, and the shortcut's projection where
/// the shape changes.
struct Residual {
    branch: Vec<ConvNorm>,
    shortcut: Option<ConvNorm>,
}

impl Residual {
    fn new(path: &Path<'_>, block: Block, input: i64, planes: i64, stride: i64) -> Result<Self, TchError> {
        let output = planes * block.expansion();
        // timm's `zero_init_last`: each block starts as the identity.
        let branch = match block {
            Block::Basic => vec![
                ConvNorm::new(path, ("conv1", "bn1"), (input, planes), (3, stride), 1.0)?,
                ConvNorm::new(path, ("conv2", "bn2"), (planes, planes), (3, 1), 0.0)?,
            ],
            Block::Bottleneck => vec![
                ConvNorm::new(path, ("conv1", "bn1"), (input, planes), (1, 1), 1.0)?,
                ConvNorm::new(path, ("conv2", "bn2"), (planes, planes), (3, stride), 1.0)?,
                ConvNorm::new(path, ("conv3", "bn3"), (planes, output), (1, 1), 0.0)?,
            ],
        };
        let shortcut = match stride != 1 || input != output {
            true => {
                let path = path / "downsample";
                Some(ConvNorm::new(&path, ("0", "1"), (input, output), (1, stride), 1.0)?)
            }
            false => None,
        };
        Ok(Self { branch, shortcut })
    }

    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        let mut y = x.shallow_clone();
        for (i, member) in self.branch.iter().enumerate() {
            y = member.forward(&y, train)?;
            if i + 1 < self.branch.len() {
                y = y.f_relu_()?;
            }
        }
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
    embed_dim: i64,
}

/// The stem's output after its ReLU and before pooling, then each stage's output.
const TAPS: [&str; 5] = ["act1", "layer1", "layer2", "layer3", "layer4"];

impl ResNet {
    pub(crate) fn new(path: &Path<'_>, config: &Config) -> Result<Self, TchError> {
        let stem_geometry = match config.stem {
            Stem::ImageNet => (7, 2),
            Stem::Cifar => (3, 1),
        };
        let stem = ConvNorm::new(path, ("conv1", "bn1"), (3, config.width), stem_geometry, 1.0)?;
        let mut stages: [Vec<Residual>; 4] = Default::default();
        let mut channels = config.width;
        for (i, stage) in stages.iter_mut().enumerate() {
            let path = path / TAPS[i + 1];
            let planes = config.width << i;
            for block in 0..config.blocks[i] {
                let stride = if i > 0 && block == 0 { 2 } else { 1 };
                stage.push(Residual::new(&(&path / block), config.block, channels, planes, stride)?);
                channels = planes * config.block.expansion();
            }
        }
        Ok(Self { stem, stem_kind: config.stem, stages, embed_dim: config.embed_dim() })
    }
}

impl Backbone for ResNet {
    fn forward_with_taps(&self, x: &Tensor, train: bool, taps: Taps<'_>) -> Result<Features, Error> {
        let mut collected = Collected::new(taps, self.taps())?;
        let size = x.size();
        if size.len() != 4 || size[1] != 3 || size[2] < 1 || size[3] < 1 {
            let expected = "a ResNet takes (N, 3, H, W) with H and W of at least 1".into();
            return Err(Error::Input { got: size, expected });
        }
        let mut x = self.stem.forward(x, train)?.f_relu_()?;
        collected.keep(TAPS[0], &x);
        if self.stem_kind == Stem::ImageNet {
            x = x.f_max_pool2d([3, 3], [2, 2], [1, 1], [1, 1], false)?;
        }
        for (name, stage) in TAPS[1..].iter().zip(&self.stages) {
            for block in stage {
                x = block.forward(&x, train)?;
            }
            collected.keep(name, &x);
        }
        let pooled = x.f_adaptive_avg_pool2d([1, 1])?.f_flatten(1, -1)?;
        Ok(Features { pooled, map: Some(x), tokens: None, taps: collected.into_taps() })
    }

    fn embed_dim(&self) -> i64 {
        self.embed_dim
    }

    fn taps(&self) -> &[&'static str] {
        &TAPS
    }
}

//! The architectures of the family: timm's names, and the CIFAR variants.

use super::{BlockKind, Config, ShortcutKind, StemKind, StemPool};
use crate::arch::Architecture;
use crate::layers::{AntiAliasing, ChannelAttentionKind, Norm2dKind};

const R18: Config = Config {
    block: BlockKind::Basic,
    blocks: [2, 2, 2, 2],
    width: 64,
    stem: StemKind::Conv7,
    pool: StemPool::Max,
    groups: 1,
    base_width: 64,
    reduce_first: 1,
    shortcut: ShortcutKind::Conv1,
    norm: Norm2dKind::Batch,
    attention: None,
    anti_aliasing: None,
    input: (224, 0.875),
};
const R34: Config = R18.blocks([3, 4, 6, 3]);
const R26: Config = Config { block: BlockKind::Bottleneck, ..R18 };
const R50: Config = Config { block: BlockKind::Bottleneck, ..R34 };
const R101: Config = R50.blocks([3, 4, 23, 3]);
const R152: Config = R50.blocks([3, 8, 36, 3]);
const R200: Config = R50.blocks([3, 24, 36, 3]);
const R269: Config = R50.blocks([3, 30, 48, 8]);

const SE: ChannelAttentionKind = ChannelAttentionKind::SqueezeExcite(1.0 / 16.0);

/// Too large for a test of all of it.
pub(super) const RESNEXT101_32X32D: Config = R101.next(32, 32);

const SENET154: Config = Config {
    reduce_first: 2,
    shortcut: ShortcutKind::Conv3,
    ..R152.next(64, 4).deep([64, 64, 128]).attend(SE)
};

impl Config {
    const fn blocks(self, blocks: [usize; 4]) -> Self {
        Self { blocks, ..self }
    }

    /// The stem of three 3×3 convolutions.
    const fn deep(self, widths: [i64; 3]) -> Self {
        Self { stem: StemKind::Deep(widths), ..self }
    }

    const fn average(self) -> Self {
        Self { shortcut: ShortcutKind::AverageConv1, ..self }
    }

    /// Deep stem.
    const fn c(self) -> Self {
        self.deep([32, 32, 64])
    }

    /// Deep stem and averaging shortcuts.
    const fn d(self) -> Self {
        self.c().average()
    }

    /// Wide deep stem.
    const fn s(self) -> Self {
        self.deep([64, 64, 128])
    }

    /// Deep stem that widens in steps, and averaging shortcuts.
    const fn t(self) -> Self {
        self.deep([24, 32, 64]).average()
    }

    /// ResNeXt: this many groups, of this width in the first stage.
    const fn next(self, groups: i64, base_width: i64) -> Self {
        Self { groups, base_width, ..self }
    }

    const fn attend(self, kind: ChannelAttentionKind) -> Self {
        Self { attention: Some(kind), ..self }
    }

    const fn se(self) -> Self {
        self.attend(SE)
    }

    const fn eca(self) -> Self {
        self.attend(ChannelAttentionKind::Efficient)
    }

    const fn blur(self) -> Self {
        Self { anti_aliasing: Some(AntiAliasing::Blur), ..self }
    }

    /// Averages against aliasing.
    const fn aa(self) -> Self {
        Self { anti_aliasing: Some(AntiAliasing::Average), ..self }
    }

    /// ResNet-RS of these depths.
    const fn rs(blocks: [usize; 4]) -> Self {
        let attention = ChannelAttentionKind::SqueezeExcite(0.25);
        Self { pool: StemPool::Conv, ..R50.blocks(blocks).d().attend(attention) }
    }

    const fn input(self, side: u32, crop_pct: f64) -> Self {
        Self { input: (side, crop_pct), ..self }
    }

    const fn cifar(self) -> Self {
        Self { stem: StemKind::Cifar, ..self.input(32, 1.0) }
    }
}

/// The architectures of this family.
pub(crate) const ARCHITECTURES: &[Architecture] = &[
    Architecture::new("resnet10t", &R18.blocks([1, 1, 1, 1]).t()),
    Architecture::new("resnet14t", &R50.blocks([1, 1, 1, 1]).t()),
    Architecture::new("resnet18", &R18),
    Architecture::new("resnet18d", &R18.d()),
    Architecture::new("resnet26", &R26),
    Architecture::new("resnet26d", &R26.d()),
    Architecture::new("resnet26t", &R26.t()),
    Architecture::new("resnet34", &R34),
    Architecture::new("resnet34d", &R34.d()),
    Architecture::new("resnet50", &R50),
    Architecture::new("resnet50c", &R50.c()),
    Architecture::new("resnet50d", &R50.d()),
    Architecture::new("resnet50s", &R50.s()),
    Architecture::new("resnet50t", &R50.t()),
    Architecture::new("resnet50_gn", &Config { norm: Norm2dKind::Group, ..R50 }),
    Architecture::new("resnet101", &R101),
    Architecture::new("resnet101c", &R101.c()),
    Architecture::new("resnet101d", &R101.d()),
    Architecture::new("resnet101s", &R101.s()),
    Architecture::new("resnet152", &R152),
    Architecture::new("resnet152c", &R152.c()),
    Architecture::new("resnet152d", &R152.d()),
    Architecture::new("resnet152s", &R152.s()),
    Architecture::new("resnet200", &R200),
    Architecture::new("resnet200d", &R200.d()),
    Architecture::new("wide_resnet50_2", &R50.next(1, 128)),
    Architecture::new("wide_resnet101_2", &R101.next(1, 128)),
    Architecture::new("resnext50_32x4d", &R50.next(32, 4)),
    Architecture::new("resnext50d_32x4d", &R50.next(32, 4).d()),
    Architecture::new("resnext101_32x4d", &R101.next(32, 4)),
    Architecture::new("resnext101_32x8d", &R101.next(32, 8)),
    Architecture::new("resnext101_32x16d", &R101.next(32, 16)),
    Architecture::new("resnext101_32x32d", &RESNEXT101_32X32D),
    Architecture::new("resnext101_64x4d", &R101.next(64, 4)),
    Architecture::new("seresnet18", &R18.se()),
    Architecture::new("seresnet34", &R34.se()),
    Architecture::new("seresnet50", &R50.se()),
    Architecture::new("seresnet50t", &R50.t().se()),
    Architecture::new("seresnet101", &R101.se()),
    Architecture::new("seresnet152", &R152.se()),
    Architecture::new("seresnet152d", &R152.d().se()),
    Architecture::new("seresnet200d", &R200.d().se().input(256, 0.875)),
    Architecture::new("seresnet269d", &R269.d().se().input(256, 0.875)),
    Architecture::new("seresnext26d_32x4d", &R26.next(32, 4).d().se()),
    Architecture::new("seresnext26t_32x4d", &R26.next(32, 4).t().se()),
    Architecture::new("seresnext50_32x4d", &R50.next(32, 4).se()),
    Architecture::new("seresnext101_32x4d", &R101.next(32, 4).se()),
    Architecture::new("seresnext101_32x8d", &R101.next(32, 8).se()),
    Architecture::new("seresnext101d_32x8d", &R101.next(32, 8).d().se()),
    Architecture::new("seresnext101_64x4d", &R101.next(64, 4).se()),
    Architecture::new("senet154", &SENET154),
    Architecture::new("ecaresnet26t", &R26.t().eca()),
    Architecture::new("ecaresnet50d", &R50.d().eca()),
    Architecture::new("ecaresnet50t", &R50.t().eca()),
    Architecture::new("ecaresnetlight", &R50.blocks([1, 1, 11, 3]).average().eca()),
    Architecture::new("ecaresnet101d", &R101.d().eca()),
    Architecture::new("ecaresnet200d", &R200.d().eca().input(256, 0.95)),
    Architecture::new("ecaresnet269d", &R269.d().eca()),
    Architecture::new("ecaresnext26t_32x4d", &R26.next(32, 4).t().eca()),
    Architecture::new("ecaresnext50t_32x4d", &R50.next(32, 4).t().eca()),
    Architecture::new("resnetblur18", &R18.blur()),
    Architecture::new("resnetblur50", &R50.blur()),
    Architecture::new("resnetblur50d", &R50.d().blur()),
    Architecture::new("resnetblur101d", &R101.d().blur()),
    Architecture::new("resnetaa34d", &R34.d().aa()),
    Architecture::new("resnetaa50", &R50.aa()),
    Architecture::new("resnetaa50d", &R50.d().aa()),
    Architecture::new("resnetaa101d", &R101.d().aa()),
    Architecture::new("seresnetaa50d", &R50.d().se().aa()),
    Architecture::new("seresnextaa101d_32x8d", &R101.next(32, 8).d().se().aa()),
    Architecture::new(
        "seresnextaa201d_32x8d",
        &R50.blocks([3, 24, 36, 4]).next(32, 8).s().average().se().aa(),
    ),
    Architecture::new("resnetrs50", &Config::rs([3, 4, 6, 3])),
    Architecture::new("resnetrs101", &Config::rs([3, 4, 23, 3])),
    Architecture::new("resnetrs152", &Config::rs([3, 8, 36, 3])),
    Architecture::new("resnetrs200", &Config::rs([3, 24, 36, 3])),
    Architecture::new("resnetrs270", &Config::rs([4, 29, 53, 4])),
    Architecture::new("resnetrs350", &Config::rs([4, 36, 72, 4])),
    Architecture::new("resnetrs420", &Config::rs([4, 44, 87, 4])),
    Architecture::new("resnet18_cifar", &R18.cifar()),
    Architecture::new("resnet34_cifar", &R34.cifar()),
    Architecture::new("resnet50_cifar", &R50.cifar()),
    Architecture::new("resnet18_cifar_w16", &Config { width: 16, ..R18.cifar() }),
];

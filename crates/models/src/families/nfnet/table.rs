//! The architectures of the family, under timm's names.

use super::{Config, StemKind};
use crate::arch::Architecture;
use crate::layers::{Activation, ChannelAttentionKind};

const fn se(ratio: f64) -> Option<ChannelAttentionKind> {
    Some(ChannelAttentionKind::SqueezeExcite(ratio))
}

const ECA: Option<ChannelAttentionKind> = Some(ChannelAttentionKind::Efficient);

/// timm's NFNet-F of `depth` times the blocks of F0.
pub(super) const fn nfnet(depth: usize) -> Config {
    Config {
        blocks: [depth, 2 * depth, 6 * depth, 3 * depth],
        channels: [256, 512, 1536, 1536],
        stem: StemKind::DeepQuad,
        stem_channels: 128,
        width_factor: 1.0,
        bottleneck: 0.5,
        group_size: 128,
        features: 3072,
        regnet: false,
        extra_conv: true,
        attention: se(0.5),
        activation: Activation::Gelu,
        deepmind: false,
        side: 224,
    }
}

/// The authors' NFNet-F.
pub(super) const fn deepmind(depth: usize) -> Config {
    Config { deepmind: true, ..nfnet(depth) }
}

/// timm's light NFNets.
const fn light(depth: usize, features: i64, attention: Option<ChannelAttentionKind>) -> Config {
    let activation = Activation::Silu;
    Config { bottleneck: 0.25, group_size: 64, features, attention, activation, ..nfnet(depth) }
}

const fn resnet(blocks: [usize; 4], attention: Option<ChannelAttentionKind>) -> Config {
    Config {
        blocks,
        channels: [256, 512, 1024, 2048],
        stem: StemKind::Conv7Pool,
        stem_channels: 64,
        bottleneck: 0.25,
        group_size: 0,
        features: 0,
        extra_conv: false,
        attention,
        activation: Activation::Relu,
        ..nfnet(1)
    }
}

const fn regnet(blocks: [usize; 4], channels: [i64; 4]) -> Config {
    Config {
        blocks,
        channels,
        stem: StemKind::Conv3,
        stem_channels: channels[0],
        width_factor: 0.75,
        bottleneck: 2.25,
        group_size: 8,
        features: 1280 * channels[3] / 440,
        regnet: true,
        extra_conv: false,
        activation: Activation::Silu,
        ..nfnet(1)
    }
}

const R26: [usize; 4] = [2, 2, 2, 2];
const R50: [usize; 4] = [3, 4, 6, 3];
const R101: [usize; 4] = [3, 4, 23, 3];
const B0: [i64; 4] = [48, 104, 208, 440];

impl Config {
    const fn side(self, side: u32) -> Self {
        Self { side, ..self }
    }
}

/// The architectures of this family.
pub(crate) const ARCHITECTURES: &[Architecture] = &[
    Architecture::new("dm_nfnet_f0", &deepmind(1).side(192)),
    Architecture::new("dm_nfnet_f1", &deepmind(2).side(224)),
    Architecture::new("dm_nfnet_f2", &deepmind(3).side(256)),
    Architecture::new("dm_nfnet_f3", &deepmind(4).side(320)),
    Architecture::new("dm_nfnet_f4", &deepmind(5).side(384)),
    Architecture::new("dm_nfnet_f5", &deepmind(6).side(416)),
    Architecture::new("dm_nfnet_f6", &deepmind(7).side(448)),
    Architecture::new("nfnet_f0", &nfnet(1).side(192)),
    Architecture::new("nfnet_f1", &nfnet(2).side(224)),
    Architecture::new("nfnet_f2", &nfnet(3).side(256)),
    Architecture::new("nfnet_f3", &nfnet(4).side(320)),
    Architecture::new("nfnet_f4", &nfnet(5).side(384)),
    Architecture::new("nfnet_f5", &nfnet(6).side(416)),
    Architecture::new("nfnet_f6", &nfnet(7).side(448)),
    Architecture::new("nfnet_f7", &nfnet(8).side(480)),
    Architecture::new("nfnet_l0", &light(1, 2304, se(0.25))),
    Architecture::new("eca_nfnet_l0", &light(1, 2304, ECA)),
    Architecture::new("eca_nfnet_l1", &light(2, 3072, ECA).side(256)),
    Architecture::new("eca_nfnet_l2", &light(3, 3072, ECA).side(320)),
    Architecture::new("eca_nfnet_l3", &light(4, 3072, ECA).side(352)),
    Architecture::new("nf_regnet_b0", &regnet([1, 3, 6, 6], B0).side(192)),
    Architecture::new("nf_regnet_b1", &regnet([2, 4, 7, 7], B0).side(256)),
    Architecture::new("nf_regnet_b2", &regnet([2, 4, 8, 8], [56, 112, 232, 488]).side(240)),
    Architecture::new("nf_regnet_b3", &regnet([2, 5, 9, 9], [56, 128, 248, 528]).side(288)),
    Architecture::new("nf_regnet_b4", &regnet([2, 6, 11, 11], [64, 144, 288, 616]).side(320)),
    Architecture::new("nf_regnet_b5", &regnet([3, 7, 14, 14], [80, 168, 336, 704]).side(384)),
    Architecture::new("nf_resnet26", &resnet(R26, None)),
    Architecture::new("nf_resnet50", &resnet(R50, None)),
    Architecture::new("nf_resnet101", &resnet(R101, None)),
    Architecture::new("nf_seresnet26", &resnet(R26, se(1.0 / 16.0))),
    Architecture::new("nf_seresnet50", &resnet(R50, se(1.0 / 16.0))),
    Architecture::new("nf_seresnet101", &resnet(R101, se(1.0 / 16.0))),
    Architecture::new("nf_ecaresnet26", &resnet(R26, ECA)),
    Architecture::new("nf_ecaresnet50", &resnet(R50, ECA)),
    Architecture::new("nf_ecaresnet101", &resnet(R101, ECA)),
];

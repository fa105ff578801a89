//! The architectures, under timm's names.

use super::ConvNeXt;
use super::names::adapt;
use crate::arch::{self, Architecture};
use crate::builder::Builder;
use crate::head::HeadSpec;
use crate::init::Init;
use crate::layers::Activation;
use crate::preprocessing::Interpolation;
use crate::{Backbone, Error, ModelOptions, Preprocessing};
use std::collections::BTreeMap;
use tch::Tensor;

/// What distinguishes one ConvNeXt from another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    pub(super) depths: [usize; 4],
    pub(super) widths: [i64; 4],
    /// The sides of the depthwise kernels.
    pub(super) kernels: [i64; 4],
    pub(super) stem: Stem,
    pub(super) norm: NormKind,
    pub(super) eps: f64,
    pub(super) activation: Activation,
    /// Whether the pointwise layers are stored as 1×1 convolutions.
    pub(super) conv_mlp: bool,
    /// Where layer scale starts; without it the pointwise layers have global response normalisation (V2).
    pub(super) layer_scale: Option<f64>,
    pub(super) head: HeadNorm,
}

/// The layers before the first stage; every kind quarters the sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stem {
    /// A 4×4 convolution of stride 4.
    Patch,
    /// Two 3×3 convolutions of stride 2, of these widths.
    Overlap(i64),
    /// The same with an activation between them.
    OverlapActivated,
}

/// A normalisation of the channels at each position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NormKind {
    Layer,
    /// Without mean and bias: "Root mean square layer normalization" (Zhang and Sennrich, 2019).
    Rms,
    /// Divided by the deviation, without taking the mean away: timm's `SimpleNorm`.
    Simple,
}

/// What lies between the last stage and the classifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeadNorm {
    /// The mean over the positions, then `head.norm`.
    Pooled,
    /// The same, and a hidden layer of this width.
    PooledHidden(i64),
    /// `norm_pre` on the map, then the mean over the positions.
    Map,
}

const TINY: Config = Config {
    depths: [3, 3, 9, 3],
    widths: [96, 192, 384, 768],
    kernels: [7; 4],
    stem: Stem::Patch,
    norm: NormKind::Layer,
    eps: 1e-6,
    activation: Activation::Gelu,
    conv_mlp: false,
    layer_scale: Some(1e-6),
    head: HeadNorm::Pooled,
};
const SMALL: Config = Config { depths: [3, 3, 27, 3], ..TINY };
const BASE: Config = Config { widths: [128, 256, 512, 1024], ..SMALL };
const LARGE: Config = Config { widths: [192, 384, 768, 1536], ..SMALL };
const XLARGE: Config = Config { widths: [256, 512, 1024, 2048], ..SMALL };
const XXLARGE: Config = Config { depths: [3, 4, 30, 3], widths: [384, 768, 1536, 3072], eps: 1e-5, ..SMALL };
const ATTO: Config = Config { depths: [2, 2, 6, 2], widths: [40, 80, 160, 320], conv_mlp: true, ..TINY };
const FEMTO: Config = Config { widths: [48, 96, 192, 384], ..ATTO };
const PICO: Config = Config { widths: [64, 128, 256, 512], ..ATTO };
const NANO: Config = Config { depths: [2, 2, 8, 2], widths: [80, 160, 320, 640], ..ATTO };
const ZEPTO: Config =
    Config { depths: [2, 2, 4, 2], widths: [32, 64, 128, 256], norm: NormKind::Simple, ..ATTO };

/// ConvNeXt V2 of the same size.
const fn v2(config: Config) -> Config {
    Config { layer_scale: None, ..config }
}

/// The architectures of this family.
pub(crate) const ARCHITECTURES: &[Architecture] = &[
    Architecture::new("convnext_zepto_rms", &ZEPTO),
    Architecture::new("convnext_zepto_rms_ols", &Config { stem: Stem::OverlapActivated, ..ZEPTO }),
    Architecture::new("convnext_atto", &ATTO),
    Architecture::new("convnext_atto_ols", &Config { stem: Stem::Overlap(24), ..ATTO }),
    Architecture::new("convnext_atto_rms", &Config { norm: NormKind::Rms, ..ATTO }),
    Architecture::new("convnext_femto", &FEMTO),
    Architecture::new("convnext_femto_ols", &Config { stem: Stem::Overlap(24), ..FEMTO }),
    Architecture::new("convnext_pico", &PICO),
    Architecture::new("convnext_pico_ols", &Config { stem: Stem::Overlap(32), ..PICO }),
    Architecture::new("convnext_nano", &NANO),
    Architecture::new("convnext_nano_ols", &Config { stem: Stem::Overlap(80), ..NANO }),
    Architecture::new("convnext_tiny_hnf", &Config { head: HeadNorm::Map, conv_mlp: true, ..TINY }),
    Architecture::new("convnext_tiny", &TINY),
    Architecture::new("convnext_small", &SMALL),
    Architecture::new("convnext_base", &BASE),
    Architecture::new("convnext_large", &LARGE),
    Architecture::new("convnext_large_mlp", &Config { head: HeadNorm::PooledHidden(1536), ..LARGE }),
    Architecture::new("convnext_xlarge", &XLARGE),
    Architecture::new("convnext_xxlarge", &XXLARGE),
    Architecture::new("convnextv2_atto", &v2(ATTO)),
    Architecture::new("convnextv2_femto", &v2(FEMTO)),
    Architecture::new("convnextv2_pico", &v2(PICO)),
    Architecture::new("convnextv2_nano", &v2(NANO)),
    Architecture::new("convnextv2_tiny", &v2(TINY)),
    Architecture::new("convnextv2_small", &v2(SMALL)),
    Architecture::new("convnextv2_base", &v2(BASE)),
    Architecture::new("convnextv2_large", &v2(LARGE)),
    Architecture::new("convnextv2_huge", &v2(Config { widths: [352, 704, 1408, 2816], ..SMALL })),
    Architecture::new("test_convnext", &TEST),
    Architecture::new("test_convnext2", &TEST2),
    Architecture::new(
        "test_convnext3",
        &Config { kernels: [7, 5, 5, 3], activation: Activation::Silu, ..TEST2 },
    ),
];

const TEST: Config = Config {
    depths: [1, 2, 4, 2],
    widths: [24, 32, 48, 64],
    eps: 1e-5,
    activation: Activation::GeluTanh,
    ..TINY
};
const TEST2: Config = Config { depths: [1; 4], widths: [32, 64, 96, 128], ..TEST };

/// Reduced depth, for checks of the sizes that are too large to run.
#[cfg(test)]
pub(super) const XXLARGE_SHALLOW: Config = Config { depths: [1; 4], ..XXLARGE };
#[cfg(test)]
pub(super) const HUGE_SHALLOW: Config =
    v2(Config { depths: [1; 4], widths: [352, 704, 1408, 2816], ..SMALL });

impl arch::Config for Config {
    fn build(&self, builder: &Builder<'_>) -> Result<Box<dyn Backbone>, Error> {
        Ok(Box::new(ConvNeXt::new(builder, self)?))
    }

    fn head(&self) -> HeadSpec {
        HeadSpec::linear("head.fc").started(Init::Normal(0.02))
    }

    fn untagged(&self) -> (Preprocessing, i64) {
        (Preprocessing { interpolation: Interpolation::Bicubic, ..Default::default() }, 1000)
    }

    fn adapt(
        &self,
        _options: &ModelOptions,
        tensors: &mut BTreeMap<String, Tensor>,
        target: &BTreeMap<String, Tensor>,
    ) -> Result<Vec<String>, Error> {
        adapt(tensors, target)
    }
}

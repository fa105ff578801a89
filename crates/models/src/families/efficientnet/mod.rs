//! EfficientNet and the MobileNets that it grew from: "MobileNetV2: Inverted residuals and linear bottlenecks" (Sandler et
//! al., 2018), "Searching for MobileNetV3" (Howard et al., 2019), "EfficientNet: Rethinking model scaling for convolutional
//! neural networks" (Tan and Le, 2019). Names, parameters and initial values are timm's.
//!
//! The `tf_` variants are the TensorFlow originals: padded to one side where PyTorch pads both, and normalised with an eps of
//! 1e-3. Noisy Student's weights carry these names ("Self-training with Noisy Student", Xie et al., 2020).
//!
//! Taps: the stem's normalised and activated map, `bn1`, and each stage's, `blocks.<i>`. Images may have any size.

mod block;
mod network;
mod stages;

use crate::arch::{self, Architecture};
use crate::builder::Builder;
use crate::head::HeadSpec;
use crate::init::Init;
use crate::layers::{Activation, BatchNormConfig, Padding};
use crate::preprocessing::Interpolation;
use crate::{Backbone, Error, Preprocessing};
use stages::Stages;

/// What distinguishes one network of the family from another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    stages: Stages,
    /// Multiplies channels, which are then rounded to multiples of 8.
    width: f64,
    /// Multiplies the blocks of a stage, rounded up.
    depth: f64,
    /// Channels of the stem at width 1.
    stem: i64,
    /// Whether the stem keeps its channels at any width.
    fixed_stem: bool,
    /// Whether the first and last stages keep their depth, and the last convolution its channels.
    fixed_ends: bool,
    top: Top,
    activation: Activation,
    excite: Excite,
    padding: Padding,
    eps: f64,
    /// Side of the images and crop of the evaluation transform, where timm has no weights.
    evaluation: (u32, f64),
    interpolation: Interpolation,
}

/// Where the last 1×1 convolution stands.
#[derive(Clone, Copy, Debug)]
enum Top {
    /// Before pooling, normalised, with at least 1280 channels.
    BeforePooling,
    /// After pooling, not normalised: MobileNetV3's "efficient last stage".
    AfterPooling { channels: i64, bias: bool },
}

/// How the channel attention of a block is designed.
#[derive(Clone, Copy, Debug)]
enum Excite {
    /// A quarter of the block's input; the block's non-linearity; sigmoid gate.
    EfficientNet,
    /// A quarter of the depthwise convolution's width in multiples of 8; ReLU; hard-sigmoid gate.
    V3,
    /// `mobilenetv3_rw`: a quarter of that width, not rounded to 8; the block's non-linearity; hard-sigmoid gate.
    V3Rw,
}

impl Config {
    const fn efficientnet(width: f64, depth: f64, evaluation: (u32, f64)) -> Self {
        Self {
            stages: stages::EFFICIENTNET,
            width,
            depth,
            stem: 32,
            fixed_stem: false,
            fixed_ends: false,
            top: Top::BeforePooling,
            activation: Activation::Silu,
            excite: Excite::EfficientNet,
            padding: Padding::Same,
            eps: 1e-5,
            evaluation,
            interpolation: Interpolation::Bicubic,
        }
    }

    const fn mobilenet_v2(width: f64, depth: f64) -> Self {
        // Those that grow in depth do so in the middle.
        let fixed = depth != 1.0;
        Self {
            stages: stages::MOBILENET_V2,
            fixed_stem: fixed,
            fixed_ends: fixed,
            activation: Activation::Relu6,
            ..Self::efficientnet(width, depth, (224, 0.875))
        }
    }

    const fn v3_large(width: f64, depth: f64) -> Self {
        Self {
            stages: stages::V3_LARGE,
            stem: 16,
            fixed_stem: width < 0.75,
            top: Top::AfterPooling { channels: 1280, bias: true },
            activation: Activation::HardSwish,
            excite: Excite::V3,
            interpolation: Interpolation::Bilinear,
            ..Self::efficientnet(width, depth, (224, 0.875))
        }
    }

    const fn v3_small(width: f64) -> Self {
        let top = Top::AfterPooling { channels: 1024, bias: true };
        Self { stages: stages::V3_SMALL, top, ..Self::v3_large(width, 1.0) }
    }

    /// With `stages` of the authors' minimalistic networks.
    const fn minimal(self, stages: Stages) -> Self {
        Self { stages, activation: Activation::Relu, ..self }
    }

    /// As TensorFlow pads and normalises.
    const fn tf(self) -> Self {
        Self { padding: Padding::TensorFlow, eps: 1e-3, ..self }
    }

    fn norm(&self) -> BatchNormConfig {
        BatchNormConfig { eps: self.eps, ..Default::default() }
    }
}

const B0: Config = Config::efficientnet(1.0, 1.0, (224, 0.875));
const B1: Config = Config::efficientnet(1.0, 1.1, (240, 0.882));
const B2: Config = Config::efficientnet(1.1, 1.2, (260, 0.89));
const B3: Config = Config::efficientnet(1.2, 1.4, (300, 0.904));
const B4: Config = Config::efficientnet(1.4, 1.8, (380, 0.922));
const B5: Config = Config::efficientnet(1.6, 2.2, (456, 0.934));
const B6: Config = Config::efficientnet(1.8, 2.6, (528, 0.942));
const B7: Config = Config::efficientnet(2.0, 3.1, (600, 0.949));
const B8: Config = Config::efficientnet(2.2, 3.6, (672, 0.954));
const L2: Config = Config::efficientnet(4.3, 5.3, (800, 0.961));
const LARGE: Config = Config::v3_large(1.0, 1.0);
const RW: Config = Config {
    stages: stages::V3_RW,
    top: Top::AfterPooling { channels: 1280, bias: false },
    excite: Excite::V3Rw,
    eps: 1e-3,
    ..LARGE
};

/// The architectures of this family.
pub(crate) const ARCHITECTURES: &[Architecture] = &[
    Architecture::new("efficientnet_b0", &B0),
    Architecture::new("efficientnet_b1", &B1),
    Architecture::new("efficientnet_b2", &B2),
    Architecture::new("efficientnet_b3", &B3),
    Architecture::new("efficientnet_b4", &B4),
    Architecture::new("efficientnet_b5", &B5),
    Architecture::new("efficientnet_b6", &B6),
    Architecture::new("efficientnet_b7", &B7),
    Architecture::new("efficientnet_b8", &B8),
    Architecture::new("efficientnet_l2", &L2),
    Architecture::new("tf_efficientnet_b0", &B0.tf()),
    Architecture::new("tf_efficientnet_b1", &B1.tf()),
    Architecture::new("tf_efficientnet_b2", &B2.tf()),
    Architecture::new("tf_efficientnet_b3", &B3.tf()),
    Architecture::new("tf_efficientnet_b4", &B4.tf()),
    Architecture::new("tf_efficientnet_b5", &B5.tf()),
    Architecture::new("tf_efficientnet_b6", &B6.tf()),
    Architecture::new("tf_efficientnet_b7", &B7.tf()),
    Architecture::new("tf_efficientnet_b8", &B8.tf()),
    Architecture::new("tf_efficientnet_l2", &L2.tf()),
    Architecture::new("mobilenetv2_035", &Config::mobilenet_v2(0.35, 1.0)),
    Architecture::new("mobilenetv2_050", &Config::mobilenet_v2(0.5, 1.0)),
    Architecture::new("mobilenetv2_075", &Config::mobilenet_v2(0.75, 1.0)),
    Architecture::new("mobilenetv2_100", &Config::mobilenet_v2(1.0, 1.0)),
    Architecture::new("mobilenetv2_110d", &Config::mobilenet_v2(1.1, 1.2)),
    Architecture::new("mobilenetv2_120d", &Config::mobilenet_v2(1.2, 1.4)),
    Architecture::new("mobilenetv2_140", &Config::mobilenet_v2(1.4, 1.0)),
    Architecture::new("mobilenetv3_large_075", &Config::v3_large(0.75, 1.0)),
    Architecture::new("mobilenetv3_large_100", &LARGE),
    Architecture::new("mobilenetv3_large_150d", &Config::v3_large(1.5, 1.2)),
    Architecture::new("mobilenetv3_rw", &RW),
    Architecture::new("mobilenetv3_small_050", &Config::v3_small(0.5)),
    Architecture::new("mobilenetv3_small_075", &Config::v3_small(0.75)),
    Architecture::new("mobilenetv3_small_100", &Config::v3_small(1.0)),
    Architecture::new("tf_mobilenetv3_large_075", &Config::v3_large(0.75, 1.0).tf()),
    Architecture::new("tf_mobilenetv3_large_100", &LARGE.tf()),
    Architecture::new("tf_mobilenetv3_large_minimal_100", &LARGE.minimal(stages::V3_LARGE_MINIMAL).tf()),
    Architecture::new("tf_mobilenetv3_small_075", &Config::v3_small(0.75).tf()),
    Architecture::new("tf_mobilenetv3_small_100", &Config::v3_small(1.0).tf()),
    Architecture::new(
        "tf_mobilenetv3_small_minimal_100",
        &Config::v3_small(1.0).minimal(stages::V3_SMALL_MINIMAL).tf(),
    ),
];

impl arch::Config for Config {
    fn build(&self, builder: &Builder<'_>) -> Result<Box<dyn Backbone>, Error> {
        Ok(Box::new(network::EfficientNet::new(builder, self)?))
    }

    fn head(&self) -> HeadSpec {
        HeadSpec::linear("classifier").started(Init::UniformFanOut)
    }

    fn untagged(&self) -> (Preprocessing, i64) {
        let (input_size, crop_pct) = self.evaluation;
        let interpolation = self.interpolation;
        (Preprocessing { input_size, crop_pct, interpolation, ..Default::default() }, 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::{ARCHITECTURES, Config, L2};
    use crate::golden;

    #[test]
    fn match_timm() {
        golden::check_family("efficientnet", ARCHITECTURES);
        let shallow = Config { depth: 0.4, ..L2.tf() };
        golden::check_config("efficientnet", "tf_efficientnet_l2@depth2", &shallow, 1000);
    }
}

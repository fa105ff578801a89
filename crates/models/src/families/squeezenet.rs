//! SqueezeNet: "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size" (Iandola et al., 2016).
//! Names, parameters and initial values are torchvision's. The classifier is a convolution of the last map, so that
//! `Features::pooled` is that map's mean. torchvision trains with a dropout of 0.5: `ModelOptions::drop_rate`.
//!
//! LPIPS reads seven taps of `squeezenet1_1`: `features.1`, `features.4`, `features.7` and `features.9` to `features.12`.
//!
//! Images have at least 21 pixels a side, 17 for `squeezenet1_1`.

use super::sequential::{self, Plan, Sequential, squeezenet_conv};
use crate::arch::{self, Architecture};
use crate::backbone::Collected;
use crate::builder::{Builder, images};
use crate::head::{HeadKind, HeadSpec};
use crate::init::Init;
use crate::layers::Padding;
use crate::{Backbone, Error, Features, Taps};
use tch::Tensor;

/// What distinguishes the two SqueezeNets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    /// Channels and kernel of the first convolution.
    stem: (i64, i64),
    /// The Fire modules that a pooling precedes.
    pools: [usize; 3],
    smallest: i64,
}

const V1_0: Config = Config { stem: (96, 7), pools: [0, 3, 7], smallest: 21 };
const V1_1: Config = Config { stem: (64, 3), pools: [0, 2, 4], smallest: 17 };

/// The architectures of this family.
pub(crate) const ARCHITECTURES: &[Architecture] =
    &[Architecture::new("squeezenet1_0", &V1_0), Architecture::new("squeezenet1_1", &V1_1)];

/// The channels that each Fire module squeezes to; it expands to eight times as many.
const SQUEEZED: [i64; 8] = [16, 16, 32, 32, 48, 48, 64, 64];

impl arch::Config for Config {
    fn build(&self, builder: &Builder<'_>) -> Result<Box<dyn Backbone>, Error> {
        Ok(Box::new(SqueezeNet::new(builder, self)?))
    }

    fn head(&self) -> HeadSpec {
        HeadSpec::linear("classifier.1").kind(HeadKind::ConvMap).started(Init::Normal(0.01))
    }
}

/// A SqueezeNet without its classifier.
struct SqueezeNet {
    features: Sequential,
    in_channels: i64,
    smallest: i64,
}

impl SqueezeNet {
    fn new(builder: &Builder<'_>, config: &Config) -> Result<Self, Error> {
        let in_channels = builder.options().in_channels;
        let (mut channels, kernel) = config.stem;
        let stem = squeezenet_conv(in_channels, channels, kernel).stride(2).padding(Padding::Fixed(0, 0));
        let mut features = vec![Plan::Conv(stem)];
        for (i, squeezed) in SQUEEZED.into_iter().enumerate() {
            if config.pools.contains(&i) {
                features.push(Plan::Pool { kernel: 3, ceil: true });
            }
            features.push(Plan::Fire { input: channels, squeezed });
            channels = 8 * squeezed;
        }
        Ok(Self { features: Sequential::new(builder, &features)?, in_channels, smallest: config.smallest })
    }

    fn input(&self, x: &Tensor) -> Result<Tensor, Error> {
        images(x, "this SqueezeNet", self.in_channels, self.smallest, self.features.kind())
    }
}

impl Backbone for SqueezeNet {
    fn forward_with_taps(&self, x: &Tensor, train: bool, taps: Taps<'_>) -> Result<Features, Error> {
        let mut collected = Collected::new(taps, self.taps())?;
        let x = self.input(x)?;
        let map = self.features.forward(&x, train, &mut collected)?;
        Features::of_map(map, collected)
    }

    fn forward_taps(&self, x: &Tensor, train: bool, taps: Taps<'_>) -> Result<Vec<(String, Tensor)>, Error> {
        let collected = Collected::new(taps, self.taps())?;
        self.features.forward_taps(&self.input(x)?, train, collected)
    }

    fn embed_dim(&self) -> i64 {
        512
    }

    fn taps(&self) -> &[String] {
        self.features.taps()
    }

    fn layer_key(&self, parameter: &str) -> Option<[u32; 2]> {
        sequential::layer_key(parameter)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Model, ModelOptions, Taps, golden};
    use tch::{Device, Kind, Tensor};

    #[test]
    fn match_torchvision() {
        golden::check_family("tv_classics", super::ARCHITECTURES);
    }

    #[test]
    fn taps_alone_are_the_taps() {
        let options = ModelOptions { seed: Some(0), ..ModelOptions::default() };
        let model = Model::create("squeezenet1_1", &options).unwrap();
        let x = Tensor::randn([2, 3, 48, 48], (Kind::Float, Device::Cpu));
        let wanted = Taps::Named(&["features.1", "features.4"]);
        let alone = model.backbone().forward_taps(&x, false, wanted).unwrap();
        assert_eq!(alone, model.backbone().forward_with_taps(&x, false, wanted).unwrap().taps);
        assert_eq!(alone.len(), 2);
        assert!(model.backbone().forward_taps(&x, false, Taps::None).unwrap().is_empty());
        assert!(model.backbone().forward_taps(&x, false, Taps::Named(&["features.0"])).is_err());
    }
}

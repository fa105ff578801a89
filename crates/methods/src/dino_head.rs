//! The head of DINO and its descendants: a perceptron, then cosines with weight-normalised prototypes.

use crate::{Error, HeadActivation, HeadInit, HeadLayout, HiddenNorm, LastNorm, NamedTensor, ProjectionHead};
use serde::{Deserialize, Serialize};
use tch::nn::{self, Init};
use tch::{Device, Kind, Tensor};
use visrep_torch::Generator;

/// The sizes of the head of DINO: the keys of `[method.head]`. Left out, they have the values of DINO's ViT runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DinoHeadConfig {
    /// Width of the two hidden layers.
    pub hidden_dim: u32,
    /// Length of the vectors that are compared with the prototypes.
    pub bottleneck_dim: u32,
    /// The number of prototypes, K.
    pub output_dim: u32,
    /// Batch normalisation after the hidden layers, as for ResNets.
    pub batch_norm: bool,
    /// Whether the prototypes keep the length one; otherwise their lengths are learned, too.
    pub norm_last_layer: bool,
}

impl Default for DinoHeadConfig {
    fn default() -> Self {
        Self {
            hidden_dim: 2048,
            bottleneck_dim: 256,
            output_dim: 65536,
            batch_norm: false,
            norm_last_layer: true,
        }
    }
}

/// Three linear layers with GELU between them, L2 normalisation, and a weight-normalised linear layer without bias.
///
/// As in facebookresearch/dino (`vision_transformer.py`, `DINOHead`): the perceptron starts normal with deviation
/// 0.02 and biases 0, the prototypes by PyTorch's default and with length 1.
pub(crate) struct DinoHead {
    perceptron: ProjectionHead,
    vars: nn::VarStore,
    /// (K, bottleneck): the prototypes' directions.
    direction: Tensor,
    /// (K, 1): their lengths.
    length: Tensor,
}

impl DinoHead {
    /// A head for features of `input` values; `seed` decides its weights.
    pub(crate) fn new(config: &DinoHeadConfig, input: i64, device: Device, seed: i64) -> Result<Self, Error> {
        if config.output_dim < 1 {
            let (parameter, expected) = ("head.output_dim", "at least 1");
            return Err(Error::Parameter { parameter, expected, found: 0.0 });
        }
        let layout = HeadLayout {
            hidden_bias: true,
            hidden_norm: if config.batch_norm { HiddenNorm::Batch } else { HiddenNorm::None },
            activation: HeadActivation::Gelu,
            last_bias: true,
            last_norm: LastNorm::None,
            init: HeadInit::Normal(0.02),
        };
        let [hidden, bottleneck, k] =
            [config.hidden_dim, config.bottleneck_dim, config.output_dim].map(i64::from);
        let perceptron = ProjectionHead::new(&[input, hidden, hidden, bottleneck], &layout, device, seed)?;

        let bound = 1.0 / (bottleneck as f64).sqrt();
        let direction = Tensor::f_empty([k, bottleneck], (Kind::Float, Device::Cpu))?;
        Generator::new(seed.wrapping_add(1)).uniform_(&direction, -bound, bound)?;
        let vars = nn::VarStore::new(device);
        let last = &vars.root() / "last_layer";
        let direction = last.f_var_copy("weight_v", &direction)?;
        let length = match config.norm_last_layer {
            true => last.f_ones_no_train("weight_g", &[k, 1])?,
            false => last.f_var("weight_g", &[k, 1], Init::Const(1.0))?,
        };
        Ok(Self { perceptron, vars, direction, length })
    }

    /// Outputs (N, K) for features (N, input). `train` as for [`ProjectionHead::forward`].
    pub(crate) fn forward(&self, features: &Tensor, train: bool) -> Result<Tensor, Error> {
        let x = self.perceptron.forward(features, train)?;
        let x = x.f_div(&x.f_norm_scalaropt_dim(2.0, [-1i64], true)?.f_clamp_min(1e-12)?)?;
        let weight = Tensor::f_internal_weight_norm(&self.direction, &self.length, 0)?;
        Ok(visrep_torch::linear(&x, &weight, None)?)
    }

    /// The variables, in two stores: the perceptron's (`0.linear.weight` ...), and `last_layer.weight_v` and
    /// `last_layer.weight_g`.
    pub(crate) fn var_stores(&self) -> [&nn::VarStore; 2] {
        [self.perceptron.var_store(), &self.vars]
    }

    /// All variables, named `prefix.name`.
    pub(crate) fn state(&self, prefix: &str) -> Vec<NamedTensor> {
        self.var_stores().iter().flat_map(|vars| crate::named_variables(prefix, vars)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_cosines_with_the_prototypes() {
        let config = DinoHeadConfig { hidden_dim: 8, bottleneck_dim: 4, output_dim: 6, ..Default::default() };
        let head = DinoHead::new(&config, 5, Device::Cpu, 3).unwrap();
        let names: Vec<String> = head.state("head").into_iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), 8);
        assert!(names.contains(&"head.last_layer.weight_g".to_owned()), "{names:?}");
        assert!(!head.length.requires_grad() && head.direction.requires_grad());

        let x = Tensor::randn([7, 5], (Kind::Float, Device::Cpu));
        let y = head.forward(&x, true).unwrap();
        assert_eq!(y.size(), [7, 6]);
        assert!(y.abs().max().double_value(&[]) <= 1.0 + 1e-6);
        // The length of a direction has no influence; that of a prototype is a factor.
        tch::no_grad(|| drop(head.direction.shallow_clone().g_mul_scalar_(3.0)));
        assert!((head.forward(&x, true).unwrap() - &y).abs().max().double_value(&[]) < 1e-6);
        tch::no_grad(|| drop(head.length.shallow_clone().fill_(2.0)));
        assert!((head.forward(&x, true).unwrap() - y * 2.0).abs().max().double_value(&[]) < 1e-6);
    }

    #[test]
    fn lengths_are_learned_on_demand_and_sizes_checked() {
        let small = DinoHeadConfig { hidden_dim: 8, bottleneck_dim: 4, output_dim: 6, ..Default::default() };
        let free = DinoHeadConfig { norm_last_layer: false, batch_norm: true, ..small.clone() };
        let head = DinoHead::new(&free, 5, Device::Cpu, 3).unwrap();
        assert!(head.length.requires_grad());
        let buffers = head.state("head").iter().filter(|(name, _)| name.contains("running_mean")).count();
        assert_eq!(buffers, 2, "both hidden layers are normalised");
        for wrong in [
            DinoHeadConfig { output_dim: 0, ..small.clone() },
            DinoHeadConfig { hidden_dim: 0, ..small.clone() },
            DinoHeadConfig { bottleneck_dim: 0, ..small },
        ] {
            assert!(matches!(DinoHead::new(&wrong, 5, Device::Cpu, 3), Err(Error::Parameter { .. })));
        }
    }
}

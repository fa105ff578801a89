//! The multi-layer perceptrons that self-supervised methods put on a backbone: projection and prediction heads.

use crate::Error;
use tch::nn::{self, Init};
use tch::{Device, Kind, Tensor};
use visrep_torch::Generator;

/// What follows each hidden linear layer of a head, before the activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HiddenNorm {
    /// Nothing.
    None,
    /// Batch normalisation with scale and shift.
    Batch,
    /// Layer normalisation with scale and shift.
    Layer,
}

/// What follows the last linear layer of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastNorm {
    /// Nothing.
    None,
    /// Batch normalisation with scale and shift.
    Batch,
    /// Batch normalisation that scales but does not shift.
    BatchScale,
    /// Batch normalisation without parameters.
    BatchPlain,
}

/// What stands between a head's layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadActivation {
    /// max(x, 0)
    Relu,
    /// x Phi(x), exact
    Gelu,
}

/// How a head's weights start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum HeadInit {
    /// Weights and biases uniform within 1 / sqrt(fan-in): PyTorch's default.
    FanIn,
    /// Weights uniform within sqrt(6 / (fan-in + fan-out)), biases 0: Xavier.
    Xavier,
    /// Weights normal with this standard deviation, biases 0. (DINO's are normal with 0.02, cut off at 2: a hundred
    /// deviations away.)
    Normal(f64),
}

/// How a head is built between its widths. The constants are what the methods' authors publish.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeadLayout {
    /// Whether the linear layers before the last have biases.
    pub hidden_bias: bool,
    /// What follows them.
    pub hidden_norm: HiddenNorm,
    /// What stands between the layers.
    pub activation: HeadActivation,
    /// Whether the last linear layer has a bias.
    pub last_bias: bool,
    /// What follows it.
    pub last_norm: LastNorm,
    /// How the weights start.
    pub init: HeadInit,
}

impl HeadLayout {
    /// Batch normalisation after every layer, no biases, the last normalisation without shift: SimCLR's head of
    /// two (v1) or three (v2) layers (google-research/simclr, `model_util.py`).
    pub const SIMCLR: Self = Self {
        hidden_bias: false,
        hidden_norm: HiddenNorm::Batch,
        activation: HeadActivation::Relu,
        last_bias: false,
        last_norm: LastNorm::BatchScale,
        init: HeadInit::FanIn,
    };
    /// No normalisation, with biases: MoCo v2's two layers, and v1's single one (facebookresearch/moco).
    pub const MOCO: Self = Self { hidden_bias: true, hidden_norm: HiddenNorm::None, ..Self::SIMCLR }
        .ending(true, LastNorm::None);
    /// Batch normalisation after every layer, no biases, the last without parameters: the projectors of MoCo v3 and
    /// SimSiam, whose bias before that normalisation is frozen, and so left out.
    pub const PLAIN_END: Self = Self::SIMCLR.ending(false, LastNorm::BatchPlain);
    /// As [`Self::PLAIN_END`], the last layer alone: the predictor of MoCo v3's ResNets, the projector of Barlow Twins
    /// (whose last normalisation is part of the loss), and NNCLR's predictor.
    pub const BARE_END: Self = Self::SIMCLR.ending(false, LastNorm::None);
    /// As [`Self::BARE_END`], with a bias in the last layer: SimSiam's predictor.
    pub const BIASED_END: Self = Self::SIMCLR.ending(true, LastNorm::None);
    /// Batch normalisation after every layer, no biases: NNCLR's projector.
    pub const BATCH_END: Self = Self::SIMCLR.ending(false, LastNorm::Batch);
    /// Biases before the hidden normalisation and none in the last layer: BYOL's projector and predictor (deepmind's
    /// `byol/utils/networks.py`), VICReg's expander.
    pub const BYOL: Self = Self { hidden_bias: true, ..Self::BARE_END };
    /// Biases everywhere, nothing after the last layer: SwAV's head.
    pub const SWAV: Self = Self { hidden_bias: true, ..Self::BIASED_END };

    const fn ending(self, last_bias: bool, last_norm: LastNorm) -> Self {
        Self { last_bias, last_norm, ..self }
    }
}

/// Linear layers with normalisation and activation between them.
#[derive(Debug)]
pub struct ProjectionHead {
    vars: nn::VarStore,
    layers: Vec<Layer>,
    activation: HeadActivation,
}

#[derive(Debug)]
struct Layer {
    weight: Tensor,
    bias: Option<Tensor>,
    norm: Norm,
}

#[derive(Debug)]
enum Norm {
    None,
    Batch { scale: Option<Tensor>, shift: Option<Tensor>, running_mean: Tensor, running_var: Tensor },
    Layer { scale: Tensor, shift: Tensor },
}

impl ProjectionHead {
    /// A head through the widths `dims`: `[input, hidden, ..., output]`, at least two, all positive. `seed`
    /// decides the weights; normalisation starts at scale 1, shift 0.
    pub fn new(dims: &[i64], layout: &HeadLayout, device: Device, seed: i64) -> Result<Self, Error> {
        if let Some(&found) = dims.iter().find(|&&d| d < 1) {
            let (parameter, expected) = ("hidden_dim / output_dim", "at least 1");
            return Err(Error::Parameter { parameter, expected, found: found as f64 });
        }
        let mut random = Generator::new(seed);
        let vars = nn::VarStore::new(device);
        let last = dims.len().saturating_sub(2);
        let layers = dims
            .windows(2)
            .enumerate()
            .map(|(i, widths)| {
                let path = &vars.root() / i;
                Layer::new(&path, [widths[0], widths[1]], layout, i == last, &mut random)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { vars, layers, activation: layout.activation })
    }

    /// The head's parameters and buffers: `0.linear.weight`, `0.norm.weight`, `0.norm.running_mean` ...
    pub fn var_store(&self) -> &nn::VarStore {
        &self.vars
    }

    /// Projects features (N, input) to (N, output). `train` selects the batch's statistics, which need N >= 2,
    /// and moves the running ones towards them by 0.1.
    pub fn forward(&self, features: &Tensor, train: bool) -> Result<Tensor, Error> {
        let mut x = features.shallow_clone();
        for (i, layer) in self.layers.iter().enumerate() {
            x = layer.forward(&x, train)?;
            if i + 1 < self.layers.len() {
                x = match self.activation {
                    HeadActivation::Relu => x.f_relu()?,
                    HeadActivation::Gelu => x.f_gelu("none")?,
                };
            }
        }
        Ok(x)
    }
}

impl Layer {
    fn new(
        path: &nn::Path<'_>,
        [input, output]: [i64; 2],
        layout: &HeadLayout,
        last: bool,
        random: &mut Generator,
    ) -> Result<Self, Error> {
        // Drawn on the CPU, so that a seed means the same on every device.
        let weight = Tensor::f_empty([output, input], (Kind::Float, Device::Cpu))?;
        let fan_in = 1.0 / (input as f64).sqrt();
        match layout.init {
            HeadInit::FanIn => random.uniform_(&weight, -fan_in, fan_in)?,
            HeadInit::Xavier => {
                let bound = (6.0 / (input + output) as f64).sqrt();
                random.uniform_(&weight, -bound, bound)?;
            }
            HeadInit::Normal(std) => random.normal_(&weight, 0.0, std)?,
        }
        let linear = path / "linear";
        let bias = if last { layout.last_bias } else { layout.hidden_bias };
        let bias = bias.then(|| -> Result<Tensor, Error> {
            let bias = Tensor::f_zeros([output], (Kind::Float, Device::Cpu))?;
            if layout.init == HeadInit::FanIn {
                random.uniform_(&bias, -fan_in, fan_in)?;
            }
            Ok(linear.f_var_copy("bias", &bias)?)
        });
        let bias = bias.transpose()?;
        let norm = match (last, layout.hidden_norm, layout.last_norm) {
            (false, HiddenNorm::None, _) | (true, _, LastNorm::None) => Norm::None,
            (false, HiddenNorm::Batch, _) | (true, _, LastNorm::Batch) => {
                Norm::batch(path, output, true, true)?
            }
            (true, _, LastNorm::BatchScale) => Norm::batch(path, output, true, false)?,
            (true, _, LastNorm::BatchPlain) => Norm::batch(path, output, false, false)?,
            (false, HiddenNorm::Layer, _) => {
                let norm = path / "norm";
                Norm::Layer {
                    scale: norm.f_var("weight", &[output], Init::Const(1.0))?,
                    shift: norm.f_var("bias", &[output], Init::Const(0.0))?,
                }
            }
        };
        Ok(Self { weight: linear.f_var_copy("weight", &weight)?, bias, norm })
    }

    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        let x = visrep_torch::linear(x, &self.weight, self.bias.as_ref())?;
        self.norm.forward(x, train)
    }
}

impl Norm {
    fn batch(path: &nn::Path<'_>, width: i64, scale: bool, shift: bool) -> Result<Self, Error> {
        let norm = path / "norm";
        let variable = |name, value| norm.f_var(name, &[width], Init::Const(value));
        Ok(Self::Batch {
            scale: scale.then(|| variable("weight", 1.0)).transpose()?,
            shift: shift.then(|| variable("bias", 0.0)).transpose()?,
            running_mean: norm.f_zeros_no_train("running_mean", &[width])?,
            running_var: norm.f_ones_no_train("running_var", &[width])?,
        })
    }

    fn forward(&self, x: Tensor, train: bool) -> Result<Tensor, Error> {
        Ok(match self {
            Self::None => x,
            Self::Layer { scale, shift } => {
                x.f_layer_norm(scale.size(), Some(scale), Some(shift), 1e-5, true)?
            }
            Self::Batch { scale, shift, running_mean, running_var } => {
                // The kernels want a shift wherever there is a scale.
                let zero = match (scale, shift) {
                    (Some(scale), None) => Some(scale.f_zeros_like()?),
                    _ => None,
                };
                let (mean, var) = (Some(running_mean), Some(running_var));
                let shift = shift.as_ref().or(zero.as_ref());
                x.f_batch_norm(scale.as_ref(), shift, mean, var, train, 0.1, 1e-5, true)?
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(layout: &HeadLayout) -> Vec<String> {
        let head = ProjectionHead::new(&[6, 8, 4], layout, Device::Cpu, 1).unwrap();
        let mut names: Vec<String> = head.var_store().variables().into_keys().collect();
        names.sort();
        names
    }

    #[test]
    fn the_parameters_are_those_of_the_layout() {
        let hidden =
            ["0.linear.weight", "0.norm.bias", "0.norm.running_mean", "0.norm.running_var", "0.norm.weight"];
        let with = |bias: &[&'static str], rest: &[&'static str]| {
            let mut names: Vec<&str> = [bias, &hidden[..], rest].concat();
            names.sort_unstable();
            names
        };
        let last = "1.linear.weight";
        let running = ["1.norm.running_mean", "1.norm.running_var"];
        assert_eq!(names(&HeadLayout::SIMCLR), with(&[], &[&[last, "1.norm.weight"], &running[..]].concat()));
        assert_eq!(names(&HeadLayout::PLAIN_END), with(&[], &[&[last], &running[..]].concat()));
        assert_eq!(names(&HeadLayout::BARE_END), with(&[], &[last]));
        assert_eq!(names(&HeadLayout::BYOL), with(&["0.linear.bias"], &[last]));
        assert_eq!(names(&HeadLayout::SWAV), with(&["0.linear.bias"], &[last, "1.linear.bias"]));
        assert_eq!(names(&HeadLayout::MOCO), ["0.linear.bias", "0.linear.weight", "1.linear.bias", last]);
        let layer = HeadLayout { hidden_norm: HiddenNorm::Layer, ..HeadLayout::MOCO };
        assert_eq!(names(&layer).len(), 6);
    }

    #[test]
    fn the_output_is_normalised_over_the_batch() {
        tch::manual_seed(0);
        let x = Tensor::randn([32, 6], (Kind::Float, Device::Cpu));
        for layout in [HeadLayout::SIMCLR, HeadLayout::PLAIN_END, HeadLayout::BATCH_END] {
            let head = ProjectionHead::new(&[6, 8, 4], &layout, Device::Cpu, 1).unwrap();
            let y = head.forward(&x, true).unwrap();
            assert_eq!(y.size(), [32, 4]);
            assert!(y.mean_dim([0i64].as_slice(), false, Kind::Float).abs().max().double_value(&[]) < 1e-5);
            let moved = head.var_store().variables()["0.norm.running_mean"].abs().max().double_value(&[]);
            assert!(moved > 0.0, "training must update the running statistics");
            assert!(head.forward(&x.narrow(1, 0, 5), true).is_err());
        }
        assert!(ProjectionHead::new(&[6, 0, 4], &HeadLayout::SIMCLR, Device::Cpu, 1).is_err());
    }

    #[test]
    fn weights_start_as_the_layout_says() {
        let range = |init: HeadInit| {
            let layout = HeadLayout { init, ..HeadLayout::MOCO };
            let head = ProjectionHead::new(&[64, 32], &layout, Device::Cpu, 1).unwrap();
            let largest = |name: &str| head.var_store().variables()[name].abs().max().double_value(&[]);
            (largest("0.linear.weight"), largest("0.linear.bias"))
        };
        let (weight, bias) = range(HeadInit::FanIn);
        assert!((0.12..=0.125).contains(&weight) && (0.09..=0.125).contains(&bias), "{weight} {bias}");
        let (weight, bias) = range(HeadInit::Xavier);
        assert!((0.24..=0.25).contains(&weight) && bias == 0.0, "{weight} {bias}");
        let (weight, bias) = range(HeadInit::Normal(0.02));
        assert!((0.05..0.12).contains(&weight) && bias == 0.0, "{weight} {bias}");
    }

    #[test]
    fn layers_without_batch_statistics_take_one_row() {
        let one = Tensor::ones([1, 6], (Kind::Float, Device::Cpu));
        let gelu = HeadLayout {
            hidden_norm: HiddenNorm::Layer,
            activation: HeadActivation::Gelu,
            ..HeadLayout::MOCO
        };
        for layout in [HeadLayout::MOCO, gelu] {
            let head = ProjectionHead::new(&[6, 8, 4], &layout, Device::Cpu, 1).unwrap();
            assert_eq!(head.forward(&one, true).unwrap(), head.forward(&one, false).unwrap());
        }
    }
}

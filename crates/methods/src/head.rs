//! The multi-layer perceptrons that self-supervised methods put on a backbone.

use crate::Error;
use tch::nn::{self, Init};
use tch::{Device, Kind, Tensor};
use visrep_torch::Generator;

/// Linear layers with batch normalisation after each and ReLU between them: SimCLR's head.
///
/// As in the authors' code (google-research/simclr, `model_util.py`) no linear layer has a bias, and the last
/// normalisation scales but does not shift. Weights start uniform within 1 / sqrt(fan-in) (PyTorch's default
/// bound), normalisation at scale 1, shift 0.
#[derive(Debug)]
pub struct ProjectionHead {
    vars: nn::VarStore,
    layers: Vec<Layer>,
}

#[derive(Debug)]
struct Layer {
    linear: Tensor,
    scale: Tensor,
    shift: Option<Tensor>,
    running_mean: Tensor,
    running_var: Tensor,
}

impl ProjectionHead {
    /// A head through the widths `dims`: `[input, hidden, ..., output]`, at least two, all positive. `seed`
    /// decides the weights.
    pub fn new(dims: &[i64], device: Device, seed: i64) -> Result<Self, Error> {
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
            .map(|(i, widths)| Layer::new(&(&vars.root() / i), widths[0], widths[1], i < last, &mut random))
            .collect::<Result<_, _>>()?;
        Ok(Self { vars, layers })
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
                x = x.f_relu()?;
            }
        }
        Ok(x)
    }
}

impl Layer {
    fn new(
        path: &nn::Path<'_>,
        input: i64,
        output: i64,
        shift: bool,
        random: &mut Generator,
    ) -> Result<Self, Error> {
        let bound = 1.0 / (input as f64).sqrt();
        let norm = path / "norm";
        // Drawn on the CPU, so that a seed means the same on every device.
        let linear = Tensor::f_empty([output, input], (Kind::Float, Device::Cpu))?;
        random.uniform_(&linear, -bound, bound)?;
        Ok(Self {
            linear: (path / "linear").f_var_copy("weight", &linear)?,
            scale: norm.f_var("weight", &[output], Init::Const(1.0))?,
            shift: shift.then(|| norm.f_var("bias", &[output], Init::Const(0.0))).transpose()?,
            running_mean: norm.f_zeros_no_train("running_mean", &[output])?,
            running_var: norm.f_ones_no_train("running_var", &[output])?,
        })
    }

    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        let x = x.f_linear(&self.linear, None::<&Tensor>)?;
        let (mean, var) = (Some(&self.running_mean), Some(&self.running_var));
        let zero = match &self.shift {
            Some(shift) => shift.shallow_clone(),
            None => Tensor::f_zeros(self.scale.size(), (Kind::Float, self.scale.device()))?,
        };
        Ok(x.f_batch_norm(Some(&self.scale), Some(&zero), mean, var, train, 0.1, 1e-5, true)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_is_normalised_over_the_batch_and_the_parameters_are_those_documented() {
        let head = ProjectionHead::new(&[6, 8, 4], Device::Cpu, 1).unwrap();
        let mut names: Vec<String> = head.var_store().variables().into_keys().collect();
        names.sort();
        let expected = [
            "0.linear.weight",
            "0.norm.bias",
            "0.norm.running_mean",
            "0.norm.running_var",
            "0.norm.weight",
            "1.linear.weight",
            "1.norm.running_mean",
            "1.norm.running_var",
            "1.norm.weight",
        ];
        assert_eq!(names, expected);
        let x = Tensor::randn([32, 6], (Kind::Float, Device::Cpu));
        let y = head.forward(&x, true).unwrap();
        assert_eq!(y.size(), [32, 4]);
        assert!(y.mean_dim([0i64].as_slice(), false, Kind::Float).abs().max().double_value(&[]) < 1e-5);
        let moved = head.var_store().variables()["0.norm.running_mean"].abs().max().double_value(&[]);
        assert!(moved > 0.0, "training must update the running statistics");
        assert!(head.forward(&x.narrow(1, 0, 5), true).is_err());
        assert!(ProjectionHead::new(&[6, 0, 4], Device::Cpu, 1).is_err());
    }
}

//! LPIPS's linear heads: a weight for each channel of each tap.

use super::LpipsNet;
use crate::Error;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};
use visrep_models::StateDict;
use visrep_torch::Generator;

/// The weights of the taps, each (1, C, 1, 1) f32.
#[derive(Debug)]
pub struct LpipsHeads {
    weights: Vec<Tensor>,
    /// Where they are from, for messages.
    path: Option<PathBuf>,
}

impl LpipsHeads {
    /// Reads the authors' file (`lin0.model.1.weight` …, a pickle of before PyTorch 1.6 or a newer one) or safetensors of
    /// the same names, without executing anything.
    ///
    /// # Errors
    /// A file that cannot be read, that holds no heads, or those of another network, which is named.
    pub fn read(net: LpipsNet, path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let state = StateDict::read(path)?;
        let mut weights = Vec::new();
        loop {
            // With dropout before it, in training, the convolution is the second layer.
            let names = [1, 0].map(|layer| format!("lin{}.model.{layer}.weight", weights.len()));
            let Some(weight) = names.iter().find_map(|name| state.get(name)) else { break };
            weights.push(weight.f_to_kind(Kind::Float)?);
        }
        Self { weights, path: Some(path.into()) }.fit(net)
    }

    /// Heads to begin training with: PyTorch's initial values of such convolutions, evenly within ±1/√C.
    ///
    /// # Errors
    /// When memory is short.
    pub fn random(net: LpipsNet, seed: i64) -> Result<Self, Error> {
        let mut generator = Generator::new(seed);
        let mut random = |&channels: &i64| -> Result<Tensor, Error> {
            let weight = Tensor::f_empty([1, channels, 1, 1], (Kind::Float, Device::Cpu))?;
            let bound = (channels as f64).sqrt().recip();
            generator.uniform_(&weight, -bound, bound)?;
            Ok(weight)
        };
        Ok(Self { weights: net.channels().iter().map(&mut random).collect::<Result<_, _>>()?, path: None })
    }

    /// From tensors, one (1, C, 1, 1) for each tap.
    ///
    /// # Errors
    /// When they do not fit the network.
    pub fn from_tensors(net: LpipsNet, weights: Vec<Tensor>) -> Result<Self, Error> {
        Self { weights, path: None }.fit(net)
    }

    /// The weights, a tensor for each tap.
    pub fn weights(&self) -> &[Tensor] {
        &self.weights
    }

    /// Writes them as safetensors under the authors' names.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let named = self.weights.iter().enumerate();
        let named: Vec<_> =
            named.map(|(tap, weight)| (format!("lin{tap}.model.1.weight"), weight.detach())).collect();
        Ok(Tensor::write_safetensors(&named, path)?)
    }

    /// Checks that they are the network's.
    pub(super) fn fit(self, net: LpipsNet) -> Result<Self, Error> {
        let shapes: Vec<Vec<i64>> = self.weights.iter().map(Tensor::size).collect();
        let of = |net: &LpipsNet| {
            net.channels().iter().map(|&channels| vec![1, channels, 1, 1]).collect::<Vec<_>>() == shapes
        };
        if !of(&net) {
            let found = LpipsNet::ALL.into_iter().find(of);
            let problem = match (found, shapes.len()) {
                (Some(found), _) => format!("they are those of {found}"),
                (None, 0) => {
                    "there is no tensor `lin0.model.1.weight`; the network's own weights are another file"
                        .into()
                }
                (None, _) => format!("their shapes are {shapes:?}"),
            };
            return Err(Error::LpipsHeads { net, path: self.path, problem });
        }
        for (tap, weight) in self.weights.iter().enumerate() {
            if i64::try_from(weight.f_isfinite()?.f_all()?)? == 0 {
                let problem = format!("lin{tap} holds a value that is not finite");
                return Err(Error::LpipsHeads { net, path: self.path, problem });
            }
        }
        Ok(self)
    }

    pub(super) fn to_device(&self, device: Device) -> Result<Self, Error> {
        let weights =
            self.weights.iter().map(|weight| weight.f_to_device(device)).collect::<Result<_, _>>()?;
        Ok(Self { weights, path: self.path.clone() })
    }
}

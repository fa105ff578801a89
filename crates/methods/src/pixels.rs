//! From 8-bit pixels to what the network reads.

use crate::Error;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};
use visrep_models::Model;

/// The range of pixel values that a network is trained on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pixels {
    /// The mean and standard deviation of the model's own preprocessing: what every evaluation applies.
    #[default]
    Normalized,
    /// Plain 0..=1, as the SimCLR authors' code has it. A model trained so must be evaluated so, with mean 0
    /// and standard deviation 1.
    Unit,
}

impl Pixels {
    /// Makes the network's input (N, 3, H, W) f32 on `model`'s device of 8-bit `images` (N, H, W, 3).
    pub fn prepare(self, images: &Tensor, model: &Model) -> Result<Tensor, Error> {
        let shape = images.size();
        if shape.len() != 4 || shape[3] != 3 || images.kind() != Kind::Uint8 {
            return Err(Error::Images { shape, kind: images.kind() });
        }
        Ok(match self {
            Self::Normalized => model.preprocessing().normalize(images, model.device())?,
            Self::Unit => images
                .f_to_device(model.device())?
                .f_permute([0, 3, 1, 2])?
                .f_to_kind(Kind::Float)?
                .f_div_scalar(255.0)?,
        })
    }
}

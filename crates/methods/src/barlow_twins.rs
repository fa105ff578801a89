//! Barlow Twins (Zbontar et al. 2021): the features of two views correlate each with itself and with no other.

use crate::config::not_negative;
use crate::method::sorted;
use crate::{Batch, Encoder, Error, HeadLayout, Loss, Method, NamedTensor, Projector, Setup, Step};
use serde::{Deserialize, Serialize};
use visrep_losses::barlow_twins;
use visrep_models::Model;

/// The hyper-parameters of Barlow Twins: the keys of `[method]` in a recipe. Those left out are the authors'.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BarlowTwinsConfig {
    /// The weight of the redundancy term.
    #[serde(default = "lambda")]
    pub lambda: f64,
    /// Linear layers of the projector.
    #[serde(default = "projector_layers")]
    pub projector_layers: u32,
    /// Width of its hidden layers.
    #[serde(default = "width")]
    pub hidden_dim: u32,
    /// Length of the projections.
    #[serde(default = "width")]
    pub output_dim: u32,
}

fn lambda() -> f64 {
    0.0051
}

fn projector_layers() -> u32 {
    3
}

fn width() -> u32 {
    8192
}

/// One network: backbone and projector. Every view is encoded by itself, so that batch normalisation sees N images, as in
/// the authors' code; the normalisation that ends their projector is part of the loss.
pub struct BarlowTwins {
    encoder: Encoder,
    lambda: f64,
}

impl BarlowTwins {
    /// Makes the network.
    pub fn new(config: &BarlowTwinsConfig, setup: &Setup<'_>) -> Result<Self, Error> {
        let lambda = not_negative("lambda", config.lambda)?;
        let projector = Projector {
            layers: config.projector_layers,
            hidden_dim: Some(config.hidden_dim),
            output_dim: config.output_dim,
            layout: HeadLayout::BARE_END,
        };
        Ok(Self { encoder: Encoder::new(setup, &projector)?, lambda })
    }
}

impl Method for BarlowTwins {
    fn views(&self) -> usize {
        2
    }

    fn loss(&mut self, batch: &Batch, step: &Step) -> Result<Loss, Error> {
        let [first, second] = batch.pair("barlow-twins")?;
        let (a, b) = (self.encoder.encode(first)?, self.encoder.encode(second)?);
        let value = barlow_twins(&a.projections, &b.projections, self.lambda)?;
        Ok(Loss { value, metrics: a.watch(step)? })
    }

    fn state(&self) -> Vec<NamedTensor> {
        sorted(self.encoder.state(""))
    }

    fn model(&self) -> &Model {
        &self.encoder.model
    }
}

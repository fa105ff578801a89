//! VICReg (Bardes et al. 2022): views agree while every feature varies and no two covary.

use crate::config::not_negative;
use crate::method::sorted;
use crate::{Batch, Encoder, Error, HeadLayout, Loss, Method, NamedTensor, Projector, Setup, Step};
use serde::{Deserialize, Serialize};
use visrep_losses::{VicregWeights, vicreg};
use visrep_models::Model;

/// VICReg's hyper-parameters: the keys of `[method]` in a recipe. Those left out are the authors'.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VicregConfig {
    /// The weight of the invariance term.
    #[serde(default = "twenty_five")]
    pub invariance: f64,
    /// The weight of the variance term.
    #[serde(default = "twenty_five")]
    pub variance: f64,
    /// The weight of the covariance term.
    #[serde(default = "one")]
    pub covariance: f64,
    /// Linear layers of the expander.
    #[serde(default = "projector_layers")]
    pub projector_layers: u32,
    /// Width of its hidden layers.
    #[serde(default = "width")]
    pub hidden_dim: u32,
    /// Length of what it gives.
    #[serde(default = "width")]
    pub output_dim: u32,
}

fn twenty_five() -> f64 {
    25.0
}

fn one() -> f64 {
    1.0
}

fn projector_layers() -> u32 {
    3
}

fn width() -> u32 {
    8192
}

/// One network: backbone and expander. Every view is encoded by itself, so that batch normalisation sees N images, as in
/// the authors' code.
pub struct Vicreg {
    encoder: Encoder,
    weights: VicregWeights,
}

impl Vicreg {
    /// Makes the network.
    pub fn new(config: &VicregConfig, setup: &Setup<'_>) -> Result<Self, Error> {
        let weights = VicregWeights {
            invariance: not_negative("invariance", config.invariance)?,
            variance: not_negative("variance", config.variance)?,
            covariance: not_negative("covariance", config.covariance)?,
        };
        let projector = Projector {
            layers: config.projector_layers,
            hidden_dim: Some(config.hidden_dim),
            output_dim: config.output_dim,
            layout: HeadLayout::BYOL,
        };
        Ok(Self { encoder: Encoder::new(setup, &projector)?, weights })
    }
}

impl Method for Vicreg {
    fn views(&self) -> usize {
        2
    }

    fn loss(&mut self, batch: &Batch, step: &Step) -> Result<Loss, Error> {
        let [first, second] = batch.pair("vicreg")?;
        let (a, b) = (self.encoder.encode(first)?, self.encoder.encode(second)?);
        let value = vicreg(&a.projections, &b.projections, &self.weights)?;
        Ok(Loss { value, metrics: a.watch(step)? })
    }

    fn state(&self) -> Vec<NamedTensor> {
        sorted(self.encoder.state(""))
    }

    fn model(&self) -> &Model {
        &self.encoder.model
    }
}

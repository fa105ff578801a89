//! SimSiam (Chen and He 2021): a network predicts what it makes of another view, whose gradient is stopped.

use crate::method::{named_variables, sorted, trainable};
use crate::{
    Batch, Encoder, Error, HeadLayout, Loss, Method, NamedTensor, ProjectionHead, Projector, Setup, Step, predictor,
};
use serde::{Deserialize, Serialize};
use visrep_losses::negative_cosine;
use visrep_models::Model;

/// SimSiam's hyper-parameters: the keys of `[method]` in a recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimsiamConfig {
    /// Layers of the projector: 3, and 2 for CIFAR-10 in the paper.
    #[serde(default = "projector_layers")]
    pub projector_layers: u32,
    /// Width of the projector's hidden layers; left out, the backbone's embedding dimension, as in the authors' code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden_dim: Option<u32>,
    /// Length of the projections and predictions.
    #[serde(default = "output_dim")]
    pub output_dim: u32,
    /// Width of the predictor's hidden layer.
    #[serde(default = "predictor_dim")]
    pub predictor_dim: u32,
}

fn projector_layers() -> u32 {
    3
}

fn output_dim() -> u32 {
    2048
}

fn predictor_dim() -> u32 {
    512
}

/// One network: backbone, projector, predictor. Every view is encoded by itself, so that batch normalisation sees N
/// images, as in the authors' code. The loss is the mean of both directions.
pub struct Simsiam {
    encoder: Encoder,
    predictor: ProjectionHead,
}

impl Simsiam {
    /// Makes the network.
    pub fn new(config: &SimsiamConfig, setup: &Setup<'_>) -> Result<Self, Error> {
        let projector = Projector {
            layers: config.projector_layers,
            hidden_dim: config.hidden_dim,
            output_dim: config.output_dim,
            layout: HeadLayout::PLAIN_END,
        };
        let encoder = Encoder::new(setup, &projector)?;
        let predictor = predictor(setup, config.output_dim, config.predictor_dim, &HeadLayout::BIASED_END)?;
        Ok(Self { encoder, predictor })
    }
}

impl Method for Simsiam {
    fn views(&self) -> usize {
        2
    }

    fn loss(&mut self, batch: &Batch, step: &Step) -> Result<Loss, Error> {
        let [first, second] = batch.pair("simsiam")?;
        let encoded = [self.encoder.encode(first)?, self.encoder.encode(second)?];
        let predictions = [
            self.predictor.forward(&encoded[0].projections, true)?,
            self.predictor.forward(&encoded[1].projections, true)?,
        ];
        let forth = negative_cosine(&predictions[0], &encoded[1].projections.f_detach()?)?;
        let back = negative_cosine(&predictions[1], &encoded[0].projections.f_detach()?)?;
        let value = forth.f_add(&back)?.f_mul_scalar(0.5)?;
        Ok(Loss { value, metrics: encoded[0].watch(step)? })
    }

    fn parameters(&self) -> Vec<NamedTensor> {
        trainable(self.state())
    }

    fn state(&self) -> Vec<NamedTensor> {
        let mut state = self.encoder.state("");
        state.extend(named_variables("predictor", self.predictor.var_store()));
        sorted(state)
    }

    fn model(&self) -> &Model {
        &self.encoder.model
    }
}

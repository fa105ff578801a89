//! SimSiam (Chen and He 2021): a network predicts what it makes of another view, whose gradient is stopped.

use crate::method::{named_variables, sorted};
use crate::{
    Batch, Encoder, Error, HeadLayout, Loss, Method, NamedTensor, ProjectionHead, Projector, Setup, Step,
    predictor,
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

    fn state(&self) -> Vec<NamedTensor> {
        let mut state = self.encoder.state("");
        state.extend(named_variables("predictor", self.predictor.var_store()));
        sorted(state)
    }

    fn model(&self) -> &Model {
        &self.encoder.model
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{apart, batch, gradients, setup, step};

    #[test]
    fn the_gradient_stops_at_the_targets() {
        let config =
            SimsiamConfig { projector_layers: 2, hidden_dim: None, output_dim: 12, predictor_dim: 6 };
        let mut method = Simsiam::new(&config, &setup()).unwrap();
        let images = batch(4, &[8, 8]);
        let loss = method.loss(&images, &step(0)).unwrap().value;
        let ours = gradients(&method, &loss);
        let [first, second] = images.pair("simsiam").unwrap();
        let encode = |images| method.encoder.encode(images).unwrap().projections;
        let half = |from, target: tch::Tensor| {
            negative_cosine(&method.predictor.forward(&encode(from), true).unwrap(), &target).unwrap() * 0.5
        };
        let plain = |images| tch::no_grad(|| encode(images).copy());
        let stopped = half(first, plain(second)) + half(second, plain(first));
        assert!(apart(&loss, &stopped) < 1e-6, "the mean of both directions");
        for (name, gradient) in gradients(&method, &stopped) {
            assert!(apart(&ours[&name], &gradient) < 1e-5, "{name}");
        }
        let open = half(first, encode(second)) + half(second, encode(first));
        let open = gradients(&method, &open);
        let name = "projector.0.linear.weight";
        assert!(apart(&ours[name], &open[name]) > 1e-4, "without the stop the gradient is another");
        let zero = SimsiamConfig { projector_layers: 0, ..config };
        assert!(matches!(Simsiam::new(&zero, &setup()), Err(Error::Parameter { .. })));
    }
}

//! NNCLR (Dwibedi et al. 2021): a view's nearest neighbour among earlier embeddings stands for it as the positive.

use crate::config::positive;
use crate::encoder::unit;
use crate::method::{named_variables, sorted};
use crate::{
    Batch, Encoder, Error, HeadLayout, Loss, Method, NamedTensor, ProjectionHead, Projector, Queue, Setup,
    Step, predictor,
};
use serde::{Deserialize, Serialize};
use tch::Tensor;
use visrep_losses::info_nce_in_batch;
use visrep_models::Model;

/// NNCLR's hyper-parameters: the keys of `[method]` in a recipe. Those left out are the paper's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NnclrConfig {
    /// The temperature.
    #[serde(default = "temperature")]
    pub temperature: f64,
    /// How many embeddings the support set holds.
    #[serde(default = "queue_length")]
    pub queue_length: u32,
    /// Linear layers of the projector.
    #[serde(default = "projector_layers")]
    pub projector_layers: u32,
    /// Width of its hidden layers.
    #[serde(default = "hidden_dim")]
    pub hidden_dim: u32,
    /// Length of the projections and predictions.
    #[serde(default = "output_dim")]
    pub output_dim: u32,
    /// Width of the predictor's hidden layer.
    #[serde(default = "predictor_dim")]
    pub predictor_dim: u32,
}

fn temperature() -> f64 {
    0.1
}

fn queue_length() -> u32 {
    98304
}

fn projector_layers() -> u32 {
    3
}

fn hidden_dim() -> u32 {
    2048
}

fn output_dim() -> u32 {
    256
}

fn predictor_dim() -> u32 {
    4096
}

/// One network (backbone, projector, predictor) and a queue of projections, the support set. The loss is the mean of
/// both directions, each with the batch's other predictions as negatives (the paper's algorithm 1; lightly's NNCLR has
/// SimCLR's 2N - 1 candidates instead). The first view's projections are queued after the step.
pub struct Nnclr {
    encoder: Encoder,
    predictor: ProjectionHead,
    queue: Queue,
    /// This step's projections, to be queued after it.
    pending: Option<Tensor>,
    temperature: f64,
}

impl Nnclr {
    /// Makes the network, and a support set of random directions.
    pub fn new(config: &NnclrConfig, setup: &Setup<'_>) -> Result<Self, Error> {
        let temperature = positive("temperature", config.temperature)?;
        let output_dim = config.output_dim;
        let projector = Projector {
            layers: config.projector_layers,
            hidden_dim: Some(config.hidden_dim),
            output_dim,
            layout: HeadLayout::BATCH_END,
        };
        let encoder = Encoder::new(setup, &projector)?;
        let predictor = predictor(setup, output_dim, config.predictor_dim, &HeadLayout::BIASED_END)?;
        let seed = (setup.seed as i64).wrapping_add(3);
        let queue = Queue::new(config.queue_length, i64::from(output_dim), setup.device, seed)?;
        Ok(Self { encoder, predictor, queue, pending: None, temperature })
    }

    /// The queue's rows nearest to the rows of `normalised`, without gradients.
    fn nearest(&self, normalised: &Tensor) -> Result<Tensor, Error> {
        let rows = self.queue.rows();
        let nearest = normalised.f_matmul(&rows.f_transpose(0, 1)?)?.f_argmax(1, false)?;
        Ok(rows.f_index_select(0, &nearest)?)
    }
}

impl Method for Nnclr {
    fn views(&self) -> usize {
        2
    }

    fn loss(&mut self, batch: &Batch, step: &Step) -> Result<Loss, Error> {
        let [first, second] = batch.pair("nnclr")?;
        let encoded = [self.encoder.encode(first)?, self.encoder.encode(second)?];
        let predictions = [
            self.predictor.forward(&encoded[0].projections, true)?,
            self.predictor.forward(&encoded[1].projections, true)?,
        ];
        let neighbours = tch::no_grad(|| -> Result<_, Error> {
            let own = unit(&encoded[0].projections)?;
            let neighbours = [self.nearest(&own)?, self.nearest(&unit(&encoded[1].projections)?)?];
            self.pending = Some(own);
            Ok(neighbours)
        })?;
        let forth = info_nce_in_batch(&neighbours[0], &predictions[1], self.temperature)?;
        let back = info_nce_in_batch(&neighbours[1], &predictions[0], self.temperature)?;
        let value = forth.f_add(&back)?.f_mul_scalar(0.5)?;
        Ok(Loss { value, metrics: encoded[0].watch(step)? })
    }

    fn after_step(&mut self, _step: &Step) -> Result<(), Error> {
        match self.pending.take() {
            Some(projections) => self.queue.push(&projections),
            None => Ok(()),
        }
    }

    fn state(&self) -> Vec<NamedTensor> {
        let mut state = self.encoder.state("");
        state.extend(named_variables("predictor", self.predictor.var_store()));
        state.extend(self.queue.state("queue"));
        sorted(state)
    }

    fn model(&self) -> &Model {
        &self.encoder.model
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{apart, batch, descend, setup, step};

    fn method(queue_length: u32) -> Nnclr {
        let config = NnclrConfig {
            temperature: 0.1,
            queue_length,
            projector_layers: 3,
            hidden_dim: 10,
            output_dim: 6,
            predictor_dim: 8,
        };
        Nnclr::new(&config, &setup()).unwrap()
    }

    #[test]
    fn the_nearest_of_the_queue_stands_for_a_view() {
        let method = method(20);
        let rows = method.queue.rows();
        let near = unit(&(rows.index_select(0, &Tensor::from_slice(&[7i64, 2, 19])) + 0.01)).unwrap();
        let expected = rows.index_select(0, &Tensor::from_slice(&[7i64, 2, 19]));
        assert_eq!(method.nearest(&near).unwrap(), expected);
    }

    #[test]
    fn the_first_views_projections_are_queued_after_the_step() {
        let mut method = method(9);
        let images = batch(4, &[8, 8]);
        let before = method.queue.rows().copy();
        descend(&mut method, &images, &step(0), 0.0);
        assert_eq!(*method.queue.rows(), before);
        let own =
            tch::no_grad(|| unit(&method.encoder.encode(&images.images[0]).unwrap().projections).unwrap());
        method.after_step(&step(0)).unwrap();
        assert!(apart(&method.queue.rows().narrow(0, 0, 4), &own) < 1e-5);
        assert_eq!(method.queue.rows().narrow(0, 4, 5), before.narrow(0, 4, 5));
    }

    #[test]
    fn neighbours_are_constants() {
        let mut method = method(9);
        let images = batch(4, &[8, 8]);
        let loss = method.loss(&images, &step(0)).unwrap().value;
        let [first, second] = images.pair("nnclr").unwrap();
        let direction = |from, to| {
            let own = tch::no_grad(|| unit(&method.encoder.encode(from).unwrap().projections).unwrap());
            let prediction = method.encoder.encode(to).unwrap().projections;
            let prediction = method.predictor.forward(&prediction, true).unwrap();
            info_nce_in_batch(&method.nearest(&own).unwrap(), &prediction, 0.1).unwrap() * 0.5
        };
        assert!(apart(&loss, &(direction(first, second) + direction(second, first))) < 1e-5);
    }
}

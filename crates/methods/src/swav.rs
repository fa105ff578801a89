//! SwAV (Caron et al. 2020): views predict each other's assignments to prototypes.

use crate::config::positive;
use crate::encoder::unit;
use crate::method::sorted;
use crate::{Batch, Encoder, Error, HeadLayout, Loss, Method, NamedTensor, Projector, Queue, Setup, Step};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};
use visrep_losses::{sinkhorn, swapped_prediction};
use visrep_models::Model;
use visrep_torch::Generator;

/// The views that are assigned to prototypes.
const GLOBAL: usize = 2;

/// SwAV's hyper-parameters: the keys of `[method]` in a recipe. Those left out are the authors' for batches of 4096.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwavConfig {
    /// How many prototypes there are.
    #[serde(default = "prototypes")]
    pub prototypes: u32,
    /// The temperature of the predictions.
    #[serde(default = "temperature")]
    pub temperature: f64,
    /// Sinkhorn's regularisation: the temperature of the assignments.
    #[serde(default = "epsilon")]
    pub epsilon: f64,
    /// Iterations of Sinkhorn's algorithm.
    #[serde(default = "sinkhorn_iterations")]
    pub sinkhorn_iterations: u32,
    /// Steps at the start during which the prototypes stay as they are: 313, and 5005 for batches of 256.
    #[serde(default = "frozen_steps")]
    pub frozen_steps: u64,
    /// Local crops, besides the two global ones.
    #[serde(default = "local_views")]
    pub local_views: u32,
    /// How many embeddings of each global view are kept to balance the assignments of small batches: 3840 for batches
    /// of 256. 0 for none.
    #[serde(default)]
    pub queue_length: u32,
    /// The epoch, from 0, in which the queue begins to fill; it is used once it is full.
    #[serde(default = "queue_from_epoch")]
    pub queue_from_epoch: u64,
    /// Width of the head's hidden layer.
    #[serde(default = "hidden_dim")]
    pub hidden_dim: u32,
    /// Length of the embeddings.
    #[serde(default = "output_dim")]
    pub output_dim: u32,
}

fn prototypes() -> u32 {
    3000
}

fn temperature() -> f64 {
    0.1
}

fn epsilon() -> f64 {
    0.05
}

fn sinkhorn_iterations() -> u32 {
    3
}

fn frozen_steps() -> u64 {
    313
}

fn local_views() -> u32 {
    6
}

fn queue_from_epoch() -> u64 {
    15
}

fn hidden_dim() -> u32 {
    2048
}

fn output_dim() -> u32 {
    128
}

/// A backbone, a head and prototypes, which are brought back to length one at the start of every step. Crops of one size
/// go through the backbone as one batch, and all crops through the head as one, as in the authors' code.
///
/// While the prototypes are frozen their gradient is zero and each step's change is undone, so that neither momentum nor
/// weight decay moves them.
pub struct Swav {
    encoder: Encoder,
    prototypes: Tensor,
    /// The frozen prototypes' values at the start of this step.
    frozen: Option<Tensor>,
    /// One queue for each global view.
    queues: Vec<Queue>,
    /// This step's embeddings of the global views, to be queued after it.
    pending: Vec<Tensor>,
    config: SwavConfig,
}

impl Swav {
    /// Makes the network; prototypes start uniform within 1 / sqrt(`output_dim`), PyTorch's default for a linear layer.
    pub fn new(config: &SwavConfig, setup: &Setup<'_>) -> Result<Self, Error> {
        for (parameter, found) in [
            ("prototypes", f64::from(config.prototypes)),
            ("temperature", config.temperature),
            ("epsilon", config.epsilon),
            ("sinkhorn_iterations", f64::from(config.sinkhorn_iterations)),
        ] {
            positive(parameter, found)?;
        }
        let projector = Projector {
            layers: 2,
            hidden_dim: Some(config.hidden_dim),
            output_dim: config.output_dim,
            layout: HeadLayout::SWAV,
        };
        let encoder = Encoder::new(setup, &projector)?;
        let (seed, dim) = ((setup.seed as i64).wrapping_add(2), i64::from(config.output_dim));
        let start = Tensor::f_empty([i64::from(config.prototypes), dim], (Kind::Float, Device::Cpu))?;
        let bound = 1.0 / (dim as f64).sqrt();
        Generator::new(seed).uniform_(&start, -bound, bound)?;
        let prototypes = start.f_to_device(setup.device)?.f_set_requires_grad(true)?;
        let queues = if config.queue_length == 0 { 0 } else { GLOBAL };
        let queues = (0..queues)
            .map(|i| Queue::new(config.queue_length, dim, setup.device, seed.wrapping_add(1 + i as i64)))
            .collect::<Result<_, _>>()?;
        Ok(Self { encoder, prototypes, frozen: None, queues, pending: Vec::new(), config: config.clone() })
    }

    /// Gives the prototypes length one.
    fn normalize_prototypes(&mut self) -> Result<(), Error> {
        let _guard = tch::no_grad_guard();
        let unit = unit(&self.prototypes)?;
        Ok(self.prototypes.f_copy_(&unit)?)
    }

    /// The assignments of one global view, whose `scores` (N, K) are balanced together with its queue's once that is full.
    fn assign(&self, view: usize, scores: &Tensor) -> Result<Tensor, Error> {
        let _guard = tch::no_grad_guard();
        let (epsilon, iterations) = (self.config.epsilon, self.config.sinkhorn_iterations);
        match self.queues.get(view).filter(|queue| queue.is_full()) {
            None => Ok(sinkhorn(scores, epsilon, iterations)?),
            Some(queue) => {
                let older = visrep_torch::linear(queue.rows(), &self.prototypes, None)?;
                let all = Tensor::f_cat(&[scores, &older], 0)?;
                Ok(sinkhorn(&all, epsilon, iterations)?.f_narrow(0, 0, scores.size()[0])?)
            }
        }
    }

    /// How evenly predictions use the prototypes: the entropy of their mean over ln K. 1 for all alike, 0 for one alone.
    fn prototype_entropy(&self, scores: &Tensor) -> Result<f64, Error> {
        let _guard = tch::no_grad_guard();
        let shares = scores.f_div_scalar(self.config.temperature)?.f_softmax(1, None::<Kind>)?;
        let mean = shares.f_mean_dim([0i64].as_slice(), false, None::<Kind>)?;
        let entropy = mean.f_mul(&mean.f_clamp_min(1e-12)?.f_log()?)?.f_sum(None::<Kind>)?;
        Ok(-f64::try_from(&entropy)? / f64::from(self.config.prototypes).max(2.0).ln())
    }
}

impl Method for Swav {
    fn views(&self) -> usize {
        GLOBAL + self.local_views()
    }

    fn local_views(&self) -> usize {
        self.config.local_views as usize
    }

    fn loss(&mut self, batch: &Batch, step: &Step) -> Result<Loss, Error> {
        let views = batch.views("swav", self.views())?;
        self.normalize_prototypes()?;
        let encoded = self.encoder.encode_views(views)?;
        let embeddings = unit(&encoded.projections)?;
        let freeze = step.index < self.config.frozen_steps;
        let prototypes = if freeze { self.prototypes.f_detach()? } else { self.prototypes.shallow_clone() };
        let scores = visrep_torch::linear(&embeddings, &prototypes, None)?;
        let scores = scores.f_chunk(views.len() as i64, 0)?;
        let codes = scores[..GLOBAL]
            .iter()
            .enumerate()
            .map(|(view, scores)| self.assign(view, scores))
            .collect::<Result<Vec<_>, _>>()?;
        let mut value = swapped_prediction(&codes, &scores, self.config.temperature)?;

        self.frozen = None;
        if freeze {
            value = value.f_add(&self.prototypes.f_sum(None::<Kind>)?.f_mul_scalar(0.0)?)?;
            let mut frozen = prototypes.f_zeros_like()?;
            frozen.f_copy_(&prototypes)?;
            self.frozen = Some(frozen);
        }
        self.pending.clear();
        if !self.queues.is_empty() && step.epoch >= self.config.queue_from_epoch {
            self.pending = embeddings.f_detach()?.f_chunk(views.len() as i64, 0)?;
            self.pending.truncate(GLOBAL);
        }
        let mut metrics = encoded.watch(step)?;
        if step.log {
            metrics.push(("prototype_entropy", self.prototype_entropy(&scores[0])?));
        }
        Ok(Loss { value, metrics })
    }

    fn after_step(&mut self, _step: &Step) -> Result<(), Error> {
        if let Some(frozen) = self.frozen.take() {
            let _guard = tch::no_grad_guard();
            self.prototypes.f_copy_(&frozen)?;
        }
        for (queue, embeddings) in self.queues.iter_mut().zip(self.pending.drain(..)) {
            queue.push(&embeddings)?;
        }
        Ok(())
    }

    fn state(&self) -> Vec<NamedTensor> {
        let mut state = self.encoder.state("");
        state.push(("prototypes.weight".to_owned(), self.prototypes.shallow_clone()));
        for (i, queue) in self.queues.iter().enumerate() {
            state.extend(queue.state(&format!("queue.{i}")));
        }
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

    fn config() -> SwavConfig {
        SwavConfig {
            prototypes: 7,
            temperature: 0.1,
            epsilon: 0.05,
            sinkhorn_iterations: 3,
            frozen_steps: 0,
            local_views: 2,
            queue_length: 0,
            queue_from_epoch: 0,
            hidden_dim: 10,
            output_dim: 6,
        }
    }

    fn method(config: &SwavConfig) -> Swav {
        Swav::new(config, &setup()).unwrap()
    }

    const SIDES: [i64; 4] = [16, 16, 8, 8];

    #[test]
    fn global_views_are_assigned_and_all_others_predict_them() {
        let mut method = method(&config());
        assert_eq!((method.views(), method.local_views()), (4, 2));
        let images = batch(4, &SIDES);
        let loss = method.loss(&images, &step(0)).unwrap().value;
        let lengths = method.prototypes.norm_scalaropt_dim(2.0, [1i64], false);
        assert!(apart(&lengths, &lengths.ones_like()) < 1e-6, "prototypes have length one");
        let embeddings = unit(&method.encoder.encode_views(&images.images).unwrap().projections).unwrap();
        let scores = embeddings.matmul(&method.prototypes.transpose(0, 1)).chunk(4, 0);
        let code = |view: usize| sinkhorn(&scores[view], 0.05, 3).unwrap();
        let expected = swapped_prediction(&[code(0), code(1)], &scores, 0.1).unwrap();
        assert!(apart(&loss, &expected) < 1e-5);
        assert!(matches!(method.loss(&batch(4, &[8, 8]), &step(0)), Err(Error::Views { expected: 4, .. })));
    }

    #[test]
    fn frozen_prototypes_stay() {
        let mut method = method(&SwavConfig { frozen_steps: 2, ..config() });
        let images = batch(4, &SIDES);
        method.normalize_prototypes().unwrap();
        let start = method.prototypes.detach().copy();
        for index in 0..3 {
            let backbone = method.encoder.model.var_store().variables()["conv1.weight"].detach().copy();
            descend(&mut method, &images, &step(index), 0.5);
            // What weight decay would do.
            tch::no_grad(|| drop(method.prototypes.f_mul_scalar_(0.9).unwrap()));
            method.after_step(&step(index)).unwrap();
            let moved = apart(&method.prototypes.detach(), &start);
            assert_eq!(moved > 1e-3, index == 2, "step {index}: {moved}");
            let now = method.encoder.model.var_store().variables()["conv1.weight"].detach().copy();
            assert!(apart(&now, &backbone) > 0.0, "the backbone learns all the while");
        }
    }

    #[test]
    fn the_queue_fills_from_its_epoch_and_is_used_when_full() {
        let mut method = method(&SwavConfig { queue_length: 8, queue_from_epoch: 1, ..config() });
        let images = batch(4, &SIDES);
        let full = |method: &Swav| method.queues.iter().map(Queue::is_full).collect::<Vec<_>>();
        // Ten steps are an epoch here.
        for (index, expected) in [(9, false), (10, false), (11, true)] {
            descend(&mut method, &images, &step(index), 0.0);
            method.after_step(&step(index)).unwrap();
            assert_eq!(full(&method), [expected; 2], "step {index}");
        }
        let encoded = tch::no_grad(|| method.encoder.encode_views(&images.images).unwrap().projections);
        let second = unit(&encoded).unwrap().narrow(0, 4, 4);
        assert!(apart(&method.queues[1].rows().narrow(0, 4, 4), &second) < 1e-5);
        let scores = second.matmul(&method.prototypes.detach().transpose(0, 1));
        let alone = sinkhorn(&scores, 0.05, 3).unwrap();
        let balanced = method.assign(1, &scores).unwrap();
        assert_eq!(balanced.size(), [4, 7]);
        let older = method.queues[1].rows().matmul(&method.prototypes.detach().transpose(0, 1));
        let expected = sinkhorn(&Tensor::cat(&[&scores, &older], 0), 0.05, 3).unwrap().narrow(0, 0, 4);
        assert!(apart(&balanced, &expected) < 1e-5);
        // Of the queue's two equal halves the balance is the batch's own; another queue changes it.
        method.queues[1].push(&(&second * -1.0)).unwrap();
        assert!(apart(&method.assign(1, &scores).unwrap(), &alone) > 1e-3);
    }
}

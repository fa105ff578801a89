//! SwAV (Caron et al. 2020): views predict each other's assignments to prototypes.

use crate::method::{sorted, trainable};
use crate::config::positive;
use crate::encoder::unit;
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
            self.prototypes.f_copy_(&frozen)?;
        }
        for (queue, embeddings) in self.queues.iter_mut().zip(self.pending.drain(..)) {
            queue.push(&embeddings)?;
        }
        Ok(())
    }

    fn parameters(&self) -> Vec<NamedTensor> {
        trainable(self.state())
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

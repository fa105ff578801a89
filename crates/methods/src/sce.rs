//! SCE (Denize et al. 2023): contrast, with the relations between images that the teacher sees as soft targets.

use crate::encoder::unit;
use crate::method::{named_variables, sorted};
use crate::{
    Batch, Encoder, Error, HeadLayout, Loss, Method, Momentum, NamedTensor, ProjectionHead, Projector, Queue,
    Setup, Step, Teacher, predictor,
};
use serde::{Deserialize, Serialize};
use tch::Tensor;
use visrep_losses::{SceOptions, sce};
use visrep_models::Model;

/// SCE's hyper-parameters: the keys of `[method]` in a recipe. Left out, they have the values of the ResNet-50 run on ImageNet
/// (CEA-LIST/SCE, juliendenize/eztorch).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SceConfig {
    /// The weight of the one-hot target; the rest goes to the relations. 1 is MoCo's contrast.
    pub contrastive_weight: f64,
    /// Of the predictions.
    pub temperature: f64,
    /// Of the relations: 0.07 for ImageNet, 0.05 for CIFAR-10.
    pub target_temperature: f64,
    /// How many keys the queue holds.
    pub queue_length: u32,
    /// Linear layers of the projector.
    pub projector_layers: u32,
    /// Width of its hidden layers.
    pub hidden_dim: u32,
    /// Length of queries and keys.
    pub output_dim: u32,
    /// Width of the predictor's hidden layer; 0 for no predictor, as for CIFAR-10.
    pub predictor_dim: u32,
    /// How much of the teacher stays at each step.
    pub momentum: Momentum,
    /// Whether each view is query once and key once; the loss is then the mean of both directions, and both views' keys are
    /// queued. Otherwise the first view is the query, the second the key (CIFAR-10, with a weakly augmented second).
    pub symmetric: bool,
}

impl Default for SceConfig {
    fn default() -> Self {
        Self {
            contrastive_weight: 0.5,
            temperature: 0.1,
            target_temperature: 0.07,
            queue_length: 65536,
            projector_layers: 3,
            hidden_dim: 4096,
            output_dim: 256,
            predictor_dim: 4096,
            momentum: Momentum { start: 0.99, end: 1.0 },
            symmetric: true,
        }
    }
}

/// A query encoder with a predictor, a teacher that is the encoder's moving average, and a queue of the teacher's
/// projections. Keys are queued after the step. The query backbone is exported.
pub struct Sce {
    query: Encoder,
    predictor: Option<ProjectionHead>,
    key: Encoder,
    teacher: Teacher,
    queue: Queue,
    /// This step's keys, to be queued after it.
    pending: Option<Tensor>,
    options: SceOptions,
    symmetric: bool,
}

impl Sce {
    /// Makes both networks, equal to each other, and a queue of random directions.
    pub fn new(config: &SceConfig, setup: &Setup<'_>) -> Result<Self, Error> {
        let options = SceOptions {
            contrastive_weight: crate::config::fraction("contrastive_weight", config.contrastive_weight)?,
            temperature: crate::config::positive("temperature", config.temperature)?,
            target_temperature: crate::config::positive("target_temperature", config.target_temperature)?,
        };
        let projector = Projector {
            layers: config.projector_layers,
            hidden_dim: Some(config.hidden_dim),
            output_dim: config.output_dim,
            layout: HeadLayout::PLAIN_END,
        };
        let (query, key) = (Encoder::new(setup, &projector)?, Encoder::new(setup, &projector)?);
        let predictor = match config.predictor_dim {
            0 => None,
            hidden => Some(predictor(setup, config.output_dim, hidden, &HeadLayout::BARE_END)?),
        };
        let teacher = query.teach(&key, config.momentum)?;
        let seed = (setup.seed as i64).wrapping_add(3);
        let queue = Queue::new(config.queue_length, i64::from(config.output_dim), setup.device, seed)?;
        let symmetric = config.symmetric;
        Ok(Self { query, predictor, key, teacher, queue, pending: None, options, symmetric })
    }
}

impl Method for Sce {
    fn views(&self) -> usize {
        2
    }

    fn loss(&mut self, batch: &Batch, step: &Step) -> Result<Loss, Error> {
        let [first, second] = batch.pair("sce")?;
        let directions: &[_] =
            if self.symmetric { &[(first, second), (second, first)] } else { &[(first, second)] };
        let (mut terms, mut keys, mut metrics) = (Vec::new(), Vec::new(), Vec::new());
        for (ours, theirs) in directions {
            let key = tch::no_grad(|| unit(&self.key.encode(theirs)?.projections))?;
            let encoded = self.query.encode(ours)?;
            let queries = match &self.predictor {
                Some(predictor) => predictor.forward(&encoded.projections, true)?,
                None => encoded.projections.shallow_clone(),
            };
            terms.push(sce(&queries, &key, self.queue.rows(), &self.options)?);
            keys.push(key);
            metrics = encoded.watch(step)?;
        }
        self.pending = Some(Tensor::f_cat(&keys, 0)?);
        Ok(Loss { value: Tensor::f_stack(&terms, 0)?.f_mean(None)?, metrics })
    }

    fn after_step(&mut self, step: &Step) -> Result<(), Error> {
        self.teacher.update(step)?;
        match self.pending.take() {
            Some(keys) => self.queue.push(&keys),
            None => Ok(()),
        }
    }

    fn state(&self) -> Vec<NamedTensor> {
        let mut state = self.query.state("");
        if let Some(predictor) = &self.predictor {
            state.extend(named_variables("predictor", predictor.var_store()));
        }
        state.extend(self.key.state("key."));
        state.extend(self.queue.state("queue"));
        sorted(state)
    }

    fn model(&self) -> &Model {
        &self.query.model
    }
}

//! MoCo v1 and v2 (He et al. 2020, Chen et al. 2020): queries find their keys among a queue of older ones.

use crate::config::positive;
use crate::encoder::unit;
use crate::method::sorted;
use crate::{
    Batch, Encoded, Encoder, Error, HeadLayout, Loss, Method, Momentum, NamedTensor, Projector, Queue, Setup,
    Step, Teacher, pooled,
};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};
use visrep_losses::info_nce;
use visrep_models::Model;

/// The hyper-parameters of MoCo v1 and v2: the keys of `[method]` in a recipe. Those left out are v2's, but for the
/// temperature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MocoConfig {
    /// The temperature of InfoNCE: 0.07 in v1, 0.2 in v2.
    pub temperature: f64,
    /// Linear layers of the head: 1 in v1, 2 in v2.
    #[serde(default = "projector_layers")]
    pub projector_layers: u32,
    /// Width of the head's hidden layer; left out, the backbone's embedding dimension, as published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden_dim: Option<u32>,
    /// Length of queries and keys.
    #[serde(default = "output_dim")]
    pub output_dim: u32,
    /// How many keys the queue holds.
    #[serde(default = "queue_length")]
    pub queue_length: u32,
    /// How much of the key encoder stays at each step.
    #[serde(default = "momentum")]
    pub momentum: Momentum,
    /// Whether each view is query once and key once; the loss is then the sum of both directions, and both views'
    /// keys are queued (the authors' CIFAR-10 notebook).
    #[serde(default)]
    pub symmetric: bool,
    /// In how many equal parts a batch is normalised, as on so many GPUs. Keys are shuffled among the parts, so that a
    /// query's statistics do not tell its key's (shuffled BN). 1 turns it off.
    #[serde(default = "batch_norm_splits")]
    pub batch_norm_splits: u32,
}

fn projector_layers() -> u32 {
    2
}

fn output_dim() -> u32 {
    128
}

fn queue_length() -> u32 {
    65536
}

fn momentum() -> Momentum {
    Momentum::constant(0.999)
}

fn batch_norm_splits() -> u32 {
    8
}

/// A query encoder, a key encoder that is its moving average, and a queue of keys. The key encoder moves before it
/// encodes, and the loss comes before its keys are queued, as in the authors' code. The query backbone is exported.
///
/// Parts of a batch go through the network one by one, each moving the running statistics: these, which only evaluation
/// reads, follow faster than on several GPUs, where only the first one's are kept.
pub struct Moco {
    query: Encoder,
    key: Encoder,
    teacher: Teacher,
    queue: Queue,
    /// This step's keys, to be queued after it.
    pending: Option<Tensor>,
    temperature: f64,
    symmetric: bool,
    splits: i64,
}

impl Moco {
    /// Makes both networks, equal to each other, and a queue of random directions.
    pub fn new(config: &MocoConfig, setup: &Setup<'_>) -> Result<Self, Error> {
        let temperature = positive("temperature", config.temperature)?;
        positive("batch_norm_splits", f64::from(config.batch_norm_splits))?;
        let projector = Projector {
            layers: config.projector_layers,
            hidden_dim: config.hidden_dim,
            output_dim: config.output_dim,
            layout: HeadLayout::MOCO,
        };
        let query = Encoder::new(setup, &projector)?;
        let key = Encoder::new(setup, &projector)?;
        let teacher = query.teach(&key, config.momentum)?;
        let seed = (setup.seed as i64).wrapping_add(2);
        let queue = Queue::new(config.queue_length, i64::from(config.output_dim), setup.device, seed)?;
        Ok(Self {
            query,
            key,
            teacher,
            queue,
            pending: None,
            temperature,
            symmetric: config.symmetric,
            splits: i64::from(config.batch_norm_splits),
        })
    }

    /// Encodes `images` in parts, each with its own batch statistics.
    fn encode(&self, encoder: &Encoder, images: &Tensor) -> Result<Encoded, Error> {
        let parts = images.f_tensor_split(self.splits, 0)?;
        let features =
            parts.iter().map(|part| pooled(&encoder.model, part)).collect::<Result<Vec<_>, _>>()?;
        // The head has no batch statistics.
        encoder.project(Tensor::f_cat(&features, 0)?)
    }

    /// The normalised keys of `images`, shuffled among the parts and put back.
    fn keys(&self, images: &Tensor) -> Result<Tensor, Error> {
        let _guard = tch::no_grad_guard();
        let n = images.size()[0];
        let order = Tensor::f_randperm(n, (Kind::Int64, images.device()))?;
        let shuffled = self.encode(&self.key, &images.f_index_select(0, &order)?)?.projections;
        let back = order.f_argsort(0, false)?.f_to_device(shuffled.device())?;
        let keys = shuffled.f_index_select(0, &back)?;
        unit(&keys)
    }
}

impl Method for Moco {
    fn views(&self) -> usize {
        2
    }

    fn loss(&mut self, batch: &Batch, step: &Step) -> Result<Loss, Error> {
        let [first, second] = batch.pair("moco")?;
        let (found, needed) = (first.size()[0], 2 * self.splits);
        if self.splits > 1 && found < needed {
            let parameter = "batch_norm_splits";
            return Err(Error::SmallBatch { method: "moco", parameter, needed, found });
        }
        self.teacher.update(step)?;
        let negatives = self.queue.rows();
        let query = self.encode(&self.query, first)?;
        let key = self.keys(second)?;
        let mut value = info_nce(&query.projections, &key, negatives, self.temperature)?;
        let mut pending = key;
        if self.symmetric {
            let other = self.encode(&self.query, second)?.projections;
            let key = self.keys(first)?;
            value = value.f_add(&info_nce(&other, &key, negatives, self.temperature)?)?;
            pending = Tensor::f_cat(&[key, pending], 0)?;
        }
        self.pending = Some(pending);
        Ok(Loss { value, metrics: query.watch(step)? })
    }

    fn after_step(&mut self, _step: &Step) -> Result<(), Error> {
        match self.pending.take() {
            Some(keys) => self.queue.push(&keys),
            None => Ok(()),
        }
    }

    fn state(&self) -> Vec<NamedTensor> {
        let mut state = self.query.state("");
        state.extend(self.key.state("key."));
        state.extend(self.queue.state("queue"));
        sorted(state)
    }

    fn model(&self) -> &Model {
        &self.query.model
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{apart, batch, descend, gradients, setup, step, values};

    fn config() -> MocoConfig {
        MocoConfig {
            temperature: 0.2,
            projector_layers: 2,
            hidden_dim: Some(10),
            output_dim: 6,
            queue_length: 10,
            momentum: Momentum::constant(0.9),
            symmetric: false,
            batch_norm_splits: 1,
        }
    }

    fn method(config: &MocoConfig) -> Moco {
        Moco::new(config, &setup()).unwrap()
    }

    #[test]
    fn keys_come_back_in_order_and_are_queued_after_the_step() {
        for symmetric in [false, true] {
            let mut method = method(&MocoConfig { symmetric, ..config() });
            let images = batch(4, &[8, 8]);
            let before = method.queue.rows().copy();
            descend(&mut method, &images, &step(0), 0.0);
            assert_eq!(*method.queue.rows(), before, "not before the step is taken");
            let key =
                |images| tch::no_grad(|| unit(&method.key.encode(images).unwrap().projections).unwrap());
            let [first, second] = images.pair("moco").unwrap();
            let expected = if symmetric { Tensor::cat(&[key(first), key(second)], 0) } else { key(second) };
            method.after_step(&step(0)).unwrap();
            let n = expected.size()[0];
            assert!(apart(&method.queue.rows().narrow(0, 0, n), &expected) < 1e-5);
            assert_eq!(method.queue.rows().narrow(0, n, 10 - n), before.narrow(0, n, 10 - n));
        }
    }

    #[test]
    fn the_loss_is_that_of_queries_keys_and_queue() {
        let mut method = method(&config());
        let images = batch(4, &[8, 8]);
        let loss = method.loss(&images, &step(0)).unwrap().value;
        let ours = gradients(&method, &loss);
        let [first, second] = images.pair("moco").unwrap();
        let key = tch::no_grad(|| method.key.encode(second).unwrap().projections);
        let query = method.query.encode(first).unwrap().projections;
        let expected = info_nce(&query, &key, method.queue.rows(), 0.2).unwrap();
        assert!(apart(&loss, &expected) < 1e-5);
        for (name, gradient) in gradients(&method, &expected) {
            assert!(apart(&ours[&name], &gradient) < 1e-4, "{name}");
        }
    }

    #[test]
    fn the_key_encoder_moves_by_the_average_before_it_encodes() {
        let mut method = method(&config());
        let images = batch(4, &[8, 8]);
        let key = |method: &Moco| values(method.state()).remove("key.model.conv1.weight").unwrap();
        let query = |method: &Moco| values(method.state()).remove("model.conv1.weight").unwrap();
        let start = key(&method);
        descend(&mut method, &images, &step(0), 0.5);
        method.after_step(&step(0)).unwrap();
        assert_eq!(key(&method), start, "equal networks at the first step: the average is the same");
        let stepped = query(&method);
        assert!(apart(&stepped, &start) > 0.0);
        method.loss(&images, &step(1)).unwrap();
        assert!(apart(&key(&method), &(start * 0.9 + stepped * 0.1)) < 1e-6);
    }

    #[test]
    fn parts_are_normalised_by_themselves() {
        let split = method(&MocoConfig { batch_norm_splits: 2, ..config() });
        let images = batch(6, &[8, 8]);
        let whole = split.encode(&split.query, &images.images[0]).unwrap().features;
        let half = pooled(&split.query.model, &images.images[0].narrow(0, 0, 3)).unwrap();
        assert!(apart(&whole.narrow(0, 0, 3), &half) < 1e-5);
        let mut split = split;
        assert!(matches!(split.loss(&batch(3, &[8, 8]), &step(0)), Err(Error::SmallBatch { needed: 4, .. })));
        for wrong in [
            MocoConfig { temperature: 0.0, ..config() },
            MocoConfig { batch_norm_splits: 0, ..config() },
            MocoConfig { queue_length: 0, ..config() },
            MocoConfig { momentum: Momentum::constant(1.5), ..config() },
        ] {
            assert!(matches!(Moco::new(&wrong, &setup()), Err(Error::Parameter { .. })));
        }
    }
}

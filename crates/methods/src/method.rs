//! The trait that every training method implements, and what passes between it and the trainer.

use crate::Error;
use tch::{Tensor, nn};
use visrep_models::Model;

/// A tensor under the name that checkpoints and tables use for it (`model.conv1.weight`, `head.0.weight`).
pub type NamedTensor = (String, Tensor);

/// A batch as the trainer hands it over.
#[derive(Debug)]
pub struct Batch {
    /// One u8 tensor (N, H, W, 3) for each view, on the host or the device; networks read it normalised by
    /// `Preprocessing::normalize`, as every evaluation does. Views may differ in size: the local ones come last.
    pub images: Vec<Tensor>,
    /// N class indices; -1 for a sample without a label.
    pub labels: Vec<i64>,
    /// N positions in the dataset.
    pub indices: Vec<usize>,
}

/// Where training stands.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Steps completed before this one: 0 for the first.
    pub index: u64,
    /// Steps of the whole run.
    pub total: u64,
    /// The current epoch, from 0.
    pub epoch: u64,
    /// Whether this step's metrics will be written; when not, a method need not compute them.
    pub log: bool,
}

/// What a method makes of a batch.
#[derive(Debug)]
pub struct Loss {
    /// The scalar to minimise.
    pub value: Tensor,
    /// What to log beside it; empty unless [`Step::log`].
    pub metrics: Vec<(&'static str, f64)>,
}

/// A way to train a backbone: an objective with its heads, teachers and queues.
pub trait Method: Send {
    /// How many views of every image a batch must hold, the local ones included.
    fn views(&self) -> usize;

    /// How many of the views, the last ones, are multi-crop's small local crops.
    fn local_views(&self) -> usize {
        0
    }

    /// Runs the networks in training mode on `batch` and computes the loss. The trainer takes the gradient.
    /// Any randomness must come from LibTorch's generator, which the trainer seeds for every step.
    fn loss(&mut self, batch: &Batch, step: &Step) -> Result<Loss, Error>;

    /// Called after the optimiser's step, without gradient tracking: for teachers, queues and the like.
    fn after_step(&mut self, _step: &Step) -> Result<(), Error> {
        Ok(())
    }

    /// The parameters to optimise, sorted by name. The tensors share storage with the networks. By default whatever of
    /// [`Self::state`] asks for a gradient.
    fn parameters(&self) -> Vec<NamedTensor> {
        trainable(self.state())
    }

    /// Everything that a checkpoint must hold for an exact resume, sorted by name: the parameters, the
    /// buffers of normalisation layers, teachers, queues. The tensors share storage with the method, and
    /// a resume copies values into them.
    fn state(&self) -> Vec<NamedTensor>;

    /// The model to export when training ends.
    fn model(&self) -> &Model;

    /// Turns gradient checkpointing of the networks that are trained on or off. A method that trains another network than
    /// [`Self::model`] says so for that.
    fn set_gradient_checkpointing(&self, on: bool) {
        self.model().set_gradient_checkpointing(on);
    }
}

/// All variables of `vars`, buffers included, named `prefix.name` and sorted by name.
pub fn named_variables(prefix: &str, vars: &nn::VarStore) -> Vec<NamedTensor> {
    sorted(vars.variables().into_iter().map(|(name, tensor)| (format!("{prefix}.{name}"), tensor)).collect())
}

/// `named` in the order of the names.
pub fn sorted(mut named: Vec<NamedTensor>) -> Vec<NamedTensor> {
    named.sort_by(|a, b| a.0.cmp(&b.0));
    named
}

/// Those of `named` that ask for a gradient.
pub fn trainable(named: Vec<NamedTensor>) -> Vec<NamedTensor> {
    named.into_iter().filter(|(_, tensor)| tensor.requires_grad()).collect()
}

//! What a probe that trains is given besides its data and its protocol.

use crate::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use visrep_torch::Precision;

/// How training is carried out. Of these the seed and the precision have an influence on the result, and [`Self::pass`] where
/// layers look at the whole batch.
#[derive(Clone, Debug)]
pub struct Execution {
    /// Decides the initial weights of the classifier, the order of the samples, their views, and what layers draw.
    pub seed: u64,
    /// Threads that read, decode and augment.
    pub workers: usize,
    /// In which precision networks run; losses and optimisers are f32 in any.
    pub precision: Precision,
    /// Draw a progress bar when it takes longer than two seconds.
    pub progress: bool,
    /// What the bar of training calls it, where that says more than the kind of training: which of many.
    pub what: Option<String>,
    /// When raised, training ends with [`Error::Stopped`] after the current step.
    pub stop: Arc<AtomicBool>,
    /// The most images of one forward and backward pass of training: a larger batch is taken in parts whose gradients are
    /// averaged, which batch normalisation notices. `None`: whole batches.
    pub pass: Option<usize>,
    /// Images per forward pass where nothing is trained.
    pub batch_size: usize,
}

impl Default for Execution {
    /// Seed 0, a worker per core, fp32, no bar, whole batches in training and 64 images in evaluation.
    fn default() -> Self {
        Self {
            seed: 0,
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            precision: Precision::Fp32,
            progress: false,
            what: None,
            stop: Arc::default(),
            pass: None,
            batch_size: 64,
        }
    }
}

impl Execution {
    /// Errs once [`Self::stop`] is raised.
    pub(crate) fn go_on(&self, what: &'static str, done: u64, total: u64) -> Result<(), Error> {
        match done < total && self.stop.load(Ordering::Relaxed) {
            true => Err(Error::Stopped { what, done, total }),
            false => Ok(()),
        }
    }
}

//! What can go wrong in a training run.

use std::path::PathBuf;

/// An error of this crate; each names the file, key or step at fault and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    // === Recipes ===
    /// No recipe has this name.
    #[error("no recipe is called {name:?}; did you mean {}? (a recipe of your own is given by its path, ending in .toml)", nearest.join(" or "))]
    UnknownRecipe {
        /// The name asked for.
        name: String,
        /// The names most like it.
        nearest: Vec<String>,
    },
    /// A recipe cannot be parsed.
    #[error("recipe {origin}: {message}")]
    Recipe {
        /// The recipe's name or file.
        origin: String,
        /// What is wrong, with the line where known.
        message: String,
    },
    /// No such key in the recipe.
    #[error("the recipe has no key {key:?}; did you mean {}? ({message})", nearest.join(" or "))]
    UnknownKey {
        /// The key asked for.
        key: String,
        /// The keys most like it.
        nearest: Vec<String>,
        /// What the recipe's parser said.
        message: String,
    },
    /// A value that its key cannot have.
    #[error("{key} = {value}: {message}")]
    Value {
        /// The key.
        key: String,
        /// The value as it was given.
        value: String,
        /// What is wrong with it.
        message: String,
    },

    // === Checkpoints and outputs ===
    /// A file cannot be read or written.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A checkpoint cannot be written; the previous one is untouched.
    #[error("{}: cannot write the checkpoint: {message}; earlier checkpoints are untouched: free some space and run the same command again", path.display())]
    CheckpointWrite {
        /// The checkpoint.
        path: PathBuf,
        /// What went wrong.
        message: String,
    },
    /// A checkpoint is damaged.
    #[error("{}: the checkpoint is damaged: {message}; delete it to go on without it", path.display())]
    CheckpointDamaged {
        /// The checkpoint.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A checkpoint belongs to another run.
    #[error("{}: the checkpoint is of another run ({}); choose another output folder, or start afresh by deleting this one", path.display(), differences.join("; "))]
    CheckpointMismatch {
        /// The checkpoint.
        path: PathBuf,
        /// What differs: `key: A in the checkpoint, B asked for`.
        differences: Vec<String>,
    },
    /// The output folder holds a model but no checkpoints.
    #[error("{}: holds a model.safetensors but no checkpoint to resume from; choose another output folder or move that file away", path.display())]
    OutputTaken {
        /// The output folder.
        path: PathBuf,
    },
    /// Another process trains into the same folder.
    #[error("{}: another run is writing here; wait for it or choose another output folder", path.display())]
    OutputBusy {
        /// The output folder.
        path: PathBuf,
    },

    // === Training ===
    /// The loss of a batch is NaN or infinite, or the weights are after the step along its gradient.
    #[error("{} at step {step} (epoch {epoch}); the batch was: {}. Lower schedule.lr or look at these samples", not_finite(*loss), keys.join(", "))]
    NonFinite {
        /// Steps completed before this one.
        step: u64,
        /// The epoch.
        epoch: u64,
        /// The loss; where it is finite, the weights are not.
        loss: f64,
        /// The keys of the batch's samples.
        keys: Vec<String>,
    },
    /// The method refuses a sample.
    #[error("'{key}': {source}")]
    Sample {
        /// The sample's key.
        key: String,
        /// What is wrong with it.
        source: visrep_methods::Error,
    },
    /// The dataset has too few samples.
    #[error("{samples} samples make no full batch of {batch_size}; set loader.batch_size lower")]
    TooFewSamples {
        /// Samples in the dataset.
        samples: usize,
        /// The recipe's batch size.
        batch_size: usize,
    },
    /// An epoch gave no batch.
    #[error("epoch {epoch} gave no batch: nearly every sample was left out as unreadable")]
    EmptyEpoch {
        /// The epoch.
        epoch: u64,
    },
    /// A parameter has no gradient.
    #[error("parameter {name} has no gradient: the loss does not depend on it")]
    NoGradient {
        /// The parameter.
        name: String,
    },
    /// Saved optimiser or average state does not fit.
    #[error("saved state does not fit: {message}")]
    State {
        /// Which tensor, and what is wrong.
        message: String,
    },
    /// A signal handler cannot be installed.
    #[error("cannot install the handlers of SIGINT and SIGTERM: {0}")]
    Signals(std::io::Error),
    /// The dataset or the loader failed.
    #[error(transparent)]
    Data(#[from] visrep_data::Error),
    /// The method failed.
    #[error(transparent)]
    Method(#[from] visrep_methods::Error),
    /// The model cannot be exported.
    #[error(transparent)]
    Model(#[from] visrep_models::Error),
    /// A view transform refuses its parameters.
    #[error("views: {0}")]
    Views(#[from] visrep_augment::Error),
    /// The probe could not measure the model.
    #[error("the probe failed: {0}; leave the section [probe] out to train without it")]
    Probe(crate::run::ProbeError),
    /// LibTorch refused a call.
    #[error("LibTorch: {0}")]
    Torch(#[from] tch::TchError),
    /// A LibTorch call that tch lacks failed.
    #[error(transparent)]
    Shim(#[from] visrep_torch::Error),
}

fn not_finite(loss: f64) -> String {
    if loss.is_finite() {
        format!("the weights are NaN or infinite after the update for a loss of {loss}")
    } else {
        format!("the loss is {loss}")
    }
}

impl Error {
    /// For `map_err` on calls of `std::fs`.
    pub(crate) fn io(path: &std::path::Path, action: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, action, source }
    }
}

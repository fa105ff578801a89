//! What can go wrong while measuring a representation.

use crate::Pooling;
use std::path::PathBuf;

/// An error of this crate; each names the sample, file or parameter at fault and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// LibTorch refused a call.
    #[error("LibTorch: {0}")]
    Torch(#[from] tch::TchError),
    /// The device, its memory or its precision is at fault.
    #[error(transparent)]
    Device(#[from] visrep_torch::Error),
    /// The data cannot be read.
    #[error(transparent)]
    Data(#[from] visrep_data::Error),
    /// The model refused its input.
    #[error(transparent)]
    Model(#[from] visrep_models::Error),
    /// The evaluation transform cannot be made.
    #[error(transparent)]
    Augment(#[from] visrep_augment::Error),
    /// A score cannot be computed.
    #[error(transparent)]
    Metrics(#[from] visrep_metrics::Error),
    /// An optimiser or a schedule refused its values.
    #[error(transparent)]
    Train(#[from] visrep_train::Error),
    /// A loss refused its input.
    #[error(transparent)]
    Loss(#[from] visrep_losses::Error),
    /// A cache file cannot be written.
    #[error("{}: {source}; give another cache folder, or none", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A tensor has the wrong shape.
    #[error("{what} has shape {got:?}: expected {expected}")]
    Shape {
        /// The argument.
        what: &'static str,
        /// Its shape.
        got: Vec<i64>,
        /// What it should be.
        expected: String,
    },
    /// A feature is NaN or infinite.
    #[error("the features of '{key}' are not finite: the weights may have diverged, or the image is damaged")]
    NotFinite {
        /// The sample's key.
        key: String,
    },
    /// A sample has no label where one is needed.
    #[error("'{key}' has no label: this measurement needs a labelled dataset")]
    NoLabel {
        /// The sample's key.
        key: String,
    },
    /// There are no samples, or too few classes.
    #[error("{what}: {need}")]
    TooFew {
        /// The argument.
        what: &'static str,
        /// What is needed.
        need: &'static str,
    },
    /// A network does not have what a pooling asks for.
    #[error("pooling by {pooling}: {problem}; pool what the classifier reads instead")]
    Pooling {
        /// What was asked for.
        pooling: Pooling,
        /// Why it cannot be had.
        problem: &'static str,
    },
    /// No preset has this name.
    #[error("no {what} is called {name:?}; there are {}", known.join(", "))]
    UnknownPreset {
        /// What kind of preset.
        what: &'static str,
        /// The name asked for.
        name: String,
        /// Those that there are.
        known: Vec<&'static str>,
    },
    /// A loss, or weights after a step, are NaN or infinite.
    #[error(
        "step {step} of {what}: the loss is {loss} or the weights are not finite; a lower learning rate may help,          or images at fault are among {}",
        keys.join(", ")
    )]
    Diverged {
        /// What was trained.
        what: &'static str,
        /// The step, from 0.
        step: u64,
        /// Its loss.
        loss: f64,
        /// The keys of its first samples.
        keys: Vec<String>,
    },
    /// Of several ways to train none gave a model whose figure is a number.
    #[error("none of {candidates} candidates could be trained; the first: {first}")]
    NoneTrained {
        /// How many were tried.
        candidates: usize,
        /// What was wrong with the first.
        first: String,
    },
    /// Training was stopped by [`Execution::stop`](crate::Execution::stop).
    #[error("{what} was stopped after {done} of {total} steps: nothing is kept of it")]
    Stopped {
        /// What was trained.
        what: &'static str,
        /// Steps done.
        done: u64,
        /// Steps of the whole.
        total: u64,
    },
    /// Nothing of a suite's data is under the root.
    #[error("{suite}: there is no {} ({published})", paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" or "))]
    MissingData {
        /// The suite.
        suite: &'static str,
        /// Where it was looked for.
        paths: Vec<PathBuf>,
        /// Where it is published.
        published: &'static str,
    },
    /// The flag that asks work to stop was raised.
    #[error("stopped before it was finished: run it again")]
    Interrupted,
    /// A suite built on this crate failed in a way of its own.
    #[error("{suite}: {message}")]
    Suite {
        /// The suite.
        suite: &'static str,
        /// What went wrong.
        message: String,
    },
    /// A parameter is outside its range.
    #[error("{parameter} is {value}: expected {expected}")]
    Parameter {
        /// The parameter.
        parameter: &'static str,
        /// What it is.
        value: f64,
        /// What it should be.
        expected: &'static str,
    },
}

impl Error {
    /// Whether training came to nothing because numbers ceased to be finite, so that other settings may do better on the same data.
    pub fn is_divergence(&self) -> bool {
        match self {
            Self::Diverged { .. } | Self::NotFinite { .. } | Self::NoneTrained { .. } => true,
            // Scores of a network whose weights are finite and its outputs not.
            Self::Metrics(visrep_metrics::Error::Value { value, .. }) => !value.is_finite(),
            _ => false,
        }
    }
}

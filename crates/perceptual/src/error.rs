//! What can go wrong while measuring distances.

/// An error of this crate; each names the argument at fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// LibTorch refused a call.
    #[error("LibTorch: {0}")]
    Torch(#[from] tch::TchError),
    /// The model refused its input.
    #[error(transparent)]
    Model(#[from] visrep_models::Error),
    /// A score cannot be computed.
    #[error(transparent)]
    Metrics(#[from] visrep_metrics::Error),
    /// No taps, or one that the model does not have.
    #[error("unknown tap '{name}': {model} has {available}")]
    UnknownTap {
        /// The name.
        name: String,
        /// The model.
        model: String,
        /// The taps there are, separated by commas.
        available: String,
    },
    /// A distance over no taps.
    #[error("no taps were given: a distance needs at least one of {available}")]
    NoTaps {
        /// The taps there are, separated by commas.
        available: String,
    },
    /// Two batches or images that are compared differ in size.
    #[error("{a} and {b} cannot be compared: both must have the same size")]
    Size {
        /// The size of the first.
        a: String,
        /// The size of the second.
        b: String,
    },
    /// A distance is NaN or infinite.
    #[error("the distance of pair {index}, counted from 0, is not finite: the weights may have diverged")]
    NotFinite {
        /// The pair, counted from 0.
        index: usize,
    },
}

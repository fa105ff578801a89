//! What can go wrong with a model or its weights.

use crate::file::WriteError;
use crate::weights::Mismatch;
use std::path::PathBuf;

/// An error of this crate; each names the model, tensor or file at fault and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// LibTorch refused a call.
    #[error("LibTorch: {0}")]
    Torch(#[from] tch::TchError),

    /// A call of LibTorch's beyond `tch` failed.
    #[error(transparent)]
    Shim(#[from] visrep_torch::Error),

    /// No architecture has this name.
    #[error("no model is called `{name}`; {hint}")]
    UnknownModel {
        /// The name as given.
        name: String,
        /// The nearest names, or where all are, as a clause.
        hint: String,
    },

    /// The architecture exists, but has no such tag.
    #[error("`{architecture}` has no tag `{tag}`; {known}")]
    UnknownTag {
        /// The architecture.
        architecture: String,
        /// The tag as given.
        tag: String,
        /// The tags that there are, nearest first, as a clause.
        known: String,
    },

    /// No published weights have this name.
    #[error("no published weights are called `{name}`; {known}")]
    UnknownWeights {
        /// The name as given.
        name: String,
        /// The nearest names, or what the architecture has, as a clause.
        known: String,
    },

    /// The configuration beside published weights cannot be used.
    #[error("{}: {reason}", path.display())]
    HubConfig {
        /// The file.
        path: PathBuf,
        /// The key and what is wrong with it.
        reason: String,
    },

    /// Published weights cannot be downloaded.
    #[cfg(feature = "hub")]
    #[error("cannot download {what}: {reason}")]
    Download {
        /// The address, or what was asked for.
        what: String,
        /// What went wrong, and what to do.
        reason: String,
    },

    /// Published weights are not in the cache, and nothing may be downloaded.
    #[cfg(feature = "hub")]
    #[error(
        "{what} is not in the cache {}, and HF_HUB_OFFLINE says to download nothing; unset it, or name the cache that has it",
        path.display()
    )]
    Offline {
        /// Where it would come from.
        what: String,
        /// The cache.
        path: PathBuf,
    },

    /// A file is not the one that was published.
    #[cfg(feature = "hub")]
    #[error("{} is not the published file: its SHA-256 is {got}, {reason}", path.display())]
    Digest {
        /// The file.
        path: PathBuf,
        /// Its digest.
        got: String,
        /// What it should be according to whom, what was done, and what to do, as clauses.
        reason: String,
    },

    /// A classifier cannot have this many classes.
    #[error("num_classes is {0}; give 0 for no classifier, or a positive number")]
    NumClasses(i64),

    /// The device cannot be used.
    #[error("device {device:?} cannot be used: {reason}")]
    Device {
        /// The device asked for.
        device: tch::Device,
        /// LibTorch's reason.
        reason: String,
    },

    /// The images do not fit the network.
    #[error("the input is {got:?}; {expected}")]
    Input {
        /// The shape given.
        got: Vec<i64>,
        /// What the network takes, as a clause.
        expected: String,
    },

    /// A compiled network gives something other than its pooled features.
    #[error("the package gives {got:?}; {expected}")]
    Output {
        /// The shape of its first result, if it has any.
        got: Option<Vec<i64>>,
        /// What it should give, as a clause.
        expected: String,
    },

    /// An option was given that the architecture has no use for, or with a value that it cannot have.
    #[error("`{architecture}`: {option} = {value}: {reason}")]
    Option {
        /// The architecture.
        architecture: String,
        /// The field of [`ModelOptions`](crate::ModelOptions).
        option: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it, and what to do.
        reason: String,
    },

    /// A classifier was given features that it cannot read.
    #[error("{0}")]
    Features(String),

    /// A layer, class or other thing was asked for that is not there.
    #[error("there is no {what}; {known}")]
    Unknown {
        /// What was asked for, as a noun phrase.
        what: String,
        /// What there is, as a clause.
        known: String,
    },

    /// A tap was asked for that the backbone does not have.
    #[error("the backbone has no tap `{tap}`; its taps are {known}")]
    UnknownTap {
        /// The tap as given.
        tap: String,
        /// The backbone's taps, in network order.
        known: String,
    },

    /// Batch statistics of a single value are undefined.
    #[error(
        "batch normalisation in training mode needs more than one value per channel, and the input {0:?} has \
         one; use larger images or a batch of at least 2"
    )]
    SingleValueBatchNorm(Vec<i64>),

    /// A weight file cannot be read.
    #[error("cannot read weights from {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },

    /// A weight file is of no format that is read here, or is damaged.
    #[error("{} is not a readable weight file: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },

    /// The file's tensors are not the model's.
    #[error(transparent)]
    Mismatch(#[from] Box<Mismatch>),

    /// A weight file cannot be written; the source tells what stands at its place.
    #[error("cannot write weights to {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: WriteError,
    },
}

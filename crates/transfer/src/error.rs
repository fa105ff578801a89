//! What can go wrong with a dataset of the protocol.

use std::path::PathBuf;

/// An error of this crate; each names the file, dataset or parameter at fault and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of a dataset is missing, damaged or laid out otherwise.
    #[error(transparent)]
    Data(#[from] visrep_data::Error),
    /// A measurement failed.
    #[error(transparent)]
    Probe(#[from] visrep_probe::Error),
    /// A figure cannot be computed.
    #[error(transparent)]
    Metrics(#[from] visrep_metrics::Error),
    /// There is no dataset of this name.
    #[error("there is no transfer dataset `{name}`: there are {known}")]
    Unknown {
        /// The name.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// There is nothing of a dataset.
    #[error("{dataset}: there is none of {}", looked.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "))]
    Missing {
        /// The dataset.
        dataset: &'static str,
        /// Where it was looked for.
        looked: Vec<PathBuf>,
    },
}

/// An error about the layout of a file or folder.
pub(crate) fn layout(path: impl Into<PathBuf>, problem: impl Into<String>) -> visrep_data::Error {
    visrep_data::Error::Layout { path: path.into(), problem: problem.into() }
}

//! What can go wrong with a dataset.

/// An error of this crate; each names the file, row or sample at fault and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A sample's image cannot be decoded.
    #[error("{key}: {source}")]
    Decode {
        /// The sample's key.
        key: String,
        /// What is wrong with it.
        source: visrep_decode::Error,
    },
}

//! What can go wrong with a model or its weights.

/// An error of this crate; each names the model, tensor or file at fault and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// LibTorch refused a call.
    #[error("LibTorch: {0}")]
    Torch(#[from] tch::TchError),
}

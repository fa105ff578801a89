//! What can go wrong with a method.

use crate::Batch;

/// An error of this crate; each names the parameter or batch at fault and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A number of the configuration is outside its range.
    #[error("method.{parameter} must be {expected}, found {found}")]
    Parameter {
        /// The configuration's key.
        parameter: &'static str,
        /// Its range, in words.
        expected: &'static str,
        /// Its value.
        found: f64,
    },
    /// A batch has another number of views than the method asks for.
    #[error("{method} needs {expected} view(s) of every image, found {found}")]
    Views {
        /// The method.
        method: &'static str,
        /// [`Method::views`](crate::Method::views).
        expected: usize,
        /// The number in the batch.
        found: usize,
    },
    /// The dataset has no classes to learn.
    #[error(
        "{method} needs labels, but the dataset has no classes; choose a method that needs none, such as simclr"
    )]
    NoClasses {
        /// The method.
        method: &'static str,
    },
    /// A sample without a label.
    #[error(
        "sample {index} has no label, but {method} needs one for every sample; leave it out of the dataset"
    )]
    NoLabel {
        /// The method.
        method: &'static str,
        /// The sample's index in the dataset.
        index: usize,
    },
    /// A batch with too few images.
    #[error(
        "{method}: method.{parameter} needs at least {needed} images in a batch, found {found}; lower it or raise loader.batch_size"
    )]
    SmallBatch {
        /// The method.
        method: &'static str,
        /// The configuration's key that asks for more.
        parameter: &'static str,
        /// The smallest batch.
        needed: i64,
        /// The batch's images.
        found: i64,
    },
    /// A model without a patch embedding to freeze.
    #[error("method.freeze_patch_embed is for transformers: {model} has no patch embedding")]
    NoPatchEmbedding {
        /// The model.
        model: String,
    },
    /// A teacher is not built as its student is.
    #[error("the teacher cannot follow the student: {name}: {reason}")]
    Teacher {
        /// The variable at fault.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The method cannot be run on this backbone.
    #[error("{method} needs {needs}; {model} is none")]
    Backbone {
        /// The method.
        method: &'static str,
        /// The backbone's name.
        model: String,
        /// What it must be.
        needs: &'static str,
    },
    /// Embeddings of another length than the queue's.
    #[error("the queue holds embeddings of {dim} numbers, these have {found}")]
    Queue {
        /// The queue's length of a row.
        dim: i64,
        /// That of the rows to push.
        found: i64,
    },
    /// The model cannot be made or refuses its input.
    #[error(transparent)]
    Model(#[from] visrep_models::Error),
    /// The objective refuses its arguments.
    #[error(transparent)]
    Loss(#[from] visrep_losses::Error),
    /// LibTorch refused a call.
    #[error("LibTorch: {0}")]
    Torch(#[from] tch::TchError),
    /// A LibTorch call that tch lacks failed.
    #[error(transparent)]
    Shim(#[from] visrep_torch::Error),
}

impl Error {
    /// The position in `batch`, which was refused with this error, of the sample at fault; `None` when it is not
    /// one sample's fault.
    pub fn position(&self, batch: &Batch) -> Option<usize> {
        match self {
            Self::NoLabel { index, .. } => batch.indices.iter().position(|i| i == index),
            Self::Loss(visrep_losses::Error::Label { found, .. }) => {
                batch.labels.iter().position(|label| label == found)
            }
            _ => None,
        }
    }
}

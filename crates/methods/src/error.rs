//! What can go wrong with a method.

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
    /// A view's tensor is not a batch of 8-bit RGB images.
    #[error("a view must be a tensor of 8-bit pixels (N, H, W, 3), found {kind:?} {shape:?}")]
    Images {
        /// The shape found.
        shape: Vec<i64>,
        /// The kind found.
        kind: tch::Kind,
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
    /// The model cannot be made or refuses its input.
    #[error(transparent)]
    Model(#[from] visrep_models::Error),
    /// The objective refuses its arguments.
    #[error(transparent)]
    Loss(#[from] visrep_losses::Error),
    /// LibTorch refused a call.
    #[error("LibTorch: {0}")]
    Torch(#[from] tch::TchError),
}

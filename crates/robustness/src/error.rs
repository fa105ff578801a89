//! What can go wrong while measuring robustness.

/// An error of this crate; each names the sample or parameter at fault and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The data cannot be read, or an image not be corrupted.
    #[error(transparent)]
    Data(#[from] visrep_data::Error),
    /// The model refused its input.
    #[error(transparent)]
    Model(#[from] visrep_models::Error),
    /// A probe cannot be fitted or applied.
    #[error(transparent)]
    Probe(#[from] visrep_probe::Error),
    /// A score cannot be computed.
    #[error(transparent)]
    Metrics(#[from] visrep_metrics::Error),
    /// The evaluation transform cannot be made.
    #[error(transparent)]
    Augment(#[from] visrep_augment::Error),
    /// LibTorch refused a call.
    #[error("LibTorch: {0}")]
    Torch(#[from] tch::TchError),
    /// A severity outside 1 to 5.
    #[error(transparent)]
    Corrupt(#[from] visrep_corrupt::Error),
    /// The model has no classifier.
    #[error("{model} has no classifier: fit a linear probe, or create it with its classes")]
    NoHead {
        /// The model.
        model: String,
    },
    /// The model's classifier is of other classes.
    #[error("{model} has a classifier of {classes} classes: this suite needs one of {expected}")]
    Classes {
        /// The model.
        model: String,
        /// How many classes it has.
        classes: i64,
        /// Which it should have.
        expected: &'static str,
    },
    /// A file or folder of a published dataset that is not as it was published.
    #[error("{} {problem}", path.display())]
    Layout {
        /// The file or folder.
        path: std::path::PathBuf,
        /// What is wrong with it, as the rest of a sentence, and what would be right.
        problem: String,
    },
    /// A sample has no label.
    #[error("'{key}' has no label: robustness is measured on a labelled dataset")]
    NoLabel {
        /// The sample's key.
        key: String,
    },
    /// A classifier gave NaN.
    #[error("the class probabilities of '{key}' are not finite ({condition}): the weights may have diverged")]
    NotFinite {
        /// The sample's key.
        key: String,
        /// What was done to the image: `clean`, or the corruption and its severity.
        condition: String,
    },
    /// An attack was given what it cannot work on.
    #[error("adversarial attack: {problem}")]
    Attack {
        /// What is wrong.
        problem: String,
    },
    /// An object cannot be laid over a background.
    #[error("SI-Score: {problem}")]
    SiScore {
        /// What is wrong.
        problem: String,
    },
    /// A perceptual distance cannot be computed.
    #[error(transparent)]
    Perceptual(#[from] visrep_perceptual::Error),
    /// A call that `tch` lacks failed.
    #[error(transparent)]
    Shim(#[from] visrep_torch::Error),
    /// A corruption was named twice.
    #[error("the corruption {0} is named twice: it would count twice in every mean; name it once")]
    RepeatedCorruption(visrep_corrupt::Corruption),
    /// No corruption to evaluate.
    #[error("no corruptions were given: name at least one, or take `Corruption::ALL`")]
    NoCorruptions,
}

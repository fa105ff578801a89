//! What can go wrong with the arguments of a loss.

/// An error of this crate; each names the argument at fault, what was expected and what was found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A tensor has the wrong shape.
    #[error("{loss}: `{argument}` must have the shape {expected}, found {found:?}")]
    Shape {
        /// The loss that was called.
        loss: &'static str,
        /// The argument at fault.
        argument: &'static str,
        /// The shape it must have, in words.
        expected: String,
        /// The shape it has.
        found: Vec<i64>,
    },
    /// A tensor holds elements of the wrong kind.
    #[error("{loss}: `{argument}` must hold {expected}, found {found:?}")]
    Kind {
        /// The loss that was called.
        loss: &'static str,
        /// The argument at fault.
        argument: &'static str,
        /// The kinds it may have, in words.
        expected: &'static str,
        /// The kind it has.
        found: tch::Kind,
    },
    /// A number is outside its range.
    #[error("{loss}: `{argument}` must be {expected}, found {found}")]
    Parameter {
        /// The loss that was called.
        loss: &'static str,
        /// The argument at fault.
        argument: &'static str,
        /// Its range, in words.
        expected: &'static str,
        /// Its value.
        found: f64,
    },
    /// A label is not a class.
    #[error("{loss}: labels must be within 0..{classes}, found {found}")]
    Label {
        /// The loss that was called.
        loss: &'static str,
        /// The number of classes (the logits' second dimension).
        classes: i64,
        /// The offending label.
        found: i64,
    },
    /// A list has the wrong number of entries.
    #[error("{loss}: `{argument}` must hold {expected}, found {found}")]
    Count {
        /// The loss that was called.
        loss: &'static str,
        /// The argument at fault.
        argument: &'static str,
        /// The entries it must have, in words.
        expected: String,
        /// The number it has.
        found: usize,
    },
    /// LibTorch refused a call.
    #[error("LibTorch: {0}")]
    Torch(#[from] tch::TchError),
}

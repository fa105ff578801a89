//! What can be wrong with the numbers.

/// An error of this crate; each names the argument at fault.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is nothing to score.
    #[error("{what} is empty: there is nothing to score")]
    Empty {
        /// The argument.
        what: &'static str,
    },
    /// Two arguments that go together differ in length.
    #[error("{left} has {left_len} entries but {right} has {right_len}: they must match one to one")]
    Length {
        /// The first argument.
        left: &'static str,
        /// Its length.
        left_len: usize,
        /// The second argument.
        right: &'static str,
        /// Its length.
        right_len: usize,
    },
    /// A flat score matrix is not a whole number of rows.
    #[error(
        "{len} scores are not rows of {classes} classes: give rows x classes of them, classes at least 1"
    )]
    Shape {
        /// The number of scores.
        len: usize,
        /// The stated number of classes.
        classes: usize,
    },
    /// A flat feature matrix is not a whole number of rows.
    #[error(
        "{len} features are not rows of {dim} dimensions: give rows x dimensions of them, dimensions at least 1"
    )]
    Features {
        /// The number of values.
        len: usize,
        /// The stated number of dimensions.
        dim: usize,
    },
    /// A value is NaN, infinite, or outside its range.
    #[error("{what}[{index}] is {value}: expected {expected}")]
    Value {
        /// The argument.
        what: &'static str,
        /// The entry at fault, counted from 0.
        index: usize,
        /// What it is.
        value: f64,
        /// What it should be.
        expected: &'static str,
    },
    /// A label is not one of the classes.
    #[error("label[{index}] is {label}, which is not one of the {classes} classes 0..{classes}")]
    Label {
        /// The entry at fault, counted from 0.
        index: usize,
        /// The label.
        label: i64,
        /// The number of classes.
        classes: usize,
    },
    /// A confusion matrix that does not fit in memory.
    #[error("a confusion matrix of {classes} classes does not fit in memory: count fewer classes")]
    TooManyClasses {
        /// The number of classes.
        classes: usize,
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
    /// A name that a benchmark does not have.
    #[error("unknown {what} '{name}': known are {known}")]
    Unknown {
        /// What is named: a corruption, a task.
        what: &'static str,
        /// The name.
        name: String,
        /// Those that are known, separated by commas.
        known: String,
    },
    /// A mean was asked for without everything that it is the mean of.
    #[error("{what} is the mean of {of}; missing: {missing}")]
    Missing {
        /// The mean.
        what: &'static str,
        /// What it averages.
        of: &'static str,
        /// Those missing, separated by commas.
        missing: String,
    },
    /// A value was given twice.
    #[error("{what} '{name}' is given twice")]
    Duplicate {
        /// What is named.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A covariance with an eigenvalue that is below 0 by more than rounding.
    #[error(
        "{what} has an eigenvalue of {least}, the largest being {largest}: a covariance has none below 0; \
         compute it anew from the features, in double precision"
    )]
    Indefinite {
        /// The argument.
        what: &'static str,
        /// Its least eigenvalue.
        least: f64,
        /// Its largest, 0 where none is above 0.
        largest: f64,
    },
    /// A figure that these values do not have.
    #[error("{what} is not defined here: {reason}")]
    Undefined {
        /// The figure.
        what: &'static str,
        /// Why, and what to give instead.
        reason: &'static str,
    },
}

/// Errs unless the two lengths agree and are not zero.
pub(crate) fn check_lengths(
    left: &'static str,
    left_len: usize,
    right: &'static str,
    right_len: usize,
) -> Result<(), Error> {
    if left_len != right_len {
        return Err(Error::Length { left, left_len, right, right_len });
    }
    if left_len == 0 { Err(Error::Empty { what: left }) } else { Ok(()) }
}

/// Errs on the first value for which `fits` does not hold (`fits` must reject NaN).
pub(crate) fn check_values(
    what: &'static str,
    values: &[f64],
    expected: &'static str,
    fits: impl Fn(f64) -> bool,
) -> Result<(), Error> {
    match values.iter().position(|&value| !fits(value)) {
        Some(index) => Err(Error::Value { what, index, value: values[index], expected }),
        None => Ok(()),
    }
}

/// Errs unless every value is a fraction in `0..=1`.
pub(crate) fn check_fractions(what: &'static str, values: &[f64]) -> Result<(), Error> {
    check_values(what, values, "a fraction in 0..=1", |value| (0.0..=1.0).contains(&value))
}

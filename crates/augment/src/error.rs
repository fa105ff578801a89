//! What can be wrong with the parameters of a transform.

use std::ops::RangeInclusive;

/// An error of this crate. Transforms are checked when they are made; applying them cannot fail.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A parameter is outside what the transform is defined for.
    #[error("{parameter} must be {expected}, found {found}")]
    Parameter {
        /// The transform and the parameter, such as `RandomResizedCrop scale`.
        parameter: &'static str,
        /// What is allowed, such as `between 0 and 1`.
        expected: String,
        /// What was given.
        found: String,
    },
    /// A view is applied to an image of another size than the one it was drawn for.
    #[error("the view is drawn for {}x{} pixels, the image has {}x{}", .expected.0, .expected.1, .found.0, .found.1)]
    ViewSize {
        /// (width, height) that it takes.
        expected: (u32, u32),
        /// (width, height) of the image.
        found: (u32, u32),
    },
    /// A region does not lie inside its image.
    #[error(transparent)]
    Region(#[from] visrep_decode::Error),
}

/// The longest side, in pixels, that this crate makes: 65,535.
pub const MAX_SIDE: u32 = 65_535;

fn wrong(parameter: &'static str, expected: impl Into<String>, found: impl ToString) -> Error {
    Error::Parameter { parameter, expected: expected.into(), found: found.to_string() }
}

/// Errs unless `value` is a number within `allowed`.
pub(crate) fn check_within(
    parameter: &'static str,
    value: f64,
    allowed: RangeInclusive<f64>,
) -> Result<(), Error> {
    if allowed.contains(&value) {
        return Ok(());
    }
    Err(wrong(parameter, format!("between {} and {}", allowed.start(), allowed.end()), value))
}

/// Errs unless both ends are finite numbers within `allowed`, the lower one first.
pub(crate) fn check_range(
    parameter: &'static str,
    range: &RangeInclusive<f64>,
    allowed: RangeInclusive<f64>,
) -> Result<(), Error> {
    let (low, high) = (*range.start(), *range.end());
    if !low.is_finite() || !high.is_finite() || low > high {
        return Err(wrong(parameter, "a range of finite numbers, low to high", format!("{low}..={high}")));
    }
    check_within(parameter, low, allowed.clone())?;
    check_within(parameter, high, allowed)
}

/// Errs unless `side` is a usable length in pixels.
pub(crate) fn check_side(parameter: &'static str, side: u32) -> Result<(), Error> {
    if (1..=MAX_SIDE).contains(&side) {
        Ok(())
    } else {
        Err(wrong(parameter, format!("between 1 and {MAX_SIDE} pixels"), side))
    }
}

/// Errs unless `size` is an odd number of filter taps.
pub(crate) fn check_odd(parameter: &'static str, size: u32) -> Result<(), Error> {
    check_side(parameter, size)?;
    if size % 2 == 1 { Ok(()) } else { Err(wrong(parameter, "odd", size)) }
}

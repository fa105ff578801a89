//! What methods check of their hyper-parameters.

use crate::Error;

/// Errs unless `found` is finite and above 0.
pub(crate) fn check_positive(parameter: &'static str, found: f64) -> Result<(), Error> {
    match found.is_finite() && found > 0.0 {
        true => Ok(()),
        false => Err(Error::Parameter { parameter, expected: "finite and positive", found }),
    }
}

/// Errs unless `found` is finite and not negative.
pub(crate) fn check_not_negative(parameter: &'static str, found: f64) -> Result<(), Error> {
    match found.is_finite() && found >= 0.0 {
        true => Ok(()),
        false => Err(Error::Parameter { parameter, expected: "finite and not negative", found }),
    }
}

/// Errs unless `found` is within 0 and 1.
pub(crate) fn check_fraction(parameter: &'static str, found: f64) -> Result<(), Error> {
    match (0.0..=1.0).contains(&found) {
        true => Ok(()),
        false => Err(Error::Parameter { parameter, expected: "within 0 and 1", found }),
    }
}

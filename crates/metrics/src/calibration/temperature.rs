//! Temperature scaling (Guo et al. 2017): one number that makes confidences fit.

use crate::{Error, ScoreMatrix};

/// Temperatures looked at: far beyond any that a network needs.
const RANGE: (f64, f64) = (0.01, 100.0);

/// Those that the published code looks at, and when it stops.
const PUBLISHED_RANGE: (f64, f64) = (0.2, 5.0);
const PUBLISHED_WIDTH: f64 = 1e-4;

/// The temperature T for which softmax(logits / T) has the lowest negative log-likelihood, found by bisection on the sign
/// of the derivative to a relative precision of 1e-9. Lies in `0.01..=100`: at an end when the likelihood grows beyond it,
/// as it does when every prediction is right. Logarithms of probabilities are logits. Errs on infinite logits.
///
/// Fit it to other samples than those whose calibration it is to mend.
pub fn temperature_scaling<T: Copy + Into<f64>>(
    logits: &ScoreMatrix<'_, T>,
    labels: &[i64],
) -> Result<f64, Error> {
    let slope = slope(logits, labels)?;
    let (mut low, mut high) = RANGE;
    while high / low > 1.0 + 1e-9 {
        let middle = (low * high).sqrt();
        if slope(middle) > 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok((low * high).sqrt())
}

/// [`temperature_scaling`] as in the calibration code of Hendrycks et al.: the temperature within `0.2..=5`, by halving that range until it
/// is narrower than 1e-4.
///
/// # Errors
/// As [`temperature_scaling`].
pub fn temperature_scaling_published<T: Copy + Into<f64>>(
    logits: &ScoreMatrix<'_, T>,
    labels: &[i64],
) -> Result<f64, Error> {
    let slope = slope(logits, labels)?;
    let (mut low, mut high) = PUBLISHED_RANGE;
    while high - low > PUBLISHED_WIDTH {
        let middle = f64::midpoint(low, high);
        if slope(middle) > 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(f64::midpoint(low, high))
}

/// The derivative of the negative log-likelihood by 1/T, as a function of the temperature T: the expected logits less the labels', which
/// grows with 1/T.
fn slope<'l, T: Copy + Into<f64>>(
    logits: &'l ScoreMatrix<'_, T>,
    labels: &'l [i64],
) -> Result<impl Fn(f64) -> f64 + 'l, Error> {
    logits.check_labels(labels)?;
    check_finite(logits)?;
    let term = |row: &[T], label: i64, temperature: f64| {
        let label: f64 = row[label as usize].into();
        let weighted = |(sum, weighted), (e, &z): (f64, &T)| (sum + e, weighted + e * (z.into() - label));
        let (sum, weighted) = exponentials(row, temperature).zip(row).fold((0.0, 0.0), weighted);
        weighted / sum
    };
    Ok(move |temperature| logits.rows().zip(labels).map(|(row, &label)| term(row, label, temperature)).sum())
}

/// The rows of softmax(logits / temperature), row-major. Errs on infinite logits and temperatures that are not above 0.
pub fn softmax<T: Copy + Into<f64>>(
    logits: &ScoreMatrix<'_, T>,
    temperature: f64,
) -> Result<Vec<f64>, Error> {
    check_finite(logits)?;
    if !(temperature > 0.0 && temperature.is_finite()) {
        return Err(Error::Parameter { parameter: "temperature", value: temperature, expected: "above 0" });
    }
    let mut probabilities = Vec::with_capacity(logits.len() * logits.classes());
    for row in logits.rows() {
        let from = probabilities.len();
        probabilities.extend(exponentials(row, temperature));
        let sum: f64 = probabilities[from..].iter().sum();
        probabilities[from..].iter_mut().for_each(|value| *value /= sum);
    }
    Ok(probabilities)
}

/// exp(z / temperature) of a row, up to a factor that keeps them at most 1.
fn exponentials<T: Copy + Into<f64>>(row: &[T], temperature: f64) -> impl Iterator<Item = f64> {
    let highest = row.iter().map(|&z| z.into()).fold(f64::NEG_INFINITY, f64::max);
    row.iter().map(move |&z| ((z.into() - highest) / temperature).exp())
}

fn check_finite<T: Copy + Into<f64>>(logits: &ScoreMatrix<'_, T>) -> Result<(), Error> {
    let mut values = logits.rows().flatten().map(|&z| -> f64 { z.into() }).enumerate();
    match values.find(|(_, z)| !z.is_finite()) {
        Some((index, value)) => {
            Err(Error::Value { what: "logits", index, value, expected: "a finite number" })
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logits_that_are_too_large_by_a_factor_are_found_out() {
        // Two classes at odds 3 : 1, as often right as they say.
        let z = 3.0_f64.ln();
        let rows: Vec<f64> = (0..8).flat_map(|_| [z, 0.0]).collect();
        let labels = [0, 0, 0, 1, 0, 0, 0, 1];
        for factor in [0.25, 1.0, 4.0] {
            let scaled: Vec<f64> = rows.iter().map(|z| z * factor).collect();
            let logits = ScoreMatrix::new(&scaled, 2).unwrap();
            let found = temperature_scaling(&logits, &labels).unwrap();
            assert!((found / factor - 1.0).abs() < 1e-8, "{found}");
            let published = temperature_scaling_published(&logits, &labels).unwrap();
            assert!((published - factor).abs() < 1e-4, "{published}");
            let p = softmax(&logits, found).unwrap();
            assert!((p[0] - 0.75).abs() < 1e-8 && (p[0] + p[1] - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn ends_and_bad_input() {
        let logits = ScoreMatrix::new(&[5.0, 0.0, 0.0, 5.0], 2).unwrap();
        assert!(temperature_scaling(&logits, &[0, 1]).unwrap() < 0.0101);
        assert!(temperature_scaling(&logits, &[1, 0]).unwrap() > 99.0);
        assert!((temperature_scaling_published(&logits, &[0, 1]).unwrap() - 0.2).abs() < 1e-4);
        assert!((temperature_scaling_published(&logits, &[1, 0]).unwrap() - 5.0).abs() < 1e-4);
        assert!(temperature_scaling(&logits, &[0]).is_err());
        let infinite = ScoreMatrix::new(&[f64::NEG_INFINITY, 0.0], 2).unwrap();
        assert!(matches!(temperature_scaling(&infinite, &[1]), Err(Error::Value { index: 0, .. })));
        assert!(softmax(&infinite, 1.0).is_err());
        assert!(softmax(&logits, 0.0).is_err() && softmax(&logits, f64::NAN).is_err());
        // Large logits do not overflow.
        let large = ScoreMatrix::new(&[2000.0, 1000.0], 2).unwrap();
        assert_eq!(softmax(&large, 1.0).unwrap(), [1.0, 0.0]);
    }
}

//! Fréchet distance between Gaussians (FID; Heusel et al. 2017).

use crate::linalg::{add_gram, factor, matrix, mirror, nuclear_norm, trace};
use crate::{Error, FeatureMatrix};

/// Mean and covariance of features that come in batches, in double precision.
#[derive(Clone, Debug)]
pub struct FeatureStatistics {
    dim: usize,
    n: usize,
    /// A point among the features: sums of differences from it lose no digits.
    origin: Vec<f64>,
    sum: Vec<f64>,
    /// Sums of products of differences, from the diagonal to the right.
    products: Vec<f64>,
}

impl FeatureStatistics {
    /// No features yet, of `dim` dimensions. Takes 8 · `dim`² bytes.
    pub fn new(dim: usize) -> Self {
        let (origin, sum, products) = (vec![0.0; dim], vec![0.0; dim], vec![0.0; dim * dim]);
        Self { dim, n: 0, origin, sum, products }
    }

    /// Adds a batch. Errs when its features have another number of dimensions.
    pub fn add<T: Copy + Into<f64>>(&mut self, features: &FeatureMatrix<'_, T>) -> Result<(), Error> {
        if features.dim() != self.dim {
            let (left, right) = ("the statistics", "the batch");
            return Err(Error::Length { left, left_len: self.dim, right, right_len: features.dim() });
        }
        let mut rows = features.to_f64();
        if self.n == 0 {
            self.origin.copy_from_slice(&rows[..self.dim]);
        }
        for row in rows.chunks_exact_mut(self.dim) {
            row.iter_mut().zip(&self.origin).for_each(|(value, origin)| *value -= origin);
            self.sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += *value);
        }
        add_gram(matrix(&rows, self.dim), &mut self.products);
        self.n += features.len();
        Ok(())
    }

    /// The number of samples so far.
    pub fn len(&self) -> usize {
        self.n
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// The mean of each dimension. Errs without samples.
    pub fn mean(&self) -> Result<Vec<f64>, Error> {
        if self.n == 0 {
            return Err(Error::Empty { what: "features" });
        }
        let mean = |(origin, sum): (&f64, &f64)| origin + sum / self.n as f64;
        Ok(self.origin.iter().zip(&self.sum).map(mean).collect())
    }

    /// The covariance (`dim` × `dim`, row-major) with N − 1 in the denominator, as NumPy's `cov`. Errs with fewer than two
    /// samples. It is singular with no more samples than dimensions.
    pub fn covariance(&self) -> Result<Vec<f64>, Error> {
        if self.n < 2 {
            let value = self.n as f64;
            return Err(Error::Parameter { parameter: "samples", value, expected: "at least 2" });
        }
        let n = self.n as f64;
        let mut covariance = self.products.clone();
        for (row, values) in covariance.chunks_exact_mut(self.dim).enumerate() {
            for (value, sum) in values.iter_mut().zip(&self.sum) {
                *value = (*value - self.sum[row] * sum / n) / (n - 1.0);
            }
        }
        mirror(&mut covariance, self.dim);
        Ok(covariance)
    }
}

/// The squared Fréchet distance of two Gaussians, ‖μ₁ − μ₂‖² + tr Σ₁ + tr Σ₂ − 2 tr (Σ₁Σ₂)^½: the FID when their features are
/// Inception's. A mean of `d` values and a covariance of `d` × `d` each.
///
/// With Σ = F·Fᵀ of both, the eigenvalues of (Σ₁^½Σ₂Σ₁^½)^½ are the singular values of F₁ᵀ·F₂, so that singular covariances, of few
/// samples, are no special case, where a matrix square root fails or needs an offset.
///
/// # Errors
/// Lengths that do not go together, values that are not finite, and covariances with an eigenvalue below 0 by more than 1e-5 of the
/// largest ([`Error::Indefinite`]): what is less is rounding, and counts as 0.
pub fn frechet_distance(first: (&[f64], &[f64]), second: (&[f64], &[f64])) -> Result<f64, Error> {
    let dim = first.0.len();
    crate::error::check_lengths("first mean", dim, "second mean", second.0.len())?;
    for (what, covariance) in [("first covariance", first.1), ("second covariance", second.1)] {
        if covariance.len() != dim * dim {
            let (left, right) = (what, "the square of the mean");
            return Err(Error::Length { left, left_len: covariance.len(), right, right_len: dim * dim });
        }
    }
    for (what, values) in [
        ("first mean", first.0),
        ("first covariance", first.1),
        ("second mean", second.0),
        ("second covariance", second.1),
    ] {
        crate::error::check_values(what, values, "a finite number", f64::is_finite)?;
    }
    let (a, b) = (factor("first covariance", first.1, dim)?, factor("second covariance", second.1, dim)?);
    let roots = nuclear_norm((a.transpose() * &b).as_ref())?;
    let moved: f64 = first.0.iter().zip(second.0).map(|(a, b)| (a - b) * (a - b)).sum();
    Ok(moved + trace(first.1, dim) + trace(second.1, dim) - 2.0 * roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_do_not_depend_on_batches() {
        let values: Vec<f64> = (0..60).map(|i| 1e6 + f64::from(i * i % 17)).collect();
        let mut whole = FeatureStatistics::new(3);
        assert!(whole.is_empty() && whole.mean().is_err() && whole.covariance().is_err());
        whole.add(&FeatureMatrix::new(&values, 3).unwrap()).unwrap();
        let mut parts = FeatureStatistics::new(3);
        for part in values.chunks(9) {
            parts.add(&FeatureMatrix::new(part, 3).unwrap()).unwrap();
        }
        assert_eq!((whole.len(), parts.len()), (20, 20));
        let (a, b) = (whole.covariance().unwrap(), parts.covariance().unwrap());
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-9));
        let column: Vec<f64> = values.iter().skip(1).step_by(3).copied().collect();
        let mean = column.iter().sum::<f64>() / 20.0;
        let variance = column.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 19.0;
        assert!((whole.mean().unwrap()[1] - mean).abs() < 1e-9 && (a[4] - variance).abs() < 1e-9);
        assert!(parts.add(&FeatureMatrix::new(&values, 4).unwrap()).is_err());
    }

    #[test]
    fn known_gaussians_have_their_known_distance() {
        let (mean, moved) = ([1.0, 2.0], [1.0, 5.0]);
        let (a, b) = ([4.0, 0.0, 0.0, 9.0], [1.0, 0.0, 0.0, 16.0]);
        // 3² + (2 − 1)² + (3 − 4)².
        assert!((frechet_distance((&mean, &a), (&moved, &b)).unwrap() - 11.0).abs() < 1e-12);
        assert!(frechet_distance((&mean, &a), (&mean, &a)).unwrap().abs() < 1e-12);
        // One direction has no variance on one side.
        let flat = [4.0, 0.0, 0.0, 0.0];
        assert!((frechet_distance((&mean, &flat), (&mean, &b)).unwrap() - 17.0).abs() < 1e-12);
        assert!((frechet_distance((&mean, &b), (&mean, &flat)).unwrap() - 17.0).abs() < 1e-12);
        assert_eq!(frechet_distance((&mean, &[0.0; 4]), (&moved, &[0.0; 4])).unwrap(), 9.0);
        assert!(frechet_distance((&mean, &a), (&[1.0], &b)).is_err());
        assert!(frechet_distance((&mean, &a[..3]), (&mean, &b)).is_err());
        assert!(frechet_distance((&mean, &[f64::NAN; 4]), (&mean, &b)).is_err());
        let bent = [1.0, 2.0, 2.0, 1.0];
        for pair in [[&bent, &b], [&b, &bent]] {
            let error = frechet_distance((&mean, pair[0]), (&mean, pair[1])).unwrap_err();
            assert!(
                matches!(error, Error::Indefinite { least, .. } if (least + 1.0).abs() < 1e-12),
                "{error}"
            );
        }
    }
}

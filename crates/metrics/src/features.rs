//! One feature vector for each sample.

use crate::Error;

/// Features, row-major (samples, dimensions), checked: at least one row, every value finite.
#[derive(Clone, Copy, Debug)]
pub struct FeatureMatrix<'a, T = f64> {
    values: &'a [T],
    dim: usize,
}

impl<'a, T: Copy + Into<f64>> FeatureMatrix<'a, T> {
    /// Wraps `values`, rows of `dim` values each. Errs when there are no rows, when the length is not a multiple of `dim`,
    /// and on values that are not finite.
    pub fn new(values: &'a [T], dim: usize) -> Result<Self, Error> {
        if values.is_empty() {
            return Err(Error::Empty { what: "features" });
        }
        if dim == 0 || !values.len().is_multiple_of(dim) {
            return Err(Error::Features { len: values.len(), dim });
        }
        let mut found = values.iter().map(|&value| -> f64 { value.into() }).enumerate();
        match found.find(|(_, value)| !value.is_finite()) {
            Some((index, value)) => {
                Err(Error::Value { what: "features", index, value, expected: "a finite number" })
            }
            None => Ok(Self { values, dim }),
        }
    }

    /// The number of dimensions.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        self.values.len() / self.dim
    }

    /// Never true: an empty matrix cannot be made.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The rows, one slice of `dim` values for each sample.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &'a [T]> {
        self.values.chunks_exact(self.dim)
    }

    /// Sample `index`.
    pub(crate) fn row(&self, index: usize) -> &'a [T] {
        &self.values[index * self.dim..(index + 1) * self.dim]
    }

    /// All values in double precision.
    pub(crate) fn to_f64(self) -> Vec<f64> {
        self.values.iter().map(|&value| value.into()).collect()
    }

    /// All values in double precision, rows scaled to length 1. Errs on a row of zeros, which has no direction.
    pub(crate) fn to_unit(self) -> Result<Vec<f64>, Error> {
        let mut values = self.to_f64();
        for (row, features) in values.chunks_exact_mut(self.dim).enumerate() {
            let norm = features.iter().map(|value| value * value).sum::<f64>().sqrt();
            if norm == 0.0 {
                let expected = "a row that is not all zeros: those have no direction";
                return Err(Error::Value { what: "feature row", index: row, value: 0.0, expected });
            }
            features.iter_mut().for_each(|value| *value /= norm);
        }
        Ok(values)
    }

    /// All values in double precision, the mean of each dimension taken off.
    pub(crate) fn to_centred(self) -> Vec<f64> {
        let mut values = self.to_f64();
        let mut mean = vec![0.0; self.dim];
        for row in values.chunks_exact(self.dim) {
            mean.iter_mut().zip(row).for_each(|(mean, value)| *mean += value);
        }
        mean.iter_mut().for_each(|mean| *mean /= self.len() as f64);
        for row in values.chunks_exact_mut(self.dim) {
            row.iter_mut().zip(&mean).for_each(|(value, mean)| *value -= mean);
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_checked_and_brought_to_forms() {
        let values = [3.0_f32, 4.0, 0.0, 2.0];
        let features = FeatureMatrix::new(&values, 2).unwrap();
        assert_eq!((features.len(), features.dim(), features.is_empty()), (2, 2, false));
        assert_eq!(features.to_unit().unwrap(), [0.6, 0.8, 0.0, 1.0]);
        assert_eq!(features.to_centred(), [1.5, 1.0, -1.5, -1.0]);
        assert!(FeatureMatrix::<f64>::new(&[], 2).is_err());
        assert!(matches!(FeatureMatrix::new(&values, 3), Err(Error::Features { len: 4, dim: 3 })));
        assert!(FeatureMatrix::new(&values, 0).is_err());
        assert!(matches!(FeatureMatrix::new(&[0.0, f64::INFINITY], 1), Err(Error::Value { index: 1, .. })));
        let zero = [1.0, 0.0, 0.0, 0.0];
        assert!(FeatureMatrix::new(&zero, 2).unwrap().to_unit().is_err());
    }
}

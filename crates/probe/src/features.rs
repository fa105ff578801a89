//! Features of a frozen model with their labels and keys: what every probe reads.

use crate::Error;
use tch::{Kind, Tensor};

/// One feature vector for each sample.
#[derive(Debug)]
pub struct FeatureSet {
    /// The vectors, (N, D) f32. On the CPU unless moved elsewhere; probes work where the features are.
    pub features: Tensor,
    /// Class indices, one for each sample; -1 for a sample without a label.
    pub labels: Vec<i64>,
    /// The samples' keys, one for each.
    pub keys: Vec<String>,
}

impl FeatureSet {
    /// Puts the parts together. Errs unless `features` is (N, D) with N and D at least 1, all finite, and there
    /// are N labels and N keys.
    pub fn new(features: Tensor, labels: Vec<i64>, keys: Vec<String>) -> Result<Self, Error> {
        let set = Self { features: features.f_to_kind(Kind::Float)?, labels, keys };
        set.check()?;
        Ok(set)
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The length of the vectors.
    pub fn dim(&self) -> i64 {
        self.features.size().get(1).copied().unwrap_or(0)
    }

    /// One more than the highest label; 0 when nothing is labelled.
    pub fn classes(&self) -> usize {
        self.labels.iter().map(|&label| label + 1).max().map_or(0, |classes| classes.max(0) as usize)
    }

    /// The samples at `indices`, in that order. Errs when an index is not below [`Self::len`].
    pub fn select(&self, indices: &[usize]) -> Result<Self, Error> {
        if let Some(&index) = indices.iter().find(|&&index| index >= self.len()) {
            let expected = "an index below the number of samples";
            return Err(Error::Parameter { parameter: "index", value: index as f64, expected });
        }
        let rows: Vec<i64> = indices.iter().map(|&index| index as i64).collect();
        let rows = Tensor::from_slice(&rows).f_to_device(self.features.device())?;
        Ok(Self {
            features: self.features.f_index_select(0, &rows)?,
            labels: indices.iter().map(|&index| self.labels[index]).collect(),
            keys: indices.iter().map(|&index| self.keys[index].clone()).collect(),
        })
    }

    /// The samples of both, these first. Errs when the dimensions differ.
    pub fn joined(&self, other: &Self) -> Result<Self, Error> {
        if self.dim() != other.dim() {
            let expected = format!("(N, {}) as the others have", self.dim());
            return Err(Error::Shape { what: "features", got: other.features.size(), expected });
        }
        let others = other.features.f_to_device(self.features.device())?;
        Ok(Self {
            features: Tensor::f_cat(&[&self.features, &others], 0)?,
            labels: [&self.labels[..], &other.labels].concat(),
            keys: [&self.keys[..], &other.keys].concat(),
        })
    }

    /// Errs unless the parts fit together and every feature is finite.
    pub fn check(&self) -> Result<(), Error> {
        let size = self.features.size();
        if size.len() != 2 || size[0] < 1 || size[1] < 1 {
            let expected = "(N, D) with at least one sample and one dimension".into();
            return Err(Error::Shape { what: "features", got: size, expected });
        }
        for (what, len) in [("labels", self.labels.len()), ("keys", self.keys.len())] {
            if len as i64 != size[0] {
                let expected = format!("{} entries, one for each feature vector", size[0]);
                return Err(Error::Shape { what, got: vec![len as i64], expected });
            }
        }
        // A sum over a row is finite exactly when the row is: f64 cannot overflow on f32 values.
        let sums = self.features.f_sum_dim_intlist([1].as_slice(), false, Kind::Double)?;
        let sums = Vec::<f64>::try_from(&sums)?;
        match sums.iter().position(|sum| !sum.is_finite()) {
            Some(row) => Err(Error::NotFinite { key: self.keys[row].clone() }),
            None => Ok(()),
        }
    }

    /// [`Self::check`], and errs unless every sample has a label.
    pub fn check_labelled(&self) -> Result<(), Error> {
        self.check()?;
        match self.labels.iter().position(|&label| label < 0) {
            Some(row) => Err(Error::NoLabel { key: self.keys[row].clone() }),
            None => Ok(()),
        }
    }
}

/// Errs unless both sets are labelled and of one dimension; returns the number of classes over both.
pub(crate) fn check_pair(train: &FeatureSet, test: &FeatureSet) -> Result<usize, Error> {
    train.check_labelled()?;
    test.check_labelled()?;
    if train.dim() != test.dim() {
        let expected = format!("(N, {}) as the training features have", train.dim());
        return Err(Error::Shape { what: "test features", got: test.features.size(), expected });
    }
    Ok(train.classes().max(test.classes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(values: &[f32], rows: i64, labels: &[i64]) -> Result<FeatureSet, Error> {
        let keys = (0..labels.len()).map(|i| format!("k{i}")).collect();
        FeatureSet::new(Tensor::from_slice(values).view([rows, -1]), labels.to_vec(), keys)
    }

    #[test]
    fn what_does_not_fit_is_named() {
        assert!(matches!(set(&[1.0, 2.0], 2, &[0]), Err(Error::Shape { what: "labels", .. })));
        let error = set(&[1.0, 2.0, f32::NAN, 1.0], 2, &[0, 1]).unwrap_err();
        assert!(error.to_string().contains("'k1'"), "{error}");
        let huge = set(&[f32::MAX, f32::MAX, -f32::MAX, 1.0], 2, &[0, 1]);
        assert!(huge.is_ok(), "large but finite");
        assert!(matches!(
            set(&[1.0, 2.0], 2, &[0, -1]).unwrap().check_labelled(),
            Err(Error::NoLabel { .. })
        ));
    }

    #[test]
    fn select_keeps_order_and_parts_together() {
        let all = set(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3, &[4, 5, 6]).unwrap();
        let some = all.select(&[2, 0]).unwrap();
        assert_eq!(Vec::<f32>::try_from(some.features.flatten(0, -1)).unwrap(), [5.0, 6.0, 1.0, 2.0]);
        assert_eq!((some.labels, some.keys), (vec![6, 4], vec!["k2".to_owned(), "k0".to_owned()]));
        assert!(all.select(&[3]).is_err());
        assert_eq!((all.classes(), all.dim(), all.len()), (7, 2, 3));
    }
}

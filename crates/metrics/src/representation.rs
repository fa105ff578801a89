//! What features look like without a classifier: how far apart classes lie, how many directions are used, and whether two
//! representations are alike.

use crate::error::check_lengths;
use crate::linalg::{dot, matrix, product, symmetric_eigenvalues};
use crate::{Error, FeatureMatrix};
use std::collections::BTreeMap;

/// Class separation R² (Kornblith et al. 2021, eq. 11): 1 less the mean cosine distance within classes by that between all
/// samples, every class weighing the same, pairs of a sample with itself included. 1 when classes are points.
pub fn class_separation<T: Copy + Into<f64>>(
    features: &FeatureMatrix<'_, T>,
    labels: &[i64],
) -> Result<f64, Error> {
    check_lengths("features", features.len(), "labels", labels.len())?;
    let dim = features.dim();
    let unit = features.to_unit()?;
    let mut classes = BTreeMap::<i64, (usize, Vec<f64>)>::new();
    for (row, &label) in unit.chunks_exact(dim).zip(labels) {
        let (count, sum) = classes.entry(label).or_insert_with(|| (0, vec![0.0; dim]));
        *count += 1;
        sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    let k = classes.len() as f64;
    let (mut squared, mut centre) = (0.0, vec![0.0; dim]);
    for (count, mut mean) in classes.into_values() {
        mean.iter_mut().for_each(|value| *value /= count as f64);
        squared += dot(&mean, &mean) / k;
        centre.iter_mut().zip(&mean).for_each(|(centre, value)| *centre += value / k);
    }
    // Mean distances of pairs are 1 less squared lengths of means.
    let (within, total) = (1.0 - squared, 1.0 - dot(&centre, &centre));
    if total <= 0.0 {
        let reason = "all features point the same way";
        return Err(Error::Undefined { what: "class separation", reason });
    }
    Ok(1.0 - within / total)
}

/// Linear centred kernel alignment of two representations of the same samples (Kornblith et al. 2019): 1 when one is a rotated
/// and scaled copy of the other, 0 when they share nothing.
pub fn linear_cka<A: Copy + Into<f64>, B: Copy + Into<f64>>(
    first: &FeatureMatrix<'_, A>,
    second: &FeatureMatrix<'_, B>,
) -> Result<f64, Error> {
    check_lengths("first", first.len(), "second", second.len())?;
    let (x, y) = (first.to_centred(), second.to_centred());
    let (n, p, q) = (first.len(), first.dim(), second.dim());
    let (xy, xx, yy) = if n < p.max(q) {
        // Inner products of samples are fewer than those of dimensions.
        let (k, l) = (gram(&x, p), gram(&y, q));
        (dot(&k, &l), dot(&k, &k).sqrt(), dot(&l, &l).sqrt())
    } else {
        let norm = |a: &[f64], p: usize, b: &[f64], q: usize| {
            let product = product(matrix(a, p).transpose(), matrix(b, q));
            dot(&product, &product)
        };
        (norm(&x, p, &y, q), norm(&x, p, &x, p).sqrt(), norm(&y, q, &y, q).sqrt())
    };
    if xx == 0.0 || yy == 0.0 {
        return Err(Error::Undefined { what: "CKA", reason: "all samples have the same features" });
    }
    Ok(xy / (xx * yy))
}

/// Linear CKA from batches of samples, without the bias that small ones have (Nguyen et al. 2021).
///
/// Each batch gives three unbiased estimates of HSIC; the ratio is taken of their means over batches.
#[derive(Clone, Copy, Debug, Default)]
pub struct MinibatchCka {
    xy: f64,
    xx: f64,
    yy: f64,
    batches: usize,
}

impl MinibatchCka {
    /// Adds a batch of at least four samples under both representations.
    pub fn add<A: Copy + Into<f64>, B: Copy + Into<f64>>(
        &mut self,
        first: &FeatureMatrix<'_, A>,
        second: &FeatureMatrix<'_, B>,
    ) -> Result<(), Error> {
        check_lengths("first", first.len(), "second", second.len())?;
        let n = first.len();
        if n < 4 {
            return Err(Error::Parameter {
                parameter: "batch",
                value: n as f64,
                expected: "at least 4 samples",
            });
        }
        let hollow = |values: Vec<f64>, dim: usize| {
            let mut gram = gram(&values, dim);
            (0..n).for_each(|i| gram[i * n + i] = 0.0);
            gram
        };
        let (k, l) = (hollow(first.to_f64(), first.dim()), hollow(second.to_f64(), second.dim()));
        self.xy += hsic(&k, &l, n);
        self.xx += hsic(&k, &k, n);
        self.yy += hsic(&l, &l, n);
        self.batches += 1;
        Ok(())
    }

    /// The alignment over all batches so far; may lie slightly below 0.
    pub fn value(&self) -> Result<f64, Error> {
        if self.batches == 0 {
            return Err(Error::Empty { what: "batches" });
        }
        if !(self.xx > 0.0 && self.yy > 0.0) {
            let reason = "a representation does not vary within its batches";
            return Err(Error::Undefined { what: "CKA", reason });
        }
        Ok(self.xy / (self.xx * self.yy).sqrt())
    }
}

/// The unbiased estimate of HSIC from Gram matrices whose diagonals are zero (Song et al. 2012).
fn hsic(k: &[f64], l: &[f64], n: usize) -> f64 {
    let sums = |gram: &[f64]| gram.chunks_exact(n).map(|row| row.iter().sum::<f64>()).collect::<Vec<_>>();
    let (rows_k, rows_l) = (sums(k), sums(l));
    let all = rows_k.iter().sum::<f64>() * rows_l.iter().sum::<f64>();
    let n = n as f64;
    let terms = dot(k, l) + all / ((n - 1.0) * (n - 2.0)) - 2.0 / (n - 2.0) * dot(&rows_k, &rows_l);
    terms / (n * (n - 3.0))
}

/// Inner products of all pairs of rows.
fn gram(values: &[f64], dim: usize) -> Vec<f64> {
    product(matrix(values, dim), matrix(values, dim).transpose())
}

/// The effective rank of the features (Roy & Vetterli 2007; RankMe, Garrido et al. 2023): exp of the entropy of the singular
/// values, scaled to sum 1, of the features as they are, not centred. From 1, when all point one way, to the number of
/// dimensions.
pub fn effective_rank<T: Copy + Into<f64>>(features: &FeatureMatrix<'_, T>) -> Result<f64, Error> {
    let (values, n, dim) = (features.to_f64(), features.len(), features.dim());
    let rows = matrix(&values, dim);
    // The smaller of the two products has the same singular values, squared.
    let side = n.min(dim);
    let products = if n < dim { product(rows, rows.transpose()) } else { product(rows.transpose(), rows) };
    let eigenvalues = symmetric_eigenvalues(matrix(&products, side))?;
    let singular: Vec<f64> = eigenvalues.into_iter().map(|value| value.max(0.0).sqrt()).collect();
    let sum: f64 = singular.iter().sum();
    if sum == 0.0 {
        return Err(Error::Undefined { what: "the effective rank", reason: "all features are zero" });
    }
    let shares = singular.into_iter().map(|value| value / sum).filter(|&share| share > 0.0);
    Ok((-shares.map(|share| share * share.ln()).sum::<f64>()).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_that_are_points_are_fully_separated() {
        let values = [1.0, 0.0, 2.0, 0.0, 0.0, 1.0, 0.0, 3.0];
        let features = FeatureMatrix::new(&values, 2).unwrap();
        assert!((class_separation(&features, &[0, 0, 1, 1]).unwrap() - 1.0).abs() < 1e-12);
        assert!(class_separation(&features, &[0, 1, 0, 1]).unwrap().abs() < 1e-12);
        let same = FeatureMatrix::new(&values[..4], 2).unwrap();
        assert!(matches!(class_separation(&same, &[0, 1]), Err(Error::Undefined { .. })));
        assert!(class_separation(&features, &[0, 1]).is_err());
    }

    #[test]
    fn cka_sees_neither_rotation_nor_scale() {
        let values = [1.0, 2.0, 3.0, 5.0, -1.0, 0.5, 2.0, -2.0, 0.0, 1.0];
        let turned: Vec<f64> = values.chunks(2).flat_map(|v| [7.0 - 3.0 * v[1], 3.0 * v[0]]).collect();
        let x = FeatureMatrix::new(&values, 2).unwrap();
        let y = FeatureMatrix::new(&turned, 2).unwrap();
        assert!((linear_cka(&x, &y).unwrap() - 1.0).abs() < 1e-12);
        // Five samples of five dimensions and more: by inner products of samples.
        let wide: Vec<f64> = values.chunks(2).flat_map(|v| [v[0], 0.0, v[1], 0.0, 0.0, 0.0]).collect();
        let wide = FeatureMatrix::new(&wide, 6).unwrap();
        assert!((linear_cka(&wide, &y).unwrap() - 1.0).abs() < 1e-12);
        let mut batches = MinibatchCka::default();
        assert!(batches.value().is_err());
        batches.add(&x, &y).unwrap();
        batches.add(&x, &x).unwrap();
        let constant = FeatureMatrix::new(&[4.0; 10], 2).unwrap();
        assert!(linear_cka(&x, &constant).is_err());
        let three = FeatureMatrix::new(&values[..6], 2).unwrap();
        assert!(batches.add(&three, &three).is_err());
        let mut alone = MinibatchCka::default();
        alone.add(&x, &x).unwrap();
        assert!((alone.value().unwrap() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn the_effective_rank_counts_directions() {
        let identity = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0];
        let three = FeatureMatrix::new(&identity[..9], 3).unwrap();
        assert!((effective_rank(&three).unwrap() - 3.0).abs() < 1e-9);
        let one = FeatureMatrix::new(&[1.0, 2.0, 2.0, 4.0, 3.0, 6.0], 2).unwrap();
        assert!((effective_rank(&one).unwrap() - 1.0).abs() < 1e-6);
        let wide = FeatureMatrix::new(&identity[..6], 3).unwrap();
        assert!((effective_rank(&wide).unwrap() - 2.0).abs() < 1e-9);
        assert!(effective_rank(&FeatureMatrix::new(&[0.0; 4], 2).unwrap()).is_err());
    }
}

//! Retrieval by cosine similarity.

use crate::error::check_lengths;
use crate::linalg::dot;
use crate::{Error, FeatureMatrix, mean};

/// The mean average precision of retrieving, for every sample, the others with its label from all others, by cosine similarity.
/// Average precision is the mean, over the samples to be found, of the precision down to each; equal similarities rank in
/// order of the samples. Samples alone in their class ask nothing and are left out; errs when all are.
pub fn retrieval_map<T: Copy + Into<f64>>(
    features: &FeatureMatrix<'_, T>,
    labels: &[i64],
) -> Result<f64, Error> {
    check_lengths("features", features.len(), "labels", labels.len())?;
    let unit = features.to_unit()?;
    let rows: Vec<&[f64]> = unit.chunks_exact(features.dim()).collect();
    let mut precisions = Vec::new();
    for (query, features) in rows.iter().enumerate() {
        let mut ranked: Vec<(f64, usize)> = (0..rows.len())
            .filter(|&other| other != query)
            .map(|other| (dot(features, rows[other]), other))
            .collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (mut found, mut sum) = (0_usize, 0.0);
        for (rank, (_, other)) in (1_usize..).zip(&ranked) {
            if labels[*other] == labels[query] {
                found += 1;
                sum += found as f64 / rank as f64;
            }
        }
        if found > 0 {
            precisions.push(sum / found as f64);
        }
    }
    mean(&precisions).map_err(|_| Error::Undefined {
        what: "the retrieval mAP",
        reason: "no two samples have the same label",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let values = [1.0, 0.0, 0.9, 0.1, 0.0, 1.0, 0.6, 0.5];
        let features = FeatureMatrix::new(&values, 2).unwrap();
        // From 0: 1 (right), 3, 2. From 1: 0 (right), 3, 2. From 3: 1, 0, 2 with the last right. 2: 3 (right).
        let found = retrieval_map(&features, &[7, 7, 5, 5]).unwrap();
        assert!((found - (1.0 + 1.0 + 1.0 + 1.0 / 3.0) / 4.0).abs() < 1e-12);
        // A class of one asks nothing.
        assert_eq!(retrieval_map(&features, &[7, 7, 5, 4]).unwrap(), 1.0);
        assert!(retrieval_map(&features, &[1, 2, 3, 4]).is_err());
        assert!(retrieval_map(&features, &[1]).is_err());
    }
}

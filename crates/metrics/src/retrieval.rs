//! Retrieval by cosine similarity.

use crate::error::check_lengths;
use crate::linalg::dot;
use crate::{Error, FeatureMatrix, mean};

/// The mean of [`average_precisions`]: retrieval's mAP with every sample as a query. Errs when no two samples have the same label.
pub fn retrieval_map<T: Copy + Into<f64>>(
    features: &FeatureMatrix<'_, T>,
    labels: &[i64],
) -> Result<f64, Error> {
    let precisions: Vec<f64> = average_precisions(features, labels)?.into_iter().flatten().collect();
    mean(&precisions).map_err(|_| Error::Undefined {
        what: "the retrieval mAP",
        reason: "no two samples have the same label",
    })
}

/// For every sample the average precision of retrieving the others with its label from all others, by cosine similarity: the
/// mean, over the samples to be found, of the precision down to each; equal similarities rank in order of the samples. `None`
/// for a sample alone in its class, which asks nothing.
pub fn average_precisions<T: Copy + Into<f64>>(
    features: &FeatureMatrix<'_, T>,
    labels: &[i64],
) -> Result<Vec<Option<f64>>, Error> {
    check_lengths("features", features.len(), "labels", labels.len())?;
    let unit = features.to_unit()?;
    let rows: Vec<&[f64]> = unit.chunks_exact(features.dim()).collect();
    let one = |query: usize| {
        let mut ranked: Vec<(f64, usize)> = (0..rows.len())
            .filter(|&other| other != query)
            .map(|other| (dot(rows[query], rows[other]), other))
            .collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (mut found, mut sum) = (0_usize, 0.0);
        for (rank, (_, other)) in (1_usize..).zip(&ranked) {
            if labels[*other] == labels[query] {
                found += 1;
                sum += found as f64 / rank as f64;
            }
        }
        (found > 0).then(|| sum / found as f64)
    };
    Ok((0..rows.len()).map(one).collect())
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
        assert_eq!(average_precisions(&features, &[7, 7, 5, 4]).unwrap(), [Some(1.0), Some(1.0), None, None]);
        assert_eq!(retrieval_map(&features, &[7, 7, 5, 4]).unwrap(), 1.0);
        assert!(retrieval_map(&features, &[1, 2, 3, 4]).is_err());
        assert!(retrieval_map(&features, &[1]).is_err());
    }
}

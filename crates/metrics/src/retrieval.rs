//! Retrieval by cosine similarity.

use crate::error::check_lengths;
use crate::linalg::dot;
use crate::parallel::each_against;
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
    let one = |query: usize, similarities: &[f64]| {
        let all = similarities.iter().copied().zip(0..);
        let mut ranked: Vec<(f64, usize)> = all.filter(|&(_, other)| other != query).collect();
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
    Ok(each_against(&rows, &rows, dot, one))
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

    #[test]
    fn blocks_change_nothing() {
        // More than two blocks, in a number that no block divides.
        let values: Vec<f64> = (0..150 * 7).map(|i| f64::from(i * i % 101) - 50.0).collect();
        let features = FeatureMatrix::new(&values, 7).unwrap();
        let labels: Vec<i64> = (0..150).map(|i| i % 4).collect();
        let unit = features.to_unit().unwrap();
        let rows: Vec<&[f64]> = unit.chunks_exact(7).collect();
        for (query, found) in average_precisions(&features, &labels).unwrap().into_iter().enumerate() {
            let mut others: Vec<usize> = (0..150).filter(|&other| other != query).collect();
            others.sort_by(|&a, &b| dot(rows[query], rows[b]).total_cmp(&dot(rows[query], rows[a])));
            let right: Vec<bool> = others.iter().map(|&other| labels[other] == labels[query]).collect();
            let hits = right.iter().enumerate().filter(|(_, right)| **right).map(|(rank, _)| rank + 1);
            let precisions: Vec<f64> =
                hits.zip(1..).map(|(rank, hit)| f64::from(hit) / rank as f64).collect();
            assert!((found.unwrap() - mean(&precisions).unwrap()).abs() < 1e-12);
        }
    }
}

//! Precision and recall of generated images (Kynkäänniemi et al. 2019).

use crate::error::check_lengths;
use crate::{Error, FeatureMatrix};
use serde::{Deserialize, Serialize};

/// How much of one set lies within the neighbourhoods of the other.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrecisionRecall {
    /// The fraction of generated samples near a real one: fidelity.
    pub precision: f64,
    /// The fraction of real samples near a generated one: variety.
    pub recall: f64,
}

/// A sample is near another set when it lies within the ball of one of its members, whose radius is that member's distance to
/// its `k`-th nearest neighbour in its own set (3 as published), itself not counted. Euclidean distances, in f64; time grows with
/// the product of the sets' sizes.
pub fn precision_recall<A: Copy + Into<f64>, B: Copy + Into<f64>>(
    real: &FeatureMatrix<'_, A>,
    generated: &FeatureMatrix<'_, B>,
    k: usize,
) -> Result<PrecisionRecall, Error> {
    check_lengths("dimensions of real", real.dim(), "generated", generated.dim())?;
    if k == 0 || k >= real.len().min(generated.len()) {
        let expected = "at least 1 and less than the number of samples on either side";
        return Err(Error::Parameter { parameter: "k", value: k as f64, expected });
    }
    let dim = real.dim();
    let (real, generated) = (real.to_f64(), generated.to_f64());
    let (of_real, of_generated) = (radii(&real, dim, k), radii(&generated, dim, k));
    Ok(PrecisionRecall {
        precision: covered(&generated, &real, &of_real, dim),
        recall: covered(&real, &generated, &of_generated, dim),
    })
}

fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// The squared distance of each row to its `k`-th nearest other.
fn radii(rows: &[f64], dim: usize, k: usize) -> Vec<f64> {
    let radius = |(own, row): (usize, &[f64])| {
        let others = rows.chunks_exact(dim).enumerate().filter(|(other, _)| *other != own);
        let mut distances: Vec<f64> = others.map(|(_, other)| squared_distance(row, other)).collect();
        *distances.select_nth_unstable_by(k - 1, f64::total_cmp).1
    };
    rows.chunks_exact(dim).enumerate().map(radius).collect()
}

/// The fraction of `rows` within a ball of `radii` round one of `centres`.
fn covered(rows: &[f64], centres: &[f64], radii: &[f64], dim: usize) -> f64 {
    let near = |row: &&[f64]| {
        let mut balls = centres.chunks_exact(dim).zip(radii);
        balls.any(|(centre, &radius)| squared_distance(row, centre) <= radius)
    };
    rows.chunks_exact(dim).filter(near).count() as f64 / (rows.len() / dim) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fidelity_and_variety_by_hand() {
        let (real, generated) = ([0.0, 1.0, 3.0, 10.0], [0.5, 1.5, 2.0]);
        let x = FeatureMatrix::new(&real, 1).unwrap();
        let y = FeatureMatrix::new(&generated, 1).unwrap();
        // Radii of the real: 1, 1, 2, 7; of the generated: 1, 0.5, 0.5.
        let found = precision_recall(&x, &y, 1).unwrap();
        assert_eq!((found.precision, found.recall), (1.0, 0.5));
        assert_eq!(precision_recall(&x, &x, 3).unwrap(), PrecisionRecall { precision: 1.0, recall: 1.0 });
        assert!(precision_recall(&x, &y, 3).is_err() && precision_recall(&x, &y, 0).is_err());
        assert!(precision_recall(&x, &FeatureMatrix::new(&real, 2).unwrap(), 1).is_err());
    }
}

//! Precision and recall of generated images (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020).

use crate::error::check_lengths;
use crate::parallel::each_against;
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
    check(real, generated, k)?;
    let dim = real.dim();
    let (real, generated) = (real.to_f64(), generated.to_f64());
    let (real, generated) = (rows(&real, dim), rows(&generated, dim));
    let (of_real, of_generated) = (radii(&real, k), radii(&generated, k));
    Ok(PrecisionRecall {
        precision: covered(&generated, &real, &of_real),
        recall: covered(&real, &generated, &of_generated),
    })
}

/// How densely, and how completely, generated samples fill the neighbourhoods of the real ones.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DensityCoverage {
    /// How many real neighbourhoods a generated sample lies in, relative to `k`: 1 for the same distribution, and above where
    /// generated samples crowd.
    pub density: f64,
    /// The fraction of real samples with a generated one in their neighbourhood.
    pub coverage: f64,
}

/// Density and coverage ("Reliable Fidelity and Diversity Metrics for Generative Models", Naeem et al. 2020): neighbourhoods of the
/// real samples alone, which outliers among the generated ones do not enlarge. A sample lies in a neighbourhood when it is nearer to
/// its centre than that one's `k`-th nearest neighbour (5 as published). Euclidean distances, in f64; time grows as for
/// [`precision_recall`].
pub fn density_coverage<A: Copy + Into<f64>, B: Copy + Into<f64>>(
    real: &FeatureMatrix<'_, A>,
    generated: &FeatureMatrix<'_, B>,
    k: usize,
) -> Result<DensityCoverage, Error> {
    check(real, generated, k)?;
    let dim = real.dim();
    let (real, generated) = (real.to_f64(), generated.to_f64());
    let (real, generated) = (rows(&real, dim), rows(&generated, dim));
    let radii = radii(&real, k);
    let within = each_against(&real, &generated, squared_distance, |own, distances| {
        distances.iter().filter(|&&distance| distance < radii[own]).count()
    });
    let samples = generated.len();
    Ok(DensityCoverage {
        density: within.iter().sum::<usize>() as f64 / (k * samples) as f64,
        coverage: within.iter().filter(|&&count| count > 0).count() as f64 / within.len() as f64,
    })
}

fn check<A: Copy + Into<f64>, B: Copy + Into<f64>>(
    real: &FeatureMatrix<'_, A>,
    generated: &FeatureMatrix<'_, B>,
    k: usize,
) -> Result<(), Error> {
    check_lengths("dimensions of real", real.dim(), "generated", generated.dim())?;
    if k == 0 || k >= real.len().min(generated.len()) {
        let expected = "at least 1 and less than the number of samples on either side";
        return Err(Error::Parameter { parameter: "k", value: k as f64, expected });
    }
    Ok(())
}

fn rows(values: &[f64], dim: usize) -> Vec<&[f64]> {
    values.chunks_exact(dim).collect()
}

/// Summed in eight lanes.
#[inline(always)]
fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a8.remainder().iter().zip(b8.remainder()).map(|(a, b)| (a - b) * (a - b)).sum();
    for (a, b) in a8.zip(b8) {
        for lane in 0..8 {
            lanes[lane] += (a[lane] - b[lane]) * (a[lane] - b[lane]);
        }
    }
    lanes.iter().sum::<f64>() + rest
}

/// The squared distance of each row to its `k`-th nearest other.
fn radii(rows: &[&[f64]], k: usize) -> Vec<f64> {
    each_against(rows, rows, squared_distance, |own, distances| {
        let mut others = [&distances[..own], &distances[own + 1..]].concat();
        *others.select_nth_unstable_by(k - 1, f64::total_cmp).1
    })
}

/// The fraction of `rows` within a ball of `radii` round one of `centres`.
fn covered(rows: &[&[f64]], centres: &[&[f64]], radii: &[f64]) -> f64 {
    let near = each_against(rows, centres, squared_distance, |_, distances| {
        distances.iter().zip(radii).any(|(distance, radius)| distance <= radius)
    });
    near.iter().filter(|&&near| near).count() as f64 / near.len() as f64
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
        // The generated lie in 2, 2 and 1 of the real neighbourhoods, of which none is about 10.
        let found = density_coverage(&x, &y, 1).unwrap();
        assert_eq!((found.density, found.coverage), (5.0 / 3.0, 0.75));
        assert!(density_coverage(&x, &y, 3).is_err());
        assert!(precision_recall(&x, &y, 3).is_err() && precision_recall(&x, &y, 0).is_err());
        assert!(precision_recall(&x, &FeatureMatrix::new(&real, 2).unwrap(), 1).is_err());
    }
}

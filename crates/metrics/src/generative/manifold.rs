//! Precision and recall of generated images (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020).

use super::neighbours::Points;
use crate::error::check_lengths;
use crate::{Error, FeatureMatrix};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// How much of one set lies within the neighbourhoods of the other.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrecisionRecall {
    /// The fraction of generated samples near a real one: fidelity.
    pub precision: f64,
    /// The fraction of real samples near a generated one: variety.
    pub recall: f64,
}

/// A sample is near another set when it lies within the ball of one of its members, whose radius is that member's distance to
/// its `k`-th nearest neighbour in its own set (3 as published), itself not counted. Euclidean distances, compared as exactly as f64
/// has them; time grows with the product of the sets' sizes.
pub fn precision_recall<A: Copy + Into<f64>, B: Copy + Into<f64>>(
    real: &FeatureMatrix<'_, A>,
    generated: &FeatureMatrix<'_, B>,
    k: usize,
) -> Result<PrecisionRecall, Error> {
    check(real, generated, k)?;
    let (real, generated) = (Points::new(real), Points::new(generated));
    let (of_real, of_generated) = (real.radii(k), generated.radii(k));
    let near: Vec<AtomicBool> = (0..real.len()).map(|_| AtomicBool::new(false)).collect();
    let mut faithful = 0;
    for pairs in generated.against(&real) {
        let within = |own: usize| {
            let mut within = false;
            for other in 0..real.len() {
                let is_near = |radius| pairs.compare(own, other, radius) != Ordering::Greater;
                within = within || is_near(of_real[other]);
                if !near[other].load(Relaxed) && is_near(of_generated[own]) {
                    near[other].store(true, Relaxed);
                }
            }
            within
        };
        faithful += pairs.each(within).into_iter().filter(|&within| within).count();
    }
    let reached = near.into_iter().filter(|near| near.load(Relaxed)).count();
    Ok(PrecisionRecall {
        precision: faithful as f64 / generated.len() as f64,
        recall: reached as f64 / real.len() as f64,
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
/// its centre than that one's `k`-th nearest neighbour (5 as published). Euclidean distances, and time, as for
/// [`precision_recall`].
pub fn density_coverage<A: Copy + Into<f64>, B: Copy + Into<f64>>(
    real: &FeatureMatrix<'_, A>,
    generated: &FeatureMatrix<'_, B>,
    k: usize,
) -> Result<DensityCoverage, Error> {
    check(real, generated, k)?;
    let (real, generated) = (Points::new(real), Points::new(generated));
    let radii = real.radii(k);
    let (mut pairs_within, mut reached) = (0, 0);
    for pairs in real.against(&generated) {
        let within = |own: usize| {
            let others = 0..generated.len();
            others.filter(|&other| pairs.compare(own, other, radii[own]) == Ordering::Less).count()
        };
        for within in pairs.each(within) {
            pairs_within += within;
            reached += usize::from(within > 0);
        }
    }
    Ok(DensityCoverage {
        density: pairs_within as f64 / (k * generated.len()) as f64,
        coverage: reached as f64 / real.len() as f64,
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

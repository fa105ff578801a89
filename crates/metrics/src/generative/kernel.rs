//! Kernel distance (KID; Bińkowski et al. 2018).

use crate::error::check_lengths;
use crate::linalg::dot;
use crate::{Error, FeatureMatrix, mean};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};

/// The kernel distance over subsets.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct KernelDistance {
    /// The mean over subsets: the KID when the features are Inception's.
    pub mean: f64,
    /// The standard deviation over subsets, their number in the denominator.
    pub std: f64,
}

/// The unbiased estimate of the squared maximum mean discrepancy under the kernel (x·y / d + 1)³, d being the number of
/// dimensions. At least two samples on each side; may lie slightly below 0.
pub fn squared_mmd<A: Copy + Into<f64>, B: Copy + Into<f64>>(
    first: &FeatureMatrix<'_, A>,
    second: &FeatureMatrix<'_, B>,
) -> Result<f64, Error> {
    check(first, second, 2)?;
    let dim = first.dim();
    let (x, y) = (first.to_f64(), second.to_f64());
    let (x, y): (Vec<_>, Vec<_>) = (x.chunks_exact(dim).collect(), y.chunks_exact(dim).collect());
    Ok(mmd(&x, &y))
}

/// The mean of [`squared_mmd`] over `subsets` (100 are customary) of `size` samples (1000) that are drawn from each side without
/// replacement. Equal seeds draw equal subsets; they are not those of another library's generator, so that figures agree with
/// a peer's within their standard deviation.
pub fn kernel_distance<A: Copy + Into<f64>, B: Copy + Into<f64>>(
    first: &FeatureMatrix<'_, A>,
    second: &FeatureMatrix<'_, B>,
    subsets: usize,
    size: usize,
    seed: u64,
) -> Result<KernelDistance, Error> {
    check(first, second, size)?;
    if subsets == 0 {
        return Err(Error::Parameter { parameter: "subsets", value: 0.0, expected: "at least 1" });
    }
    let dim = first.dim();
    let (x, y) = (first.to_f64(), second.to_f64());
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut draw = |values: &'_ [f64]| -> Vec<usize> {
        // The first steps of a Fisher-Yates shuffle.
        let mut order: Vec<usize> = (0..values.len() / dim).collect();
        (0..size).for_each(|at| order.swap(at, rng.random_range(at..values.len() / dim)));
        order.truncate(size);
        order
    };
    let rows = |values: &[f64], order: Vec<usize>| -> Vec<f64> {
        order.into_iter().flat_map(|row| values[row * dim..(row + 1) * dim].to_vec()).collect()
    };
    let mut distances = Vec::with_capacity(subsets);
    for _ in 0..subsets {
        let (a, b) = (rows(&x, draw(&x)), rows(&y, draw(&y)));
        let (a, b): (Vec<_>, Vec<_>) = (a.chunks_exact(dim).collect(), b.chunks_exact(dim).collect());
        distances.push(mmd(&a, &b));
    }
    let average = mean(&distances)?;
    let squares: Vec<f64> = distances.iter().map(|distance| (distance - average).powi(2)).collect();
    Ok(KernelDistance { mean: average, std: mean(&squares)?.sqrt() })
}

fn check<A: Copy + Into<f64>, B: Copy + Into<f64>>(
    first: &FeatureMatrix<'_, A>,
    second: &FeatureMatrix<'_, B>,
    size: usize,
) -> Result<(), Error> {
    check_lengths("dimensions of the first", first.dim(), "the second", second.dim())?;
    if size < 2 || size > first.len().min(second.len()) {
        let expected = "at least 2 and at most the number of samples on either side";
        return Err(Error::Parameter { parameter: "size", value: size as f64, expected });
    }
    Ok(())
}

/// See [`squared_mmd`].
fn mmd(x: &[&[f64]], y: &[&[f64]]) -> f64 {
    let dim = x[0].len() as f64;
    let kernel = |a: &[f64], b: &[f64]| (dot(a, b) / dim + 1.0).powi(3);
    let within = |rows: &[&[f64]]| {
        let row = |(at, a): (usize, &&[f64])| rows[..at].iter().map(|b| kernel(a, b)).sum::<f64>();
        let sum: f64 = rows.iter().enumerate().map(row).sum();
        2.0 * sum / (rows.len() * (rows.len() - 1)) as f64
    };
    let across: f64 = x.iter().map(|a| y.iter().map(|b| kernel(a, b)).sum::<f64>()).sum();
    within(x) + within(y) - 2.0 * across / (x.len() * y.len()) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand_and_by_subsets() {
        let (x, y) = ([1.0, 2.0], [0.0, 3.0, 1.0]);
        let (first, second) = (FeatureMatrix::new(&x, 1).unwrap(), FeatureMatrix::new(&y, 1).unwrap());
        let expected =
            27.0 + 2.0 * (1.0 + 1.0 + 64.0) / 6.0 - 2.0 * (1.0 + 64.0 + 8.0 + 1.0 + 343.0 + 27.0) / 6.0;
        assert!((squared_mmd(&first, &second).unwrap() - expected).abs() < 1e-12);
        // Subsets of everything are everything.
        let all = kernel_distance(&second, &second, 5, 3, 1).unwrap();
        assert!(all.std < 1e-9 && (all.mean - squared_mmd(&second, &second).unwrap()).abs() < 1e-9);
        let some = kernel_distance(&first, &second, 20, 2, 1).unwrap();
        assert_eq!(some, kernel_distance(&first, &second, 20, 2, 1).unwrap());
        assert!(some.std > 0.0);
        assert!(kernel_distance(&first, &second, 20, 3, 1).is_err());
        assert!(kernel_distance(&first, &second, 0, 2, 1).is_err());
        assert!(kernel_distance(&first, &second, 1, 1, 1).is_err());
        let wide = FeatureMatrix::new(&x, 2).unwrap();
        assert!(squared_mmd(&first, &wide).is_err());
    }
}

//! Kernel distance (KID; Bińkowski et al. 2018).

use crate::error::check_lengths;
use crate::linalg::{add_gram, matrix, product};
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
    let all = |len: usize| (0..len).collect::<Vec<_>>();
    Ok(mmd(first, &all(first.len()), second, &all(second.len())))
}

/// The mean of [`squared_mmd`] over `subsets` (100 are customary) of `size` samples (1000) that are drawn from each side without
/// replacement. Equal seeds draw equal subsets; they are not those of another library's generator, so that figures agree with
/// a peer's within their standard deviation: see [`kernel_distance_over`] for a peer's own.
pub fn kernel_distance<A: Copy + Into<f64>, B: Copy + Into<f64>>(
    first: &FeatureMatrix<'_, A>,
    second: &FeatureMatrix<'_, B>,
    subsets: usize,
    size: usize,
    seed: u64,
) -> Result<KernelDistance, Error> {
    check(first, second, size)?;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut draw = |len: usize| -> Vec<usize> {
        // The first steps of a Fisher-Yates shuffle.
        let mut order: Vec<usize> = (0..len).collect();
        (0..size).for_each(|at| order.swap(at, rng.random_range(at..len)));
        order.truncate(size);
        order
    };
    kernel_distance_over(first, second, (0..subsets).map(|_| (draw(first.len()), draw(second.len()))))
}

/// The mean of [`squared_mmd`] over given subsets: of each, the indices of its samples on either side. With the subsets that
/// [`NumpyRandom`](crate::NumpyRandom) draws, the figures are those of a library that draws with NumPy.
pub fn kernel_distance_over<A: Copy + Into<f64>, B: Copy + Into<f64>>(
    first: &FeatureMatrix<'_, A>,
    second: &FeatureMatrix<'_, B>,
    subsets: impl IntoIterator<Item = (Vec<usize>, Vec<usize>)>,
) -> Result<KernelDistance, Error> {
    check(first, second, 2)?;
    let distance = |(a, b): (Vec<usize>, Vec<usize>)| {
        for (indices, len) in [(&a, first.len()), (&b, second.len())] {
            if let Some(&index) = indices.iter().find(|&&index| index >= len) {
                let expected = "below the number of samples on its side";
                return Err(Error::Parameter {
                    parameter: "index of a sample",
                    value: index as f64,
                    expected,
                });
            }
            if indices.len() < 2 {
                let value = indices.len() as f64;
                return Err(Error::Parameter { parameter: "size", value, expected: "at least 2" });
            }
        }
        Ok(mmd(first, &a, second, &b))
    };
    let distances: Vec<f64> = subsets.into_iter().map(distance).collect::<Result<_, _>>()?;
    if distances.is_empty() {
        return Err(Error::Parameter { parameter: "subsets", value: 0.0, expected: "at least 1" });
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

/// The samples at `indices`, one after the other.
fn rows<T: Copy + Into<f64>>(features: &FeatureMatrix<'_, T>, indices: &[usize]) -> Vec<f64> {
    indices.iter().flat_map(|&index| features.row(index)).map(|&value| value.into()).collect()
}

/// Samples whose products with as many others are in memory at a time; KID's subsets have fewer.
const BLOCK: usize = 1024;

/// See [`squared_mmd`], of the samples at these indices.
fn mmd<A: Copy + Into<f64>, B: Copy + Into<f64>>(
    first: &FeatureMatrix<'_, A>,
    a: &[usize],
    second: &FeatureMatrix<'_, B>,
    b: &[usize],
) -> f64 {
    let (n, m, dim) = (a.len(), b.len(), first.dim());
    let x: Vec<Vec<f64>> = a.chunks(BLOCK).map(|indices| rows(first, indices)).collect();
    let y: Vec<Vec<f64>> = b.chunks(BLOCK).map(|indices| rows(second, indices)).collect();
    let across: f64 = x.iter().flat_map(|x| y.iter().map(|y| kernels(x, y, dim))).sum();
    let pairs = |count: usize| (count * (count - 1)) as f64;
    2.0 * (within(&x, dim) / pairs(n) + within(&y, dim) / pairs(m) - across / (n * m) as f64)
}

/// The kernel of a scalar product.
fn kernel(product: f64, dim: usize) -> f64 {
    (product / dim as f64 + 1.0).powi(3)
}

/// The sum over the pairs of a sample of one block and one of the other.
fn kernels(x: &[f64], y: &[f64], dim: usize) -> f64 {
    product(matrix(x, dim), matrix(y, dim).transpose()).iter().map(|&product| kernel(product, dim)).sum()
}

/// The sum over the pairs of different samples, each pair once.
fn within(blocks: &[Vec<f64>], dim: usize) -> f64 {
    let of = |(nth, block): (usize, &Vec<f64>)| -> f64 {
        let n = block.len() / dim;
        let mut products = vec![0.0; n * n];
        add_gram(matrix(block, dim).transpose(), &mut products);
        // Right of the diagonal.
        let right = |row: usize| &products[row * n + row + 1..(row + 1) * n];
        let own: f64 = (0..n).flat_map(right).map(|&product| kernel(product, dim)).sum();
        own + blocks[nth + 1..].iter().map(|other| kernels(block, other, dim)).sum::<f64>()
    };
    blocks.iter().enumerate().map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_change_nothing() {
        // More than one block on either side.
        let values = |count: usize, step: usize| -> Vec<f64> {
            (0..count).map(|i| ((i * step) % 97) as f64 / 97.0 - 0.4).collect()
        };
        let (x, y) = (values(1100, 31), values(2100, 53));
        let k = |a: &f64, b: &f64| (a * b + 1.0).powi(3);
        let pairs = |v: &[f64]| {
            let all: f64 = v.iter().flat_map(|a| v.iter().map(move |b| k(a, b))).sum();
            let own: f64 = v.iter().map(|a| k(a, a)).sum();
            (all - own) / (v.len() * (v.len() - 1)) as f64
        };
        let across: f64 = x.iter().flat_map(|a| y.iter().map(move |b| k(a, b))).sum();
        let expected = pairs(&x) + pairs(&y) - 2.0 * across / (x.len() * y.len()) as f64;
        let (first, second) = (FeatureMatrix::new(&x, 1).unwrap(), FeatureMatrix::new(&y, 1).unwrap());
        let found = squared_mmd(&first, &second).unwrap();
        assert!((found - expected).abs() < 1e-10, "{found} {expected}");
    }

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
        let chosen = kernel_distance_over(&first, &second, [(vec![1, 0], vec![2, 0])]).unwrap();
        let picked = [1.0, 0.0];
        let picked = squared_mmd(&first, &FeatureMatrix::new(&picked, 1).unwrap()).unwrap();
        assert!((chosen.mean - picked).abs() < 1e-12 && chosen.std == 0.0);
        assert!(kernel_distance_over(&first, &second, [(vec![0, 2], vec![0, 1])]).is_err());
        assert!(kernel_distance_over(&first, &second, [(vec![0, 1], vec![1])]).is_err());
        assert!(kernel_distance(&first, &second, 20, 3, 1).is_err());
        assert!(kernel_distance(&first, &second, 0, 2, 1).is_err());
        assert!(kernel_distance(&first, &second, 1, 1, 1).is_err());
        let wide = FeatureMatrix::new(&x, 2).unwrap();
        assert!(squared_mmd(&first, &wide).is_err());
    }
}

//! The little linear algebra that scores of features take, by faer on all cores and in double precision where nothing else is said.
//! Slices hold matrices row by row.

use crate::Error;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt_pivoting::factor::{cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::traits::ComplexField;
use faer::traits::math_utils::{one, zero};
use faer::{Accum, Mat, MatMut, MatRef, Side, get_global_parallelism};

/// What rounding leaves of an eigenvalue that is 0, at most, relative to the largest: covariances that were stored or summed in single
/// precision are of this kind.
const ROUNDING: f64 = 1e-5;

/// The matrix that `values` are, of so many columns.
pub(crate) fn matrix<T>(values: &[T], columns: usize) -> MatRef<'_, T> {
    MatRef::from_row_major_slice(values, values.len() / columns, columns)
}

/// a·b, row by row, in the precision of both.
pub(crate) fn product<T: ComplexField>(a: MatRef<'_, T>, b: MatRef<'_, T>) -> Vec<T> {
    let (rows, columns) = (a.nrows(), b.ncols());
    let mut c = vec![zero::<T>(); rows * columns];
    let into = MatMut::from_row_major_slice_mut(&mut c, rows, columns);
    matmul(into, Accum::Replace, a, b, one::<T>(), get_global_parallelism());
    c
}

/// Adds aᵀ·a to `c`: only the part from its diagonal to the right.
pub(crate) fn add_gram(a: MatRef<'_, f64>, c: &mut [f64]) {
    let c = MatMut::from_row_major_slice_mut(c, a.ncols(), a.ncols());
    let whole = BlockStructure::Rectangular;
    let par = get_global_parallelism();
    triangular::matmul(
        c,
        BlockStructure::TriangularUpper,
        Accum::Add,
        a.transpose(),
        whole,
        a,
        whole,
        1.0,
        par,
    );
}

/// Copies the part right of the diagonal of an `n` × `n` matrix to the left of it.
pub(crate) fn mirror(matrix: &mut [f64], n: usize) {
    for row in 1..n {
        for column in 0..row {
            matrix[row * n + column] = matrix[column * n + row];
        }
    }
}

/// The trace of an `n` × `n` matrix.
pub(crate) fn trace(matrix: &[f64], n: usize) -> f64 {
    matrix.iter().step_by(n + 1).sum()
}

/// A factor F (`n` × rank) of the positive semi-definite `n` × `n` matrix F·Fᵀ that `values` are, by Cholesky's method with diagonal
/// pivots. Where that leaves more than rounding errors, an eigenvalue is below 0: by so little that rounding explains it, and the
/// factor is that of the eigenvalues above 0, or by more, which is an error about `what`.
pub(crate) fn factor(what: &'static str, values: &[f64], n: usize) -> Result<Mat<f64>, Error> {
    let matrix = matrix(values, n);
    if let Some(factor) = cholesky(matrix) {
        return Ok(factor);
    }
    let eigen = matrix.self_adjoint_eigen(Side::Lower).map_err(|_| not_found())?;
    let values: Vec<f64> = eigen.S().column_vector().iter().copied().collect();
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let largest = values.iter().copied().fold(0.0, f64::max);
    if !values.iter().all(|value| value.is_finite()) {
        return Err(not_found());
    }
    if least < -ROUNDING * largest {
        return Err(Error::Indefinite { what, least, largest });
    }
    let tolerance = n as f64 * f64::EPSILON * largest;
    let kept: Vec<usize> = (0..n).filter(|&at| values[at] > tolerance).collect();
    let vectors = eigen.U();
    Ok(Mat::from_fn(n, kept.len(), |row, at| vectors[(row, kept[at])] * values[kept[at]].sqrt()))
}

/// [`factor`], unless the product of what is found differs from `matrix` by more than rounding errors.
fn cholesky(matrix: MatRef<'_, f64>) -> Option<Mat<f64>> {
    let n = matrix.nrows();
    let largest = (0..n).map(|at| matrix[(at, at)]).fold(0.0, f64::max);
    let tolerance = 8.0 * n as f64 * f64::EPSILON * largest;
    let par = get_global_parallelism();
    let mut lower = matrix.to_owned();
    let (mut order, mut places) = (vec![0_usize; n], vec![0_usize; n]);
    let rank = if largest > 0.0 {
        let scratch = cholesky_in_place_scratch::<usize, f64>(n, par, Default::default());
        let mut memory = MemBuffer::new(scratch);
        let stack = MemStack::new(&mut memory);
        let found =
            cholesky_in_place(lower.as_mut(), &mut order, &mut places, par, stack, Default::default());
        found.ok()?.0.rank
    } else {
        0
    };
    let entry = |row: usize, column: usize| {
        let place = places[row];
        if column <= place { lower[(place, column)] } else { 0.0 }
    };
    let factor = Mat::from_fn(n, rank, entry);
    // Where every pivot is above 0, only rounding errors are left (Higham 2002, theorem 10.3).
    if rank == n {
        return Some(factor);
    }
    let mut left = matrix.to_owned();
    triangular::matmul(
        left.as_mut(),
        BlockStructure::TriangularLower,
        Accum::Add,
        factor.as_ref(),
        BlockStructure::Rectangular,
        factor.transpose(),
        BlockStructure::Rectangular,
        -1.0,
        par,
    );
    let small = |at: usize| (at..n).all(|row| left[(row, at)].abs() <= tolerance);
    (0..n).all(small).then_some(factor)
}

/// The eigenvalues of a symmetric matrix, the least first.
pub(crate) fn symmetric_eigenvalues(matrix: MatRef<'_, f64>) -> Result<Vec<f64>, Error> {
    if !matrix.is_all_finite() {
        return Err(not_found());
    }
    matrix.self_adjoint_eigenvalues(Side::Lower).map_err(|_| not_found())
}

/// The sum of the singular values of a matrix.
///
/// They are the roots of the eigenvalues of its smaller Gram matrix, which takes a third of the time of a decomposition of the matrix
/// itself; single ones are exact to 1e-8 of the largest.
pub(crate) fn nuclear_norm(matrix: MatRef<'_, f64>) -> Result<f64, Error> {
    let tall = if matrix.nrows() < matrix.ncols() { matrix.transpose() } else { matrix };
    let n = tall.ncols();
    let mut products = vec![0.0; n * n];
    add_gram(tall, &mut products);
    mirror(&mut products, n);
    let eigenvalues = symmetric_eigenvalues(MatRef::from_row_major_slice(&products, n, n))?;
    Ok(eigenvalues.into_iter().map(|value| value.max(0.0).sqrt()).sum())
}

fn not_found() -> Error {
    let reason = "they were not found; look for huge values among the features";
    Error::Undefined { what: "a matrix's eigenvalues", reason }
}

/// The scalar product, summed in eight lanes.
#[inline(always)]
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a8.remainder().iter().zip(b8.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a8.zip(b8) {
        for lane in 0..8 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    lanes.iter().sum::<f64>() + rest
}

/// Runs `f`, which must be marked `#[inline(always)]`, compiled for the widest instruction set of this machine.
#[inline(always)]
pub(crate) fn vectorised<R>(f: impl FnMut() -> R) -> R {
    struct Inlined<F>(F);
    impl<R, F: FnMut() -> R> pulp::NullaryFnOnce for Inlined<F> {
        type Output = R;

        #[inline(always)]
        fn call(mut self) -> R {
            (self.0)()
        }
    }
    pulp::Arch::new().dispatch(Inlined(f))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;

    fn random(len: usize, seed: u64) -> Vec<f64> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        (0..len).map(|_| rng.random_range(-1.0..1.0)).collect()
    }

    /// aᵀ·a.
    fn gram(a: &[f64], n: usize) -> Vec<f64> {
        product(matrix(a, n).transpose(), matrix(a, n))
    }

    /// F·Fᵀ differs from the matrix by no more than this.
    fn far(factor: &Mat<f64>, values: &[f64]) -> f64 {
        (factor * factor.transpose() - matrix(values, factor.nrows())).norm_max()
    }

    #[test]
    fn products_are_those_of_the_definition() {
        for (n, p, q) in [(1, 1, 1), (5, 3, 7), (64, 9, 9), (333, 120, 130)] {
            let (a, b) = (random(n * p, 1), random(n * q, 2));
            let c = product(matrix(&a, p).transpose(), matrix(&b, q));
            for (i, j) in [(0, 0), (p - 1, q - 1), (p / 2, q / 3)] {
                let plain: f64 = (0..n).map(|row| a[row * p + i] * b[row * q + j]).sum();
                assert!((c[i * q + j] - plain).abs() < 1e-12, "{n} {p} {q}");
            }
            let mut upper = vec![0.0; p * p];
            add_gram(matrix(&a, p), &mut upper);
            assert!(p == 1 || upper[(p - 1) * p] == 0.0);
            mirror(&mut upper, p);
            assert!(upper.iter().zip(&gram(&a, p)).all(|(a, b)| (a - b).abs() < 1e-12));
        }
    }

    #[test]
    fn factors_give_the_matrix_again_whatever_its_rank() {
        for (rows, n) in [(40, 12), (5, 12), (1, 4), (400, 300), (120, 300)] {
            let a = random(rows * n, 3);
            let values = gram(&a, n);
            let found = factor("it", &values, n).unwrap();
            assert_eq!(found.shape(), (n, rows.min(n)));
            assert!(far(&found, &values) < 1e-11, "{rows} {n}");
        }
        assert_eq!(factor("it", &[0.0; 9], 3).unwrap().shape(), (3, 0));
    }

    #[test]
    fn what_is_below_zero_is_rounding_or_an_error() {
        // Of rank 5, in single precision.
        let values: Vec<f64> = gram(&random(5 * 40, 6), 40).iter().map(|&v| f64::from(v as f32)).collect();
        let least = symmetric_eigenvalues(matrix(&values, 40)).unwrap()[0];
        let found = factor("it", &values, 40).unwrap();
        assert!(least < -1e-9 && far(&found, &values) < 1e-5, "{least}");
        for (values, n) in [
            (&[4.0, 0.0, 0.0, -0.1][..], 2),
            (&[0.0, 1.0, 1.0, 0.0], 2),
            (&[1.0, 2.0, 2.0, 1.0], 2),
            (&[2.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0], 3),
            (&[-1.0], 1),
        ] {
            let error = factor("it", values, n).unwrap_err();
            assert!(
                matches!(error, Error::Indefinite { what: "it", least, .. } if least < 0.0),
                "{values:?}"
            );
        }
    }

    #[test]
    fn eigenvalues_have_the_matrixs_trace_and_norm() {
        for n in [1, 2, 3, 10, 70] {
            let mut values = random(n * n, 4);
            mirror(&mut values, n);
            let found = symmetric_eigenvalues(matrix(&values, n)).unwrap();
            let close = |a: f64, b: f64| (a - b).abs() < 1e-10 * (1.0 + b.abs());
            assert!(close(found.iter().sum(), trace(&values, n)));
            assert!(close(dot(&found, &found), dot(&values, &values)));
            let squared = product(matrix(&values, n), matrix(&values, n));
            assert!(close(found.iter().map(|value| value.powi(3)).sum(), dot(&squared, &values)));
            let norm = nuclear_norm(matrix(&values, n)).unwrap();
            assert!(close(norm, found.iter().map(|value| value.abs()).sum()));
        }
        let known = symmetric_eigenvalues(matrix(&[2.0, 1.0, 0.0, 1.0, 2.0, 0.0, 0.0, 0.0, 7.0], 3)).unwrap();
        assert!(known.iter().zip([1.0, 3.0, 7.0]).all(|(a, b)| (a - b).abs() < 1e-12), "{known:?}");
        assert_eq!(symmetric_eigenvalues(matrix(&[0.0; 16], 4)).unwrap(), [0.0; 4]);
        assert!(symmetric_eigenvalues(matrix(&[f64::INFINITY], 1)).is_err());
    }
}

//! The little linear algebra that scores of features take, in double precision: products, a factor of a positive
//! semi-definite matrix, and the eigenvalues of a symmetric one. Matrices are row-major.

use crate::Error;

/// Rows of `c` that are worked on at once, so that they stay in the cache.
const TILE: usize = 4;

/// Adds aᵀ·b to `c` (`columns_a` × `columns_b`), for `a` and `b` with as many rows as each other. With `upper`, only the
/// part of `c` from its diagonal to the right. Works on all cores.
pub(crate) fn add_transposed_product(
    a: &[f64],
    columns_a: usize,
    b: &[f64],
    columns_b: usize,
    c: &mut [f64],
    upper: bool,
) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    // Shares of the upper part are unequal: many small ones even that out.
    let share = columns_a.div_ceil(8 * threads).max(TILE);
    let next = std::sync::Mutex::new(c.chunks_mut(share * columns_b).enumerate());
    let take = || next.lock().ok().and_then(|mut shares| shares.next());
    let work = || {
        while let Some((nth, c)) = take() {
            vectorised(
                #[inline(always)]
                || add_rows(a, columns_a, b, columns_b, c, nth * share, upper),
            );
        }
    };
    // Threads cost more than small products.
    if threads == 1 || a.len().saturating_mul(columns_b) < 1 << 22 {
        return work();
    }
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
}

/// The rows of the product from row `first` on that `c` has place for.
#[inline(always)]
fn add_rows(
    a: &[f64],
    columns_a: usize,
    b: &[f64],
    columns_b: usize,
    c: &mut [f64],
    first: usize,
    upper: bool,
) {
    // Four samples at once: `c` is read and written a quarter as often.
    let (a4, b4) = (a.chunks(4 * columns_a), b.chunks(4 * columns_b));
    for (a, b) in a4.zip(b4) {
        for (row, c) in c.chunks_exact_mut(columns_b).enumerate() {
            let row = first + row;
            let from = if upper { row } else { 0 };
            let c = &mut c[from..];
            if a.len() == 4 * columns_a {
                let [a0, a1, a2, a3] = std::array::from_fn(|i| a[i * columns_a + row]);
                let (b0, b1) = (&b[from..columns_b], &b[columns_b + from..2 * columns_b]);
                let (b2, b3) = (&b[2 * columns_b + from..3 * columns_b], &b[3 * columns_b + from..]);
                for ((((c, b0), b1), b2), b3) in c.iter_mut().zip(b0).zip(b1).zip(b2).zip(b3) {
                    *c += (a0 * b0 + a1 * b1) + (a2 * b2 + a3 * b3);
                }
            } else {
                for (a, b) in a.chunks_exact(columns_a).zip(b.chunks_exact(columns_b)) {
                    let a = a[row];
                    c.iter_mut().zip(&b[from..]).for_each(|(c, b)| *c += a * b);
                }
            }
        }
    }
}

/// aᵀ·b.
pub(crate) fn transposed_product(a: &[f64], columns_a: usize, b: &[f64], columns_b: usize) -> Vec<f64> {
    let mut c = vec![0.0; columns_a * columns_b];
    add_transposed_product(a, columns_a, b, columns_b, &mut c, false);
    c
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

/// A factor F (`n` × rank) of the positive semi-definite `matrix` = F·Fᵀ and its rank, by Cholesky's method with diagonal
/// pivots: what is left when the rank is used up is of the size of rounding errors.
pub(crate) fn factor(matrix: &[f64], n: usize) -> (Vec<f64>, usize) {
    let mut left: Vec<f64> = matrix.iter().step_by(n + 1).copied().collect();
    let tolerance = n as f64 * f64::EPSILON * left.iter().copied().fold(0.0, f64::max);
    let mut rows = vec![0.0; n * n];
    let mut open = vec![true; n];
    let mut rank = 0;
    while rank < n {
        let pivot = (0..n).filter(|&i| open[i]).fold(None, |best: Option<usize>, i| match best {
            Some(best) if left[best] >= left[i] => Some(best),
            _ => Some(i),
        });
        let Some(pivot) = pivot.filter(|&pivot| left[pivot] > tolerance) else { break };
        let root = left[pivot].sqrt();
        let own = rows[pivot * n..pivot * n + rank].to_vec();
        for i in (0..n).filter(|&i| open[i] && i != pivot) {
            let row = &mut rows[i * n..(i + 1) * n];
            let entry = (matrix[pivot * n + i] - dot(&row[..rank], &own)) / root;
            row[rank] = entry;
            left[i] -= entry * entry;
        }
        rows[pivot * n + rank] = root;
        open[pivot] = false;
        rank += 1;
    }
    let factor = rows.chunks_exact(n).flat_map(|row| &row[..rank]).copied().collect();
    (factor, rank)
}

/// The eigenvalues of the symmetric `n` × `n` matrix, in no order: Householder's reduction to a tridiagonal one, then
/// implicit QL steps.
pub(crate) fn symmetric_eigenvalues(mut matrix: Vec<f64>, n: usize) -> Result<Vec<f64>, Error> {
    let (mut diagonal, mut beside) = (vec![0.0; n], vec![0.0; n]);
    let (mut v, mut w) = (vec![0.0; n], vec![0.0; n]);
    for k in 0..n {
        diagonal[k] = matrix[k * n + k];
        let rest = k + 1..n;
        if rest.is_empty() {
            break;
        }
        // Reflects row k, right of the diagonal, on its first place.
        v[rest.clone()].copy_from_slice(&matrix[k * n + k + 1..(k + 1) * n]);
        let norm = dot(&v[rest.clone()], &v[rest.clone()]).sqrt();
        beside[k] = if v[k + 1] > 0.0 { -norm } else { norm };
        if norm == 0.0 {
            continue;
        }
        v[k + 1] -= beside[k];
        let half = dot(&v[rest.clone()], &v[rest.clone()]) / 2.0;
        if half == 0.0 {
            continue;
        }
        for i in rest.clone() {
            w[i] = dot(&matrix[i * n + k + 1..(i + 1) * n], &v[rest.clone()]) / half;
        }
        let shift = dot(&v[rest.clone()], &w[rest.clone()]) / (2.0 * half);
        for i in rest.clone() {
            w[i] -= shift * v[i];
        }
        for i in rest.clone() {
            let (vi, wi) = (v[i], w[i]);
            let row = &mut matrix[i * n + k + 1..(i + 1) * n];
            for ((entry, v), w) in row.iter_mut().zip(&v[rest.clone()]).zip(&w[rest.clone()]) {
                *entry -= vi * w + wi * v;
            }
        }
    }
    drop(matrix);
    for low in 0..n {
        let mut sweeps = 0;
        loop {
            let small = |at: &usize| {
                let scale = diagonal[*at].abs() + diagonal[*at + 1].abs();
                beside[*at].abs() <= f64::EPSILON * scale
            };
            let high = (low..n - 1).find(small).unwrap_or(n - 1);
            if high == low {
                break;
            }
            sweeps += 1;
            if sweeps > 60 {
                let reason = "they were not found in 60 steps each; look for huge values among the features";
                return Err(Error::Undefined { what: "a matrix's eigenvalues", reason });
            }
            ql_step(&mut diagonal, &mut beside, low, high);
        }
    }
    Ok(diagonal)
}

/// One implicit QL step with Wilkinson's shift on the block `low..=high`.
fn ql_step(diagonal: &mut [f64], beside: &mut [f64], low: usize, high: usize) {
    let slope = (diagonal[low + 1] - diagonal[low]) / (2.0 * beside[low]);
    let root = slope.hypot(1.0);
    let mut g = diagonal[high] - diagonal[low] + beside[low] / (slope + root.copysign(slope));
    let (mut sine, mut cosine, mut moved) = (1.0, 1.0, 0.0);
    for at in (low..high).rev() {
        let (f, b) = (sine * beside[at], cosine * beside[at]);
        let r = f.hypot(g);
        beside[at + 1] = r;
        if r == 0.0 {
            // The block falls apart here.
            diagonal[at + 1] -= moved;
            beside[high] = 0.0;
            return;
        }
        (sine, cosine) = (f / r, g / r);
        g = diagonal[at + 1] - moved;
        let turned = (diagonal[at] - g) * sine + 2.0 * cosine * b;
        moved = sine * turned;
        diagonal[at + 1] = g + moved;
        g = cosine * turned - b;
    }
    diagonal[low] -= moved;
    beside[low] = g;
    beside[high] = 0.0;
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

    #[test]
    fn products_are_those_of_the_definition() {
        for (n, p, q) in [(1, 1, 1), (5, 3, 7), (64, 9, 9), (333, 120, 130)] {
            let (a, b) = (random(n * p, 1), random(n * q, 2));
            let c = transposed_product(&a, p, &b, q);
            for (i, j) in [(0, 0), (p - 1, q - 1), (p / 2, q / 3)] {
                let plain: f64 = (0..n).map(|row| a[row * p + i] * b[row * q + j]).sum();
                assert!((c[i * q + j] - plain).abs() < 1e-12, "{n} {p} {q}");
            }
            let mut upper = vec![0.0; p * p];
            add_transposed_product(&a, p, &a, p, &mut upper, true);
            assert!(p == 1 || upper[(p - 1) * p] == 0.0);
            mirror(&mut upper, p);
            let whole = transposed_product(&a, p, &a, p);
            assert!(upper.iter().zip(&whole).all(|(a, b)| (a - b).abs() < 1e-12));
        }
    }

    #[test]
    fn factors_give_the_matrix_again_whatever_its_rank() {
        for (rows, n) in [(40, 12), (5, 12), (1, 4)] {
            let a = random(rows * n, 3);
            let matrix = transposed_product(&a, n, &a, n);
            let (factor, rank) = factor(&matrix, n);
            assert_eq!(rank, rows.min(n));
            for i in 0..n {
                for j in 0..n {
                    let found = dot(&factor[i * rank..(i + 1) * rank], &factor[j * rank..(j + 1) * rank]);
                    assert!((found - matrix[i * n + j]).abs() < 1e-12);
                }
            }
        }
        assert_eq!(factor(&[0.0; 9], 3), (vec![], 0));
    }

    #[test]
    fn eigenvalues_have_the_matrixs_trace_and_norm() {
        for n in [1, 2, 3, 10, 70] {
            let a = random(n * n, 4);
            let mut matrix = a.clone();
            mirror(&mut matrix, n);
            let values = symmetric_eigenvalues(matrix.clone(), n).unwrap();
            let close = |a: f64, b: f64| (a - b).abs() < 1e-10 * (1.0 + b.abs());
            assert!(close(values.iter().sum(), trace(&matrix, n)));
            assert!(close(dot(&values, &values), dot(&matrix, &matrix)));
            let cubed = transposed_product(&transposed_product(&matrix, n, &matrix, n), n, &matrix, n);
            assert!(close(values.iter().map(|value| value.powi(3)).sum(), trace(&cubed, n)));
        }
        let mut known = symmetric_eigenvalues(vec![2.0, 1.0, 0.0, 1.0, 2.0, 0.0, 0.0, 0.0, 7.0], 3).unwrap();
        known.sort_by(f64::total_cmp);
        assert!(known.iter().zip([1.0, 3.0, 7.0]).all(|(a, b)| (a - b).abs() < 1e-12), "{known:?}");
        assert_eq!(symmetric_eigenvalues(vec![0.0; 16], 4).unwrap(), [0.0; 4]);
    }
}

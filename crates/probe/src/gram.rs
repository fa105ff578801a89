//! Matrices of inner products.

use crate::Error;
use tch::Tensor;

/// The columns are worked on in so many groups: more would leave less out, but in products too small to be fast.
const GROUPS: i64 = 4;

/// The lower triangle of XᵀX for `x` (N, D), (D, D) in the kind of `x`: the products of groups of columns, but for those groups
/// that lie above the diagonal, whose entries are zero or those of the transpose.
pub(crate) fn lower_gram(x: &Tensor) -> Result<Tensor, Error> {
    let (_, columns) = x.size2()?;
    let gram = Tensor::f_zeros([columns, columns], (x.kind(), x.device()))?;
    let group = (columns + GROUPS - 1) / GROUPS;
    for start in (0..columns).step_by(group as usize) {
        let (width, left) = (group.min(columns - start), columns - start);
        let product = x.f_narrow(1, start, left)?.f_tr()?.f_matmul(&x.f_narrow(1, start, width)?)?;
        gram.f_narrow(0, start, left)?.f_narrow(1, start, width)?.f_copy_(&product)?;
    }
    Ok(gram)
}

/// Adds `what` to the diagonal.
pub(crate) fn add_to_diagonal(matrix: &Tensor, what: f64) -> Result<(), Error> {
    let _ = matrix.f_diagonal(0, 0, 1)?.f_add_scalar_(what)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn the_lower_triangle_is_that_of_the_product() {
        for columns in [1, 3, 4, 9] {
            let x = Tensor::arange(7 * columns, (Kind::Double, Device::Cpu)).sin().view([7, columns]);
            let off = lower_gram(&x).unwrap().tril(0) - x.tr().matmul(&x).tril(0);
            assert!(off.abs().max().double_value(&[]) < 1e-12);
        }
    }
}

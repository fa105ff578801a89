//! Matrices of inner products, and oneDNN's products.

use crate::Error;
use tch::{Device, Kind, Tensor};

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
        let (rest, own) = (x.f_narrow(1, start, left)?, x.f_narrow(1, start, width)?);
        let product = match one_dnn(&own) {
            Some(own) => one_dnn_product(&rest, &own)?.0,
            None => rest.f_tr()?.f_matmul(&own)?,
        };
        gram.f_narrow(0, start, left)?.f_narrow(1, start, width)?.f_copy_(&product)?;
    }
    Ok(gram)
}

/// `x` as oneDNN has it, if it is f32 on the CPU. On processors of AMD its products take half of the time of those that LibTorch
/// leaves to MKL, which has no AVX-512 for them.
pub(crate) fn one_dnn(x: &Tensor) -> Option<Tensor> {
    let suits = x.kind() == Kind::Float && x.device() == Device::Cpu;
    // LibTorch is also built without oneDNN.
    suits.then(|| x.f_to_mkldnn(Kind::Float).ok()).flatten()
}

/// AᵀX, (C, D), and the sums of the columns of A, (C), for `a` (N, C) f32 and `x` (N, D) of [`one_dnn`].
pub(crate) fn one_dnn_product(a: &Tensor, x: &Tensor) -> Result<(Tensor, Tensor), Error> {
    // This is a linear layer's gradient by its weights, which are asked for their size only.
    let weight = Tensor::f_empty([a.size()[1], x.size()[1]], (Kind::Float, Device::Cpu))?;
    let a = a.f_to_mkldnn(Kind::Float)?;
    let (product, sums) = x.f_mkldnn_linear_backward_weights(&a, &weight, true)?;
    Ok((product.f_to_dense(Kind::Float, false)?, sums.f_to_dense(Kind::Float, false)?))
}

/// Adds `what` to the diagonal.
pub(crate) fn add_to_diagonal(matrix: &Tensor, what: f64) -> Result<(), Error> {
    let _ = matrix.f_diagonal(0, 0, 1)?.f_add_scalar_(what)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lower_triangle_is_that_of_the_product() {
        for (columns, kind, most) in [
            (1, Kind::Double, 1e-12),
            (9, Kind::Double, 1e-12),
            (1, Kind::Float, 1e-5),
            (70, Kind::Float, 1e-5),
        ] {
            let x = Tensor::arange(7 * columns, (Kind::Double, Device::Cpu)).sin().view([7, columns]);
            let off = lower_gram(&x.to_kind(kind)).unwrap().tril(0) - x.tr().matmul(&x).tril(0);
            assert!(off.abs().max().double_value(&[]) < most);
        }
    }
}

//! Barlow Twins: the cross-correlation of two views' features should be the identity.

use crate::Error;
use crate::check::{not_negative, pair};
use tch::{Kind, Tensor};

/// The loss of Barlow Twins (Zbontar et al. 2021, equations 1 and 2) between the projections `a` and `b` (N, D) of two
/// views: with C their cross-correlation over the batch, the **sum** over the diagonal of (1 - C_ii)^2 plus `lambda`
/// times the sum over the rest of C_ij^2.
///
/// Convention: each feature is normalised over its batch as the authors' code does, by an affine-free batch
/// normalisation: the deviation divides by N, and 1e-5 is added to the variance.
///
/// Errs unless `a` and `b` are floating tensors of one shape with N >= 2, and `lambda` is finite and not negative.
pub fn barlow_twins(a: &Tensor, b: &Tensor, lambda: f64) -> Result<Tensor, Error> {
    const LOSS: &str = "barlow_twins";
    let (n, _) = pair(LOSS, ("a", a), ("b", b), 2)?;
    not_negative(LOSS, "lambda", lambda)?;
    let (a, b) = (standardize(a)?, standardize(b)?);
    let correlation = a.f_transpose(0, 1)?.f_matmul(&b)?.f_div_scalar(n as f64)?;
    let diagonal = correlation.f_diagonal(0, 0, 1)?;
    let invariance = diagonal.f_sub_scalar(1.0)?.f_square()?.f_sum(None::<Kind>)?;
    let rest =
        correlation.f_square()?.f_sum(None::<Kind>)?.f_sub(&diagonal.f_square()?.f_sum(None::<Kind>)?)?;
    Ok(invariance.f_add(&rest.f_mul_scalar(lambda)?)?)
}

/// Columns of mean 0 and deviation 1.
fn standardize(x: &Tensor) -> Result<Tensor, Error> {
    let none = None::<&Tensor>;
    Ok(x.f_batch_norm(none, none, none, none, true, 0.0, 1e-5, true)?)
}

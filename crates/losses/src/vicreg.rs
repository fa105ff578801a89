//! VICReg: views agree, every feature varies, no two features covary.

use crate::Error;
use crate::check::{not_negative, pair};
use tch::{Kind, Reduction, Tensor};

/// The weights of [`vicreg`]'s three terms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VicregWeights {
    /// Of the mean squared difference.
    pub invariance: f64,
    /// Of the hinge on the deviation.
    pub variance: f64,
    /// Of the covariance.
    pub covariance: f64,
}

/// Added to a variance before its root.
const EPS: f64 = 1e-4;

/// The loss of VICReg (Bardes et al. 2022, equations 1 to 6) between the expanded features `a` and `b` (N, D) of two
/// views.
///
/// Conventions, those of the authors' code (facebookresearch/vicreg, `main_vicreg.py`):
/// - invariance: mean over all N * D entries of the squared difference (the paper's formula sums over D);
/// - variance: mean over the D features of max(0, 1 - sqrt(var + 1e-4)), **averaged over the two views** (the paper
///   adds them); the variance divides by N - 1;
/// - covariance: sum over pairs of different features of the squared covariance (which divides by N - 1), divided by
///   D, **added over the two views**.
///
/// Errs unless `a` and `b` are floating tensors of one shape with N >= 2, and the weights are finite and not negative.
pub fn vicreg(a: &Tensor, b: &Tensor, weights: &VicregWeights) -> Result<Tensor, Error> {
    const LOSS: &str = "vicreg";
    pair(LOSS, ("a", a), ("b", b), 2)?;
    not_negative(LOSS, "weights.invariance", weights.invariance)?;
    not_negative(LOSS, "weights.variance", weights.variance)?;
    not_negative(LOSS, "weights.covariance", weights.covariance)?;
    let invariance = a.f_mse_loss(b, Reduction::Mean)?;
    let variance = hinge(a)?.f_add(&hinge(b)?)?;
    let covariance = covariance(a)?.f_add(&covariance(b)?)?;
    let loss = invariance.f_mul_scalar(weights.invariance)?;
    let loss = loss.f_add(&variance.f_mul_scalar(weights.variance / 2.0)?)?;
    Ok(loss.f_add(&covariance.f_mul_scalar(weights.covariance)?)?)
}

/// How far the features' deviations fall short of 1, on average.
fn hinge(x: &Tensor) -> Result<Tensor, Error> {
    let deviation = x.f_var_dim([0i64].as_slice(), true, false)?.f_add_scalar(EPS)?.f_sqrt()?;
    Ok(deviation.f_neg()?.f_add_scalar(1.0)?.f_relu()?.f_mean(None::<Kind>)?)
}

/// The sum of the squared covariances of different features, over their number.
fn covariance(x: &Tensor) -> Result<Tensor, Error> {
    let (n, d) = x.size2()?;
    let x = x.f_sub(&x.f_mean_dim([0i64].as_slice(), true, None::<Kind>)?)?;
    let covariance = x.f_transpose(0, 1)?.f_matmul(&x)?.f_div_scalar((n - 1) as f64)?;
    let all = covariance.f_square()?.f_sum(None::<Kind>)?;
    let own = covariance.f_diagonal(0, 0, 1)?.f_square()?.f_sum(None::<Kind>)?;
    Ok(all.f_sub(&own)?.f_div_scalar(d as f64)?)
}

//! Few-shot least squares, as big_vision's `fewshot_lsr` evaluator has it.
//!
//! Features are whitened by the few shots' own mean and deviation, a constant of 100 is appended as a bias, the
//! targets are ±1, and ridge regression with λ = 2¹⁰ is solved in closed form, in f64.

use crate::Error;
use crate::features::{FeatureSet, check_pair};
use crate::gram::{add_to_diagonal, lower_gram};
use crate::sampling::few_shot_indices;
use tch::{Kind, Tensor};

/// The ridge penalty λ of big_vision's evaluator.
pub const RIDGE_L2: f64 = 1024.0;
/// Added to each feature's deviation.
const STD_EPS: f64 = 1e-5;
/// The constant feature that serves as a bias, large so that the penalty hardly touches its weight.
const BIAS: f64 = 100.0;

/// Class scores of `test`, (N, classes) f64, from `shots` samples of each class of `train` chosen by `seed`
/// (see [`few_shot_indices`]; NumPy's generator, which big_vision chooses with, is not reproduced). The
/// prediction is the highest score; the scores are no probabilities.
pub fn few_shot_ridge(
    train: &FeatureSet,
    test: &FeatureSet,
    shots: usize,
    seed: u64,
) -> Result<Tensor, Error> {
    let classes = check_pair(train, test)?;
    if shots == 0 {
        return Err(Error::Parameter { parameter: "shots", value: 0.0, expected: "at least 1" });
    }
    let support = train.select(&few_shot_indices(&train.labels, shots, seed))?;
    ridge_scores(&support, &test.features, classes, RIDGE_L2)
}

/// Class scores (N, classes) f64 of `features` (N, D) by ridge regression on all of `support`.
///
/// Solves (XᵀX + λI) W = XᵀY when there are at least as many samples as dimensions, otherwise the equal
/// W = Xᵀ (XXᵀ + λI)⁻¹ Y.
pub fn ridge_scores(
    support: &FeatureSet,
    features: &Tensor,
    classes: usize,
    l2: f64,
) -> Result<Tensor, Error> {
    support.check_labelled()?;
    if support.classes() > classes {
        let expected = "more than the highest label";
        return Err(Error::Parameter { parameter: "classes", value: classes as f64, expected });
    }
    if !(l2 > 0.0 && l2.is_finite()) {
        return Err(Error::Parameter { parameter: "l2", value: l2, expected: "a positive number" });
    }
    tch::no_grad(|| {
        let device = support.features.device();
        let mean = support.features.f_mean_dim([0].as_slice(), true, Kind::Double)?;
        let centred = |features: &Tensor| -> Result<Tensor, Error> {
            let (samples, dimensions) = features.size2()?;
            let x = Tensor::f_full([samples, dimensions + 1], BIAS, (Kind::Double, device))?;
            let mut own = x.f_narrow(1, 0, dimensions)?;
            own.f_copy_(features)?;
            let _ = own.f_sub_(&mean)?;
            Ok(x)
        };
        let x = centred(&support.features)?;
        let mut own = x.f_narrow(1, 0, support.dim())?;
        let variance = own.f_square()?.f_mean_dim([0].as_slice(), true, Kind::Double)?;
        let deviation = variance.f_sqrt()?.f_add_scalar(STD_EPS)?;
        let _ = own.f_div_(&deviation)?;
        let (samples, dimensions) = x.size2()?;
        let labels = Tensor::from_slice(&support.labels).f_to_device(device)?;
        let solve = |gram: Tensor, right: &Tensor| -> Result<Tensor, Error> {
            add_to_diagonal(&gram, l2)?;
            Ok(right.f_cholesky_solve(&gram.f_linalg_cholesky(false)?, false)?)
        };
        let weights = if samples >= dimensions {
            // Targets are 1 for the label and -1 elsewhere: XᵀY is twice the labels' sums less the sum of all.
            let sums = Tensor::f_zeros([classes as i64, dimensions], (Kind::Double, device))?;
            let sums = sums.f_index_add(0, &labels, &x)?;
            let all = x.f_sum_dim_intlist([0].as_slice(), true, Kind::Double)?;
            solve(lower_gram(&x)?, &sums.f_mul_scalar(2.0)?.f_sub_(&all)?.f_tr()?)?
        } else {
            let y = labels.f_one_hot(classes as i64)?.f_to_kind(Kind::Double)?;
            let y = y.f_mul_scalar(2.0)?.f_sub_scalar(1.0)?;
            x.f_tr()?.f_matmul(&solve(lower_gram(&x.f_tr()?)?, &y)?)?
        };
        let test = centred(&features.f_to_device(device)?)?;
        let _ = test.f_narrow(1, 0, support.dim())?.f_div_(&deviation)?;
        Ok(test.f_matmul(&weights)?)
    })
}

//! Few-shot least squares, as big_vision's `fewshot_lsr` evaluator has it.
//!
//! Features are whitened by the few shots' own mean and deviation, a constant of 100 is appended as a bias, the
//! targets are ±1, and ridge regression with λ = 2¹⁰ is solved in closed form, in f64.

use crate::Error;
use crate::features::{FeatureSet, check_pair};
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
        let x = support.features.f_to_kind(Kind::Double)?;
        let mean = x.f_mean_dim([0].as_slice(), true, Kind::Double)?;
        let deviation = x.f_std_dim([0].as_slice(), false, true)?.f_add_scalar(STD_EPS)?;
        let prepare = |x: &Tensor| -> Result<Tensor, Error> {
            let x = x.f_to_kind(Kind::Double)?.f_sub(&mean)?.f_div(&deviation)?;
            Ok(x.f_pad([0, 1], "constant", BIAS)?)
        };
        let x = prepare(&support.features)?;
        let labels = Tensor::from_slice(&support.labels).f_to_device(device)?;
        let y = labels
            .f_one_hot(classes as i64)?
            .f_to_kind(Kind::Double)?
            .f_mul_scalar(2.0)?
            .f_sub_scalar(1.0)?;
        let (samples, dimensions) = x.size2()?;
        let solve = |gram: Tensor, right: &Tensor| -> Result<Tensor, Error> {
            let ridge = Tensor::f_eye(gram.size()[0], (Kind::Double, device))?.f_mul_scalar(l2)?;
            let factor = gram.f_add(&ridge)?.f_linalg_cholesky(false)?;
            Ok(right.f_cholesky_solve(&factor, false)?)
        };
        let weights = if samples >= dimensions {
            solve(x.f_tr()?.f_matmul(&x)?, &x.f_tr()?.f_matmul(&y)?)?
        } else {
            x.f_tr()?.f_matmul(&solve(x.f_matmul(&x.f_tr()?)?, &y)?)?
        };
        Ok(prepare(&features.f_to_device(device)?)?.f_matmul(&weights)?)
    })
}

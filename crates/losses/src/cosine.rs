//! Agreement of a prediction with its target: the losses of SimSiam and BYOL, which need no negatives.

use crate::Error;
use crate::check::pair;
use tch::{Kind, Tensor};

/// SimSiam's loss of one direction (Chen and He 2021, equation 1): minus the cosine between each row of `prediction`
/// and of `target` (N, D), **mean over the N rows**. A method averages the two directions.
///
/// Gradients flow into both arguments: detach the target where the method stops it.
///
/// Lengths below 1e-8 are taken as that, as `torch.nn.functional.cosine_similarity` does. Errs unless both are
/// floating tensors of one shape (N, D) with N >= 1.
pub fn negative_cosine(prediction: &Tensor, target: &Tensor) -> Result<Tensor, Error> {
    pair("negative_cosine", ("prediction", prediction), ("target", target), 1)?;
    Ok(Tensor::f_cosine_similarity(prediction, target, 1, 1e-8)?.f_mean(None::<Kind>)?.f_neg()?)
}

/// BYOL's loss of one direction (Grill et al. 2020, equation 2): the squared distance between the normalised rows of
/// `prediction` and `target` (N, D), which is 2 - 2 cos, **mean over the N rows**. A method adds the two directions.
///
/// Gradients flow into both arguments: detach the target where the method stops it. Errs as [`negative_cosine`] does.
pub fn byol(prediction: &Tensor, target: &Tensor) -> Result<Tensor, Error> {
    pair("byol", ("prediction", prediction), ("target", target), 1)?;
    Ok(Tensor::f_cosine_similarity(prediction, target, 1, 1e-8)?
        .f_mean(None::<Kind>)?
        .f_mul_scalar(-2.0)?
        .f_add_scalar(2.0)?)
}

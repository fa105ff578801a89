//! The Kozachenko-Leonenko regulariser: features of a batch keep away from their nearest neighbours.

use crate::Error;
use crate::check::matrix;
use tch::{Kind, Tensor};

const LOSS: &str = "koleo";
const EPS: f64 = 1e-8;

/// The mean over the rows of -ln(distance to the nearest other row + 1e-8), for L2-normalised rows of `features` (N, D)
/// (Sablayrolles et al. 2019; DINOv2, Oquab et al. 2023).
///
/// The nearest row is the one with the largest cosine; the distance is ||a - b + 1e-8||, as in DINOv2's code and
/// lightly's `KoLeoLoss`. The gradient flows into a row and into its neighbour.
///
/// Errs unless `features` are floating, with N >= 2 and D >= 1.
pub fn koleo(features: &Tensor) -> Result<Tensor, Error> {
    let (n, _) = matrix(LOSS, "features", features, 2)?;
    let norm = features.f_norm_scalaropt_dim(2.0, [1i64], true)?.f_clamp_min(EPS)?;
    let x = features.f_div(&norm)?;
    let nearest = {
        let x = x.f_detach()?;
        let itself = Tensor::f_eye(n, (Kind::Bool, x.device()))?;
        x.f_matmul(&x.f_transpose(0, 1)?)?.f_masked_fill(&itself, -2.0)?.f_argmax(1, false)?
    };
    let apart = x.f_sub(&x.f_index_select(0, &nearest)?)?.f_add_scalar(EPS)?;
    let distance = apart.f_norm_scalaropt_dim(2.0, [1i64], false)?;
    Ok(distance.f_add_scalar(EPS)?.f_log()?.f_mean(None::<Kind>)?.f_neg()?)
}

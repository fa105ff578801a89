//! NT-Xent, SimCLR's contrastive loss.

use crate::Error;
use crate::check::{normalize, pair, positive};
use tch::{Kind, Reduction, Tensor};

const LOSS: &str = "nt_xent";

/// The normalised temperature-scaled cross entropy of SimCLR (Chen et al. 2020, equation 1).
///
/// `a` and `b` (N, D) hold the projections of two views of the same N images, in the same order; they are
/// L2-normalised here. Each of the 2N rows is classified among the 2N - 1 others by cosine similarity over
/// `temperature`; the row of the same image is the right answer.
///
/// Convention: both directions, **mean over the 2N rows**, as in the paper and in lightly's `NTXentLoss`.
/// Google's code adds the means of the two directions instead, which is twice this value.
///
/// Errs unless `a` and `b` are floating tensors of one shape (N, D) with N >= 2 (with one image there is no
/// negative and nothing to learn) and `temperature` is finite and positive.
pub fn nt_xent(a: &Tensor, b: &Tensor, temperature: f64) -> Result<Tensor, Error> {
    let (n, _) = pair(LOSS, ("a", a), ("b", b), 2)?;
    positive(LOSS, "temperature", temperature)?;
    let z = normalize(&Tensor::f_cat(&[a, b], 0)?)?;
    let itself = Tensor::f_eye(2 * n, (Kind::Bool, z.device()))?;
    let logits = z
        .f_matmul(&z.f_transpose(0, 1)?)?
        .f_div_scalar(temperature)?
        .f_masked_fill(&itself, f64::NEG_INFINITY)?;
    let partner = Tensor::f_arange(2 * n, (Kind::Int64, z.device()))?.f_roll([n], [0])?;
    Ok(logits.f_cross_entropy_loss(&partner, None::<&Tensor>, Reduction::Mean, -100, 0.0)?)
}

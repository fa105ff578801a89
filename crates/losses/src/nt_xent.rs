//! NT-Xent, SimCLR's contrastive loss.

use crate::Error;
use crate::check::{normalize, pair, positive, shaped};
use tch::{Kind, Reduction, Tensor};

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
    const LOSS: &str = "nt_xent";
    let (n, _) = pair(LOSS, ("a", a), ("b", b), 2)?;
    positive(LOSS, "temperature", temperature)?;
    let z = normalize(&Tensor::f_cat(&[a, b], 0)?)?;
    contrast(&z, &z, n, temperature)
}

/// NT-Xent with the candidates of another layer: SDSSL's loss of an intermediate layer (Jang et al. 2021, on SimCLR), whose
/// candidates are the last layer's projections.
///
/// `views` are the layer's projections of two views of N images, (N, D) each, and `targets` those that they are to find, of
/// the same views in the same order and cut from the graph; all are L2-normalised here. Each of the 2N rows of `views` is
/// classified by cosine over `temperature` among the 2N - 1 targets that are not its own view of its own image; that of
/// the image's other view is the right answer. **Mean over the 2N rows**, as [`nt_xent`], which it equals when the
/// targets are the views, but for the gradient through them.
///
/// Errs unless the four are floating tensors of one shape (N, D) with N >= 2 and `temperature` is finite and positive.
pub fn nt_xent_to(views: [&Tensor; 2], targets: [&Tensor; 2], temperature: f64) -> Result<Tensor, Error> {
    const LOSS: &str = "nt_xent_to";
    let (n, d) = pair(LOSS, ("views[0]", views[0]), ("views[1]", views[1]), 2)?;
    shaped(LOSS, "targets[0]", targets[0], &[n, d])?;
    shaped(LOSS, "targets[1]", targets[1], &[n, d])?;
    positive(LOSS, "temperature", temperature)?;
    let z = normalize(&Tensor::f_cat(&views, 0)?)?;
    contrast(&z, &normalize(&Tensor::f_cat(&targets, 0)?.f_detach()?)?, n, temperature)
}

/// Each of the 2N rows of `z` finds its partner, N rows on, among the `candidates` but the one in its own place.
fn contrast(z: &Tensor, candidates: &Tensor, n: i64, temperature: f64) -> Result<Tensor, Error> {
    let itself = Tensor::f_eye(2 * n, (Kind::Bool, z.device()))?;
    let logits = z
        .f_matmul(&candidates.f_transpose(0, 1)?)?
        .f_div_scalar(temperature)?
        .f_masked_fill(&itself, f64::NEG_INFINITY)?;
    let partner = Tensor::f_arange(2 * n, (Kind::Int64, z.device()))?.f_roll([n], [0])?;
    Ok(logits.f_cross_entropy_loss(&partner, None::<&Tensor>, Reduction::Mean, -100, 0.0)?)
}

//! Masked siamese networks: a masked view is assigned to the prototypes of the whole one.

use crate::Error;
use crate::check::{fraction, matrix, normalize, not_negative, positive};
use crate::swav::sinkhorn;
use tch::{Kind, Tensor};

const LOSS: &str = "msn";

/// The constants of [`msn`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MsnOptions {
    /// Of the softmax over prototypes; the authors use 0.1.
    pub temperature: f64,
    /// The targets are raised to 1 / this and normalised again; within 0 and 1, the authors use 0.25.
    pub sharpen: f64,
    /// Sinkhorn iterations on the targets; the authors use 3. 0 is none.
    pub sinkhorn_iterations: u32,
    /// Of the mean-entropy maximisation; the authors use 1.
    pub me_max: f64,
}

/// The objective of MSN (Assran et al. 2022, equation 1): assignments of the anchors should be those of the targets, and all
/// prototypes should be used.
///
/// `anchors` (V N, D) are embeddings of V masked or focal views of N images, view after view; `targets` (N, D) the teacher's of
/// the whole view, into which no gradient flows; `prototypes` (K, D) are learned. All are L2-normalised here, and a
/// sample's assignment is the softmax of its cosines with the prototypes over the temperature.
///
/// Convention: the mean over the anchors of the cross entropy with their image's target, plus `me_max` times
/// (ln K - the entropy of the anchors' mean assignment), which is 0 when all prototypes are used alike. The value is that of
/// the authors' code and of lightly's `MSNLoss`.
///
/// Errs on shapes that do not go together and constants out of range.
pub fn msn(
    anchors: &Tensor,
    targets: &Tensor,
    prototypes: &Tensor,
    options: &MsnOptions,
) -> Result<Tensor, Error> {
    let (n, d) = matrix(LOSS, "targets", targets, 1)?;
    let (k, _) = matrix(LOSS, "prototypes", prototypes, 1)?;
    let (anchor_rows, _) = matrix(LOSS, "anchors", anchors, 1)?;
    for (argument, tensor) in [("prototypes", prototypes), ("anchors", anchors)] {
        if tensor.size()[1] != d {
            let expected = format!("(_, {d}), the width of `targets`");
            return Err(Error::Shape { loss: LOSS, argument, expected, found: tensor.size() });
        }
    }
    if anchor_rows % n != 0 {
        let expected = format!("(V * {n}, {d}), V views of each target's image");
        return Err(Error::Shape { loss: LOSS, argument: "anchors", expected, found: anchors.size() });
    }
    let MsnOptions { temperature, sharpen, sinkhorn_iterations, me_max } = *options;
    positive(LOSS, "temperature", temperature)?;
    positive(LOSS, "sharpen", sharpen)?;
    fraction(LOSS, "sharpen", sharpen)?;
    not_negative(LOSS, "me_max", me_max)?;

    let prototypes = normalize(prototypes)?.f_transpose(0, 1)?;
    let target = tch::no_grad(|| {
        let log = assign(targets, &prototypes, temperature)?;
        let sharp = log.f_div_scalar(sharpen)?.f_log_softmax(1, None::<Kind>)?;
        match sinkhorn_iterations {
            0 => Ok(sharp.f_exp()?),
            // On probabilities, so on their logarithms at temperature 1.
            iterations => sinkhorn(&sharp, 1.0, iterations),
        }
    })?;
    let log = assign(anchors, &prototypes, temperature)?;
    let target = target.f_to_kind(log.kind())?.f_repeat([anchor_rows / n, 1])?;
    let entropy = target.f_mul(&log)?.f_sum(None::<Kind>)?.f_mul_scalar(-1.0 / anchor_rows as f64)?;
    if me_max == 0.0 {
        return Ok(entropy);
    }
    // The logarithm of the mean assignment, from the logarithms: no assignment is rounded to zero.
    let mean = log.f_logsumexp([0i64].as_slice(), false)?.f_sub_scalar((anchor_rows as f64).ln())?;
    let unused = mean.f_exp()?.f_mul(&mean)?.f_sum(None::<Kind>)?.f_add_scalar((k as f64).ln())?;
    Ok(entropy.f_add(&unused.f_mul_scalar(me_max)?)?)
}

/// The logarithms of the assignments of `rows` to the columns of `prototypes`, which have length one.
fn assign(rows: &Tensor, prototypes: &Tensor, temperature: f64) -> Result<Tensor, Error> {
    let cosines = normalize(rows)?.f_matmul(prototypes)?;
    Ok(cosines.f_div_scalar(temperature)?.f_log_softmax(1, None::<Kind>)?)
}

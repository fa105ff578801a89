//! EsViT's region term: every region of the student learns from the teacher's most similar one.

use crate::Error;
use crate::check::{floating, positive, shaped};
use tch::{Kind, Tensor};

const LOSS: &str = "esvit";

/// The teacher's region (N, R) int64 of largest cosine for each of the student's, from the **backbone's** features, `student`
/// (N, R, D) and `teacher` (N, T, D): no gradient is involved. Ties go to the lowest index.
///
/// Errs on shapes and kinds that do not go together.
pub fn match_regions(student: &Tensor, teacher: &Tensor) -> Result<Tensor, Error> {
    let (n, _, d) = regions("student", student)?;
    let (_, t, _) = regions("teacher", teacher)?;
    shaped(LOSS, "teacher", teacher, &[n, t, d])?;
    let direction = |x: &Tensor| crate::check::normalize(&x.f_detach()?);
    let cosines = direction(student)?.f_bmm(&direction(teacher)?.f_transpose(1, 2)?)?;
    Ok(cosines.f_argmax(2, false)?)
}

/// The region term of EsViT (Li et al. 2022, equation 4) for one pair of views: the mean over the images and the student's regions of
/// the cross entropy with the distribution of the teacher's region that [`match_regions`] found.
///
/// `targets` (N, T, K) are the teacher's probabilities, into which no gradient flows, `logits` (N, R, K) the student's
/// outputs, `matches` (N, R) int64 within 0..T. Convention: the mean over one pair; the paper halves the sum of this and the view
/// term.
///
/// Errs on shapes and kinds that do not go together and a temperature that is not finite and positive.
pub fn esvit_regions(
    targets: &Tensor,
    logits: &Tensor,
    matches: &Tensor,
    temperature: f64,
) -> Result<Tensor, Error> {
    let (n, r, k) = regions("logits", logits)?;
    let (_, t, _) = regions("targets", targets)?;
    shaped(LOSS, "targets", targets, &[n, t, k])?;
    if matches.size() != [n, r] {
        let expected = format!("({n}, {r})");
        return Err(Error::Shape { loss: LOSS, argument: "matches", expected, found: matches.size() });
    }
    if matches.kind() != Kind::Int64 {
        let (expected, found) = ("64-bit integers", matches.kind());
        return Err(Error::Kind { loss: LOSS, argument: "matches", expected, found });
    }
    positive(LOSS, "temperature", temperature)?;
    let index = matches.f_unsqueeze(-1)?.f_expand([-1, -1, k], false)?;
    let matched = targets.f_detach()?.f_gather(1, &index, false)?;
    let log = logits.f_div_scalar(temperature)?.f_log_softmax(-1, None::<Kind>)?;
    Ok(matched.f_mul(&log)?.f_sum(None::<Kind>)?.f_mul_scalar(-1.0 / (n * r) as f64)?)
}

fn regions(argument: &'static str, tensor: &Tensor) -> Result<(i64, i64, i64), Error> {
    match tensor.size()[..] {
        [n, r, d] if n >= 1 && r >= 1 && d >= 1 => {
            floating(LOSS, argument, tensor)?;
            Ok((n, r, d))
        }
        _ => {
            let expected = "(N, regions, D), each at least 1".to_owned();
            Err(Error::Shape { loss: LOSS, argument, expected, found: tensor.size() })
        }
    }
}

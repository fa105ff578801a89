//! DINO's self-distillation: a student learns the centred, sharpened distribution of its teacher.

use crate::Error;
use crate::check::{floating, fraction, matrix, positive, shaped};
use tch::{Kind, Tensor};

const LOSS: &str = "dino";

/// The cross entropy of DINO (Caron et al. 2021, equation 3) between the teacher's distributions of some views and the
/// student's of all.
///
/// `targets` holds, for each of the teacher's T views, the probabilities (N, K) that [`dino_targets`] or
/// [`sinkhorn`](crate::sinkhorn) made; no gradient flows into them. `logits` holds the student's outputs (N, K) for each of its
/// S views, the teacher's first and in the same order: a pair of the same view is left out. The student's
/// distribution is softmax(logits / `temperature`).
///
/// Convention: the **mean over the pairs and the N images**, as in the authors' code and lightly's `DINOLoss`. For T = 2 and
/// S = 2 + L there are 2 (S - 1) pairs.
///
/// Errs on other shapes or kinds, on no pair at all (T = S = 1), more targets than logits, and a temperature that is
/// not finite and positive.
pub fn dino(targets: &[Tensor], logits: &[Tensor], temperature: f64) -> Result<Tensor, Error> {
    let (teachers, students) = (targets.len(), logits.len());
    let count = |argument, expected: &str, found: usize| {
        Err(Error::Count { loss: LOSS, argument, expected: expected.to_owned(), found })
    };
    let Some(first) = targets.first() else { return count("targets", "at least one view", 0) };
    if students < teachers {
        return count("logits", &format!("at least those of the targets, {teachers}"), students);
    }
    let pairs = teachers * students - teachers;
    if pairs == 0 {
        return count("logits", "a view besides the target's own", students);
    }
    let (n, k) = matrix(LOSS, "targets", first, 1)?;
    for target in targets {
        shaped(LOSS, "targets", target, &[n, k])?;
    }
    for logits in logits {
        shaped(LOSS, "logits", logits, &[n, k])?;
    }
    positive(LOSS, "temperature", temperature)?;

    // The sum over the pairs of <target, log p> is, for each student's view, one product with the sum of the other
    // views' targets.
    let mut all = first.f_detach()?;
    for target in &targets[1..] {
        all = all.f_add(&target.f_detach()?)?;
    }
    let mut sum: Option<Tensor> = None;
    for (view, logits) in logits.iter().enumerate() {
        let others = match targets.get(view) {
            Some(own) => all.f_sub(&own.f_detach()?)?,
            None => all.shallow_clone(),
        };
        let log = logits.f_div_scalar(temperature)?.f_log_softmax(-1, None::<Kind>)?;
        let term = others.f_mul(&log)?.f_sum(None::<Kind>)?;
        sum = Some(match sum {
            Some(sum) => sum.f_add(&term)?,
            None => term,
        });
    }
    let scale = -1.0 / (pairs as f64 * n as f64);
    match sum {
        Some(sum) => Ok(sum.f_mul_scalar(scale)?),
        None => count("logits", "at least one view", 0),
    }
}

/// The teacher's distributions softmax((logits - center) / temperature) over the last axis, cut from the graph.
///
/// `logits` are (..., K), `center` (K), the moving mean of the teacher's outputs that [`dino_center`] keeps. As the
/// temperature tends to 0, the distribution tends to one-hot at the largest centred output.
///
/// Errs on shapes and kinds that do not go together and a temperature that is not finite and positive.
pub fn dino_targets(logits: &Tensor, center: &Tensor, temperature: f64) -> Result<Tensor, Error> {
    let k = last_axis(logits)?;
    shaped(LOSS, "center", center, &[k])?;
    positive(LOSS, "teacher temperature", temperature)?;
    let centred = logits.f_detach()?.f_sub(&center.f_detach()?)?;
    Ok(centred.f_div_scalar(temperature)?.f_softmax(-1, None::<Kind>)?)
}

/// The next centre: `momentum` times `center` (K) plus 1 - `momentum` times the mean of the teacher's `logits`
/// (..., K) over all but the last axis (equation 4; the authors use 0.9). Cut from the graph.
///
/// Errs on shapes and kinds that do not go together, no logits at all, and a momentum outside 0..=1.
pub fn dino_center(center: &Tensor, logits: &Tensor, momentum: f64) -> Result<Tensor, Error> {
    let k = last_axis(logits)?;
    shaped(LOSS, "center", center, &[k])?;
    fraction(LOSS, "center momentum", momentum)?;
    let mean = logits.f_detach()?.f_reshape([-1, k])?.f_mean_dim([0i64].as_slice(), false, None::<Kind>)?;
    Ok(center.f_detach()?.f_mul_scalar(momentum)?.f_add(&mean.f_mul_scalar(1.0 - momentum)?)?)
}

fn last_axis(logits: &Tensor) -> Result<i64, Error> {
    floating(LOSS, "logits", logits)?;
    match logits.size()[..] {
        [.., k] if k >= 1 && logits.numel() > 0 => Ok(k),
        _ => {
            let expected = "(..., K) with at least one value".to_owned();
            Err(Error::Shape { loss: LOSS, argument: "logits", expected, found: logits.size() })
        }
    }
}

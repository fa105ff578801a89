//! Similarity contrastive estimation: contrast with the relations between instances in the targets.

use crate::Error;
use crate::check::{fraction, matrix, normalize, pair, positive};
use tch::{Kind, Tensor};

const LOSS: &str = "sce";

/// The constants of [`sce`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SceOptions {
    /// The weight of the one-hot target, 0..=1; the rest goes to the relations. The authors use 0.5; 1 is MoCo's InfoNCE.
    pub contrastive_weight: f64,
    /// Of the predictions; the authors use 0.1.
    pub temperature: f64,
    /// Of the relations; the authors use 0.07 for ImageNet and 0.05 for CIFAR-10.
    pub target_temperature: f64,
}

/// The objective of SCE (Denize et al. 2023, equation 7): the mean over the N rows of the cross entropy between
/// softmax([q · k, q · queue] / temperature) and the mixture w · one-hot(k) + (1 - w) · [0, s], where
/// s = softmax(k · queue / target temperature).
///
/// `queries` (N, D) are the student's, `keys` (N, D) the teacher's of the other view, `queue` (Q, D) earlier keys. All are
/// L2-normalised here; gradients flow into the queries alone.
///
/// Convention: one direction, the relations without the positive, as in the paper. (The authors' code leaves the positive in s
/// with the logit 0.)
///
/// Errs on shapes that do not go together and constants out of range.
pub fn sce(queries: &Tensor, keys: &Tensor, queue: &Tensor, options: &SceOptions) -> Result<Tensor, Error> {
    let (n, d) = pair(LOSS, ("queries", queries), ("keys", keys), 1)?;
    let (others, width) = matrix(LOSS, "queue", queue, 1)?;
    if width != d {
        let expected = format!("({others}, {d}), the width of `queries`");
        return Err(Error::Shape { loss: LOSS, argument: "queue", expected, found: queue.size() });
    }
    let SceOptions { contrastive_weight: weight, temperature, target_temperature } = *options;
    fraction(LOSS, "contrastive_weight", weight)?;
    positive(LOSS, "temperature", temperature)?;
    positive(LOSS, "target_temperature", target_temperature)?;

    let queries = normalize(queries)?;
    let (keys, queue) = (normalize(&keys.f_detach()?)?, normalize(&queue.f_detach()?)?.f_transpose(0, 1)?);
    let relations = keys.f_matmul(&queue)?.f_div_scalar(target_temperature)?.f_softmax(1, None::<Kind>)?;
    let positives = queries.f_mul(&keys)?.f_sum_dim_intlist([1i64].as_slice(), true, None::<Kind>)?;
    let logits = Tensor::f_cat(&[positives, queries.f_matmul(&queue)?], 1)?.f_div_scalar(temperature)?;
    let log = logits.f_log_softmax(1, None::<Kind>)?;
    let contrast = log.f_select(1, 0)?.f_sum(None::<Kind>)?.f_mul_scalar(weight)?;
    let relation = log.f_narrow(1, 1, others)?.f_mul(&relations)?.f_sum(None::<Kind>)?;
    Ok(contrast.f_add(&relation.f_mul_scalar(1.0 - weight)?)?.f_mul_scalar(-1.0 / n as f64)?)
}

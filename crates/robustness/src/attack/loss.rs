//! What attacks maximise, for each image.

use crate::Error;
use tch::{Kind, Reduction, Tensor};

/// The cross-entropy.
pub(super) fn cross_entropy(logits: &Tensor, labels: &Tensor) -> Result<Tensor, Error> {
    Ok(logits.f_cross_entropy_loss(labels, None::<&Tensor>, Reduction::None, -100, 0.0)?)
}

/// The difference of logits ratio (Croce and Hein 2020, equation 6): the margin, free of the logits' scale. It needs three classes.
pub(super) fn dlr(logits: &Tensor, labels: &Tensor) -> Result<Tensor, Error> {
    let sorted = sorted(logits, 3)?;
    let is_first = logits.f_argmax(1, false)?.f_eq_tensor(labels)?.f_to_kind(logits.kind())?;
    // The highest of the others is the second where the label is first.
    let other = sorted[1].f_mul(&is_first)?.f_add(&sorted[0].f_mul(&is_first.f_rsub_scalar(1.0)?)?)?;
    let margin = at(logits, labels)?.f_sub(&other)?;
    Ok(margin.f_div(&sorted[0].f_sub(&sorted[2])?.f_add_scalar(super::EPS)?)?.f_neg()?)
}

/// The same towards a class (equation 7). It needs four classes.
pub(super) fn targeted_dlr(logits: &Tensor, labels: &Tensor, targets: &Tensor) -> Result<Tensor, Error> {
    let sorted = sorted(logits, 4)?;
    let margin = at(logits, labels)?.f_sub(&at(logits, targets)?)?;
    let scale =
        sorted[0].f_sub(&sorted[2].f_add(&sorted[3])?.f_mul_scalar(0.5)?)?.f_add_scalar(super::EPS)?;
    Ok(margin.f_div(&scale)?.f_neg()?)
}

/// The label's logit less the highest of the others: at most 0 where the image is misclassified.
pub(super) fn margin(logits: &Tensor, labels: &Tensor) -> Result<Tensor, Error> {
    let column = labels.f_unsqueeze(1)?;
    let mask = logits.f_zeros_like()?.f_to_kind(Kind::Bool)?.f_scatter_value(1, &column, 1)?;
    let others = logits.f_masked_fill(&mask, f64::NEG_INFINITY)?.f_amax([1].as_slice(), false)?;
    Ok(at(logits, labels)?.f_sub(&others)?)
}

/// The logit of each row's class.
fn at(logits: &Tensor, classes: &Tensor) -> Result<Tensor, Error> {
    Ok(logits.f_gather(1, &classes.f_unsqueeze(1)?, false)?.f_squeeze_dim(1)?)
}

/// The highest logits of each row.
fn sorted(logits: &Tensor, count: i64) -> Result<Vec<Tensor>, Error> {
    let classes = logits.size().get(1).copied().unwrap_or_default();
    if classes < count {
        let problem = format!("this loss compares {count} classes, the classifier has {classes}");
        return Err(Error::Attack { problem });
    }
    Ok(logits.f_topk(count, 1, true, true)?.0.f_unbind(1)?)
}

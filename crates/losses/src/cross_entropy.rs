//! Cross entropy with label smoothing.

use crate::Error;
use tch::{Kind, Reduction, Tensor};

const LOSS: &str = "cross_entropy";

/// The mean over the batch of the cross entropy between `logits` (N, C) and `labels` (N) i64, equal to
/// `torch.nn.functional.cross_entropy`.
///
/// With `label_smoothing` s in 0..=1 the target is (1 - s) on the label plus s / C on **every** class, the
/// label's included (Szegedy et al. 2016).
///
/// Errs on other shapes or kinds, an empty batch, and labels outside `0..C` (checked on the host, so that a
/// bad label is an error and not an abort on the accelerator).
pub fn cross_entropy(logits: &Tensor, labels: &Tensor, label_smoothing: f64) -> Result<Tensor, Error> {
    let shape = logits.size();
    let (n, classes) = match shape[..] {
        [n, c] if n >= 1 && c >= 1 => (n, c),
        _ => {
            let expected = "(N, C) with N >= 1 and C >= 1".to_owned();
            return Err(Error::Shape { loss: LOSS, argument: "logits", expected, found: shape });
        }
    };
    if labels.size() != [n] {
        let expected = format!("({n})");
        return Err(Error::Shape { loss: LOSS, argument: "labels", expected, found: labels.size() });
    }
    if !logits.is_floating_point() {
        let (expected, found) = ("floating-point numbers", logits.kind());
        return Err(Error::Kind { loss: LOSS, argument: "logits", expected, found });
    }
    if labels.kind() != Kind::Int64 {
        let (expected, found) = ("64-bit integers", labels.kind());
        return Err(Error::Kind { loss: LOSS, argument: "labels", expected, found });
    }
    if !(0.0..=1.0).contains(&label_smoothing) {
        let (expected, found) = ("within 0 and 1", label_smoothing);
        return Err(Error::Parameter { loss: LOSS, argument: "label_smoothing", expected, found });
    }
    for label in [labels.f_min()?, labels.f_max()?] {
        let found = i64::try_from(&label)?;
        if !(0..classes).contains(&found) {
            return Err(Error::Label { loss: LOSS, classes, found });
        }
    }
    Ok(logits.f_cross_entropy_loss(labels, None::<&Tensor>, Reduction::Mean, -100, label_smoothing)?)
}

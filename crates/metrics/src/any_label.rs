//! Predictions against sets of right answers: ReaL (Beyer et al. 2020), ObjectNet, SI-Score.

use crate::Error;
use crate::error::check_lengths;
use serde::{Deserialize, Serialize};

/// How often a prediction is among the labels of its image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnyLabelAccuracy {
    /// The fraction right of the images that have labels.
    pub accuracy: f64,
    /// How many images have labels.
    pub n: usize,
    /// How many have none: they count neither as right nor as wrong.
    pub left_out: usize,
}

/// The fraction of `predictions` that are one of their image's `labels`, over the images that have any. ImageNet-ReaL
/// leaves 3,163 of ImageNet's 50,000 validation images without labels. Errs when no image has labels.
pub fn any_label_accuracy<L: AsRef<[u32]>>(
    predictions: &[i64],
    labels: &[L],
) -> Result<AnyLabelAccuracy, Error> {
    check_lengths("predictions", predictions.len(), "labels", labels.len())?;
    let (mut n, mut right) = (0, 0);
    for (&prediction, labels) in predictions.iter().zip(labels) {
        let labels = labels.as_ref();
        n += usize::from(!labels.is_empty());
        right += usize::from(labels.iter().any(|&label| i64::from(label) == prediction));
    }
    if n == 0 {
        let reason = "none of the images has a label; give predictions of images that have some";
        return Err(Error::Undefined { what: "the accuracy", reason });
    }
    Ok(AnyLabelAccuracy { accuracy: right as f64 / n as f64, n, left_out: predictions.len() - n })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_without_labels_do_not_count() {
        let labels = [vec![], vec![970, 795], vec![230], vec![809], vec![0, 1, 2]];
        let result = any_label_accuracy(&[65, 795, 231, -1, 2], &labels).unwrap();
        assert_eq!(result, AnyLabelAccuracy { accuracy: 0.5, n: 4, left_out: 1 });
        let none: [Vec<u32>; 2] = [vec![], vec![]];
        assert!(matches!(any_label_accuracy(&[1, 2], &none), Err(Error::Undefined { .. })));
        assert!(any_label_accuracy(&[1], &labels).is_err());
        assert!(any_label_accuracy::<Vec<u32>>(&[], &[]).is_err());
    }
}

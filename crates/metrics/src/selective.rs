//! Whether a model knows when it is right: accuracy against how many inputs it answers.

use crate::Error;
use crate::error::{check_fractions, check_lengths, check_values};

/// The area under the response rate accuracy curve (Hendrycks et al. 2021, ImageNet-A): the mean over k of the accuracy on
/// the k most confident samples. Equal confidences keep their order.
pub fn aurra(confidences: &[f64], correct: &[bool]) -> Result<f64, Error> {
    check_lengths("confidences", confidences.len(), "correct", correct.len())?;
    check_values("confidences", confidences, "a number", |confidence| !confidence.is_nan())?;
    let mut order: Vec<usize> = (0..confidences.len()).collect();
    order.sort_by(|&a, &b| confidences[b].total_cmp(&confidences[a]));
    let (mut right, mut area) = (0_usize, 0.0);
    for (answered, &index) in (1_usize..).zip(&order) {
        right += usize::from(correct[index]);
        area += right as f64 / answered as f64;
    }
    Ok(area / confidences.len() as f64)
}

/// The soft F1 score of detecting one's own mistakes, 1 − confidence being the weight of each alarm (Hendrycks et al. 2019).
/// Zero without mistakes; an error when every prediction is right at confidence 1, where it is 0 / 0.
pub fn soft_f1(confidences: &[f64], correct: &[bool]) -> Result<f64, Error> {
    check_lengths("confidences", confidences.len(), "correct", correct.len())?;
    check_fractions("confidences", confidences)?;
    let (mut hits, mut total) = (0.0, 0.0);
    for (confidence, &correct) in confidences.iter().zip(correct) {
        let (doubt, wrong) = (1.0 - confidence, f64::from(!correct));
        hits += doubt * wrong;
        total += doubt + wrong;
    }
    if total == 0.0 {
        return Err(Error::Undefined { what: "soft F1", reason: "there is neither doubt nor a mistake" });
    }
    Ok(2.0 * hits / total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let (confidences, correct) = ([0.2, 0.9, 0.5], [true, true, false]);
        assert!((aurra(&confidences, &correct).unwrap() - (1.0 + 0.5 + 2.0 / 3.0) / 3.0).abs() < 1e-12);
        assert!(
            (soft_f1(&confidences, &correct).unwrap() - 2.0 * 0.5 / (0.8 + 0.1 + 0.5 + 1.0)).abs() < 1e-12
        );
        assert!(soft_f1(&[1.0], &[true]).is_err() && soft_f1(&[1.5], &[true]).is_err());
        assert!(aurra(&[], &[]).is_err() && aurra(&[f64::NAN], &[true]).is_err());
        assert!(aurra(&[0.5], &[]).is_err());
    }
}

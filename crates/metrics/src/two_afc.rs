//! Two-alternative forced choice: which of two images is nearer to a reference (BAPPS; Zhang et al. 2018).

use crate::error::{check_fractions, check_lengths, check_values};
use crate::{Error, mean};
use serde::{Deserialize, Serialize};

/// How often a distance agrees with the judges.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TwoAfc {
    /// The mean agreement, a fraction.
    pub score: f64,
    /// The agreement on each triplet. For an interval of the score, [`bootstrap_mean`](crate::bootstrap_mean), or
    /// [`bootstrap_groups`](crate::bootstrap_groups) where triplets share photographs.
    pub agreement: Vec<f64>,
}

/// Scores distances `d0` and `d1` of the two images from the reference against `judge`, the fraction of judges
/// who find image **1** nearer. A triplet gives `1 - judge` when d0 < d1, `judge` when d1 < d0, and ½ on a tie.
pub fn two_afc(d0: &[f64], d1: &[f64], judge: &[f64]) -> Result<TwoAfc, Error> {
    check_lengths("d0", d0.len(), "d1", d1.len())?;
    check_lengths("d0", d0.len(), "judge", judge.len())?;
    check_values("d0", d0, "a number", |value| !value.is_nan())?;
    check_values("d1", d1, "a number", |value| !value.is_nan())?;
    check_fractions("judge", judge)?;
    let agree = |((&d0, &d1), &judge): ((&f64, &f64), &f64)| match d0.total_cmp(&d1) {
        _ if d0 == d1 => 0.5,
        std::cmp::Ordering::Less => 1.0 - judge,
        _ => judge,
    };
    let agreement: Vec<f64> = d0.iter().zip(d1).zip(judge).map(agree).collect();
    Ok(TwoAfc { score: mean(&agreement)?, agreement })
}

/// How often one judge agrees with another: the mean of p² + (1 − p)².
pub fn two_afc_human(judge: &[f64]) -> Result<f64, Error> {
    check_fractions("judge", judge)?;
    mean(&judge.iter().map(|p| p * p + (1.0 - p) * (1.0 - p)).collect::<Vec<_>>())
}

/// The best score any distance can have: the mean of max(p, 1 − p).
pub fn two_afc_oracle(judge: &[f64]) -> Result<f64, Error> {
    check_fractions("judge", judge)?;
    mean(&judge.iter().map(|p| p.max(1.0 - p)).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agreement_ties_human_and_oracle() {
        let judge = [0.0, 0.2, 1.0, 0.8];
        let result = two_afc(&[1.0, 2.0, 3.0, 4.0], &[2.0, 1.0, 1.0, 4.0], &judge).unwrap();
        assert_eq!(result.agreement, [1.0, 0.2, 1.0, 0.5]);
        assert!((result.score - 0.675).abs() < 1e-12);
        assert!((two_afc_human(&judge).unwrap() - (1.0 + 0.68 + 1.0 + 0.68) / 4.0).abs() < 1e-12);
        assert!((two_afc_oracle(&judge).unwrap() - 0.9).abs() < 1e-12);
    }

    #[test]
    fn zero_and_negative_zero_tie() {
        assert_eq!(two_afc(&[0.0], &[-0.0], &[1.0]).unwrap().score, 0.5);
    }

    #[test]
    fn bad_input_is_refused() {
        assert!(two_afc(&[0.0], &[], &[1.0]).is_err());
        assert!(two_afc(&[], &[], &[]).is_err());
        assert!(two_afc(&[f64::NAN], &[1.0], &[1.0]).is_err());
        assert!(two_afc(&[0.0], &[1.0], &[1.5]).is_err());
        assert!(two_afc_human(&[]).is_err());
        assert!(two_afc_oracle(&[-0.1]).is_err());
    }
}

//! Just noticeable differences: whether people who look at two patches call them the same (BAPPS; Zhang et al. 2018).

use crate::Error;
use crate::error::{check_fractions, check_lengths, check_values};

/// The average precision of small distances for pairs called the same: `same` is the fraction of people who did. Precision is
/// made to fall with recall as in Pascal VOC's `voc_ap`, whose area this is, so that it is not scikit-learn's. Equal distances
/// keep their order. Errs when nobody called any pair the same.
pub fn jnd_map(distances: &[f64], same: &[f64]) -> Result<f64, Error> {
    check_lengths("distances", distances.len(), "same", same.len())?;
    check_values("distances", distances, "a number", |distance| !distance.is_nan())?;
    check_fractions("same", same)?;
    let all: f64 = same.iter().sum();
    if all == 0.0 {
        let reason = "no pair was called the same by anyone";
        return Err(Error::Undefined { what: "the JND mAP", reason });
    }
    let mut order: Vec<usize> = (0..distances.len()).collect();
    order.sort_by(|&a, &b| distances[a].total_cmp(&distances[b]));
    let mut hits = 0.0;
    let mut curve: Vec<(f64, f64)> = (1_usize..)
        .zip(&order)
        .map(|(taken, &index)| {
            hits += same[index];
            (hits / all, hits / taken as f64)
        })
        .collect();
    // From the end, no precision is below one at higher recall.
    let mut highest = 0.0_f64;
    for (_, precision) in curve.iter_mut().rev() {
        highest = highest.max(*precision);
        *precision = highest;
    }
    let (mut area, mut previous) = (0.0, 0.0);
    for (recall, precision) in curve {
        area += (recall - previous) * precision;
        previous = recall;
    }
    Ok(area)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        assert_eq!(jnd_map(&[0.1, 0.2, 0.3], &[1.0, 1.0, 0.0]).unwrap(), 1.0);
        // Order: not, same, same. Precisions 0, 1/2, 2/3; the envelope raises the first two to 2/3.
        assert!((jnd_map(&[0.3, 0.1, 0.2], &[1.0, 0.0, 1.0]).unwrap() - 2.0 / 3.0).abs() < 1e-12);
        assert!(matches!(jnd_map(&[0.1], &[0.0]), Err(Error::Undefined { .. })));
        assert!(jnd_map(&[0.1], &[1.5]).is_err() && jnd_map(&[f64::NAN], &[1.0]).is_err());
        assert!(jnd_map(&[], &[]).is_err() && jnd_map(&[0.1], &[0.5, 0.5]).is_err());
    }
}

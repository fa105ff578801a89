//! ImageNet-P: how often, and how far, predictions change along a sequence of nearly equal frames (Hendrycks & Dietterich
//! 2019; `ImageNet-P/test.py`).

use crate::error::check_values;
use crate::{Error, mean};

/// Which frame another is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    /// The first: sequences of noise, whose frames have no order.
    First,
    /// The one `stride` frames before. The benchmark's difficulty is its stride (1, 2 or 3); each of the `stride`
    /// sub-sequences is walked by itself.
    Previous {
        /// Frames from one to the next.
        stride: usize,
    },
}

impl Reference {
    /// The pairs of frames to compare in a sequence of `frames`.
    fn pairs(self, frames: usize) -> Result<Vec<(usize, usize)>, Error> {
        let stride = match self {
            Self::First => 1,
            Self::Previous { stride } => stride,
        };
        if stride == 0 || stride >= frames {
            let expected = "at least 1 and less than the number of frames";
            return Err(Error::Parameter { parameter: "stride", value: stride as f64, expected });
        }
        Ok(match self {
            Self::First => (1..frames).map(|frame| (0, frame)).collect(),
            Self::Previous { .. } => (stride..frames).map(|frame| (frame - stride, frame)).collect(),
        })
    }
}

/// The flip probability: the mean over sequences of the fraction of compared frames whose predictions differ.
pub fn flip_probability<S: AsRef<[i64]>>(sequences: &[S], reference: Reference) -> Result<f64, Error> {
    let flips = |predictions: &S| {
        let predictions = predictions.as_ref();
        let pairs = reference.pairs(predictions.len())?;
        let differ = pairs.iter().filter(|&&(a, b)| predictions[a] != predictions[b]).count();
        Ok(differ as f64 / pairs.len() as f64)
    };
    mean(&sequences.iter().map(flips).collect::<Result<Vec<_>, Error>>()?)
}

/// How far the order of classes moves between two frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RankingDistance {
    /// Top-5 distance: the sum over the reference's five best classes of the number of top-5 places between their old and
    /// new rank; all ranks beyond the fifth are one.
    Top5,
    /// The sum over ranks i, with new rank σ(i), of |1/i − 1/σ(i)| / i.
    Zipf,
}

impl RankingDistance {
    /// The distance of two rows of scores over the same classes, at least five of them for [`RankingDistance::Top5`].
    /// Ranks are ordinal from the highest score; equal scores rank by class.
    pub fn between(self, reference: &[f64], other: &[f64]) -> Result<f64, Error> {
        crate::error::check_lengths("reference", reference.len(), "other", other.len())?;
        for (what, scores) in [("reference", reference), ("other", other)] {
            check_values(what, scores, "a number", |score| !score.is_nan())?;
        }
        if self == Self::Top5 && reference.len() < 5 {
            let value = reference.len() as f64;
            return Err(Error::Parameter { parameter: "classes", value, expected: "at least 5" });
        }
        let order = |scores: &[f64]| {
            let mut order: Vec<usize> = (0..scores.len()).collect();
            order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
            order
        };
        let mut rank = vec![0; other.len()];
        order(other).into_iter().enumerate().for_each(|(place, class)| rank[class] = place);
        let moved = order(reference).into_iter().enumerate().map(|(old, class)| (old, rank[class]));
        Ok(match self {
            // Places 0 to 4 are told apart; 5 and all that follow are one.
            Self::Top5 => moved.take(5).map(|(old, new)| old.abs_diff(new.min(5)) as f64).sum(),
            Self::Zipf => {
                let share = |place: usize| 1.0 / (place + 1) as f64;
                moved.map(|(old, new)| (share(old) - share(new)).abs() * share(old)).sum()
            }
        })
    }
}

/// The mean over sequences of the mean distance of compared frames; a sequence is one row of scores for each frame.
pub fn mean_ranking_distance(
    sequences: &[Vec<Vec<f64>>],
    reference: Reference,
    distance: RankingDistance,
) -> Result<f64, Error> {
    let of_sequence = |frames: &Vec<Vec<f64>>| {
        let pairs = reference.pairs(frames.len())?;
        let distances = pairs.into_iter().map(|(a, b)| distance.between(&frames[a], &frames[b]));
        mean(&distances.collect::<Result<Vec<_>, Error>>()?)
    };
    mean(&sequences.iter().map(of_sequence).collect::<Result<Vec<_>, Error>>()?)
}

/// The mean over perturbations of a model's figure by a baseline's, such as mFR (of flip probabilities) and mT5D (of top-5
/// distances): pairs of `(model, baseline)`, a ratio. The benchmark's baseline is AlexNet, whose figures its authors never
/// published with their code: measure them, or take them from one's own source.
pub fn mean_rate_against_baseline(pairs: &[(f64, f64)]) -> Result<f64, Error> {
    let rate = |&(model, baseline): &(f64, f64)| model / baseline;
    for (what, values) in [
        ("model", pairs.iter().map(|pair| pair.0).collect::<Vec<_>>()),
        ("baseline", pairs.iter().map(|pair| if pair.1 > 0.0 { pair.1 } else { -1.0 }).collect()),
    ] {
        let fits = |value: f64| value >= 0.0 && value.is_finite();
        check_values(what, &values, "a finite number, not negative, and above 0 for the baseline", fits)?;
    }
    mean(&pairs.iter().map(rate).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_compared_with_the_first_frame() {
        let sequences = [[1, 1, 2, 2, 1], [3, 3, 3, 3, 3]];
        assert_eq!(flip_probability(&sequences, Reference::First).unwrap(), 0.25);
        assert_eq!(flip_probability(&sequences, Reference::Previous { stride: 1 }).unwrap(), 0.25);
        // Frames 0-2-4 and 1-3: 1→2, 2→1, 1→2.
        assert_eq!(flip_probability(&sequences, Reference::Previous { stride: 2 }).unwrap(), 0.5);
        assert!(flip_probability(&sequences, Reference::Previous { stride: 0 }).is_err());
        assert!(flip_probability(&sequences, Reference::Previous { stride: 5 }).is_err());
        assert!(flip_probability::<Vec<i64>>(&[], Reference::First).is_err());
        assert!(flip_probability(&[vec![1]], Reference::First).is_err());
    }

    #[test]
    fn ranking_distances_by_hand() {
        let scores = [7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0];
        let top5 = |other: &[f64]| RankingDistance::Top5.between(&scores, other).unwrap();
        assert_eq!(top5(&scores), 0.0);
        // The first two change places.
        assert_eq!(top5(&[6.0, 7.0, 5.0, 4.0, 3.0, 2.0, 1.0]), 2.0);
        // The first falls to the last place: 5 for it, 1 for each of the next four.
        assert_eq!(top5(&[0.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0]), 9.0);
        let zipf = RankingDistance::Zipf.between(&scores, &[6.0, 7.0, 5.0, 4.0, 3.0, 2.0, 1.0]).unwrap();
        assert!((zipf - (0.5 + 0.25)).abs() < 1e-12);
        assert!(RankingDistance::Top5.between(&[1.0; 4], &[1.0; 4]).is_err());
        assert!(RankingDistance::Zipf.between(&[1.0], &[f64::NAN]).is_err());
        assert!(RankingDistance::Zipf.between(&[1.0], &[1.0, 2.0]).is_err());
        let frames = vec![vec![scores.to_vec(), vec![6.0, 7.0, 5.0, 4.0, 3.0, 2.0, 1.0]]];
        assert_eq!(mean_ranking_distance(&frames, Reference::First, RankingDistance::Top5).unwrap(), 2.0);
    }

    #[test]
    fn the_baseline_has_a_rate_of_one() {
        assert_eq!(mean_rate_against_baseline(&[(0.1, 0.1), (3.0, 3.0)]).unwrap(), 1.0);
        assert_eq!(mean_rate_against_baseline(&[(0.1, 0.2), (3.0, 2.0)]).unwrap(), 1.0);
        assert!(mean_rate_against_baseline(&[(0.1, 0.0)]).is_err());
        assert!(mean_rate_against_baseline(&[(f64::NAN, 1.0)]).is_err());
        assert!(mean_rate_against_baseline(&[]).is_err());
    }
}

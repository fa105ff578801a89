//! Just noticeable differences: whether a distance is small where people see no difference.

use crate::Error;
use crate::triplets::{ImageDistance, ImageDistances, measure_all};
use serde::{Deserialize, Serialize};
use visrep_augment::RgbImage;
use visrep_metrics::jnd_map;

/// Two images, and what judges say who saw them for a moment.
#[derive(Clone, Debug)]
pub struct JndPair {
    /// The first image.
    pub first: RgbImage,
    /// The second image.
    pub second: RgbImage,
    /// The fraction of judges who took them for the same, in `0..=1`.
    pub same: f64,
}

/// A distance's agreement with the judges of pairs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct JndScores {
    /// The area under precision and recall of "the same" ([`jnd_map`]).
    pub map: f64,
    /// The distance of each pair.
    pub distances: Vec<f64>,
    /// The fraction of judges who took each pair for the same.
    pub same: Vec<f64>,
}

/// Scores `distance` on `pairs`, `batch` at a time. An error from the iterator ends the scoring.
pub fn score_pairs<E: From<Error>>(
    distance: &dyn ImageDistance,
    pairs: impl IntoIterator<Item = Result<JndPair, E>>,
    batch: usize,
) -> Result<JndScores, E> {
    let mut found = score_pairs_by(&[&distance], pairs, batch)?;
    found.pop().ok_or_else(|| Error::from(visrep_metrics::Error::Empty { what: "distances" }).into())
}

/// [`score_pairs`] for many distances, of which each pair is read once: the scores of all that `distances` measure, in order.
pub fn score_pairs_by<E: From<Error>>(
    distances: &[&dyn ImageDistances],
    pairs: impl IntoIterator<Item = Result<JndPair, E>>,
    batch: usize,
) -> Result<Vec<JndScores>, E> {
    let count = distances.iter().map(|several| several.names().len()).sum();
    let (mut found, mut same) = (vec![Vec::new(); count], Vec::new());
    let mut pairs = pairs.into_iter();
    loop {
        let chunk = pairs.by_ref().take(batch.max(1)).collect::<Result<Vec<_>, _>>()?;
        if chunk.is_empty() {
            break;
        }
        let firsts: Vec<&RgbImage> = chunk.iter().map(|pair| &pair.first).collect();
        let seconds: Vec<&RgbImage> = chunk.iter().map(|pair| &pair.second).collect();
        let measured = measure_all(distances, &firsts, &[&seconds], same.len())?;
        for (into, of_one) in found.iter_mut().zip(measured) {
            into.extend(of_one.into_iter().flatten());
        }
        same.extend(chunk.iter().map(|pair| pair.same));
    }
    let score = |distances: Vec<f64>| {
        let map = jnd_map(&distances, &same).map_err(Error::from)?;
        Ok(JndScores { map, distances, same: same.clone() })
    };
    found.into_iter().map(score).collect()
}

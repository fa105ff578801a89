//! Just noticeable differences: whether a distance is small where people see no difference.

use crate::Error;
use crate::triplets::ImageDistance;
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
#[derive(Clone, Debug)]
pub struct JndScores {
    /// The area under precision and recall of "the same" ([`jnd_map`]).
    pub map: f64,
    /// The distance of each pair.
    pub distances: Vec<f64>,
}

/// Scores `distance` on `pairs`, `batch` at a time. An error from the iterator ends the scoring.
pub fn score_pairs<E: From<Error>>(
    distance: &dyn ImageDistance,
    pairs: impl IntoIterator<Item = Result<JndPair, E>>,
    batch: usize,
) -> Result<JndScores, E> {
    let (mut distances, mut same) = (Vec::new(), Vec::new());
    let mut pairs = pairs.into_iter();
    loop {
        let chunk = pairs.by_ref().take(batch.max(1)).collect::<Result<Vec<_>, _>>()?;
        if chunk.is_empty() {
            break;
        }
        let firsts: Vec<&RgbImage> = chunk.iter().map(|pair| &pair.first).collect();
        let seconds: Vec<&RgbImage> = chunk.iter().map(|pair| &pair.second).collect();
        let found = distance.distances(&firsts, &[&seconds]).map_err(|error| match error {
            Error::NotFinite { index } => Error::NotFinite { index: distances.len() + index },
            other => other,
        })?;
        distances.extend(found.into_iter().flatten());
        same.extend(chunk.iter().map(|pair| pair.same));
    }
    let map = jnd_map(&distances, &same).map_err(Error::from)?;
    Ok(JndScores { map, distances })
}

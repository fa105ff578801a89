//! Two-alternative forced choice on triplets of images.

use crate::Error;
use serde::{Deserialize, Serialize};
use visrep_augment::RgbImage;
use visrep_metrics::{TwoAfc, two_afc};

/// A distance between images.
pub trait ImageDistance {
    /// What to call it in a report.
    fn name(&self) -> String;

    /// For each batch in `others` the distances of its images to the `references`, one to one. Taken together so
    /// that what the references need is computed once. All images have one size.
    fn distances(&self, references: &[&RgbImage], others: &[&[&RgbImage]]) -> Result<Vec<Vec<f64>>, Error>;
}

impl<D: ImageDistance + ?Sized> ImageDistance for &D {
    fn name(&self) -> String {
        (**self).name()
    }

    fn distances(&self, references: &[&RgbImage], others: &[&[&RgbImage]]) -> Result<Vec<Vec<f64>>, Error> {
        (**self).distances(references, others)
    }
}

/// Several distances that are measured together, because they share work: one pass of a network gives all of them.
pub trait ImageDistances {
    /// What to call each in a report.
    fn names(&self) -> Vec<String>;

    /// As [`ImageDistance::distances`], for each distance in the order of [`Self::names`].
    fn measure(&self, references: &[&RgbImage], others: &[&[&RgbImage]])
    -> Result<Vec<Vec<Vec<f64>>>, Error>;
}

impl<D: ImageDistance + ?Sized> ImageDistances for D {
    fn names(&self) -> Vec<String> {
        vec![self.name()]
    }

    fn measure(
        &self,
        references: &[&RgbImage],
        others: &[&[&RgbImage]],
    ) -> Result<Vec<Vec<Vec<f64>>>, Error> {
        Ok(vec![self.distances(references, others)?])
    }
}

/// A reference, two images to compare with it, and what judges say.
#[derive(Clone, Debug)]
pub struct Triplet {
    /// The reference.
    pub reference: RgbImage,
    /// The first image.
    pub first: RgbImage,
    /// The second image.
    pub second: RgbImage,
    /// The fraction of judges who find the **second** nearer, in `0..=1`.
    pub judge: f64,
}

/// A distance's agreement with the judges.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TripletScores {
    /// The score and the agreement on each triplet.
    pub two_afc: TwoAfc,
    /// Distances of the first images.
    pub first: Vec<f64>,
    /// Distances of the second images.
    pub second: Vec<f64>,
    /// The fraction of judges who find the second nearer.
    pub judge: Vec<f64>,
}

/// Triplets whose answer is known without judges: one distortion at two strengths, of which the weaker should be
/// nearer to the original. These are not human judgements, and a report should say so.
///
/// `distort(image, strength)` makes the distorted image; `pairs` gives (weaker, stronger). The weaker image is
/// first, `judge` is 0. Images go through one at a time: nothing is held.
pub fn strength_triplets<S: Copy, E>(
    images: impl IntoIterator<Item = RgbImage>,
    pairs: impl IntoIterator<Item = (S, S)> + Clone,
    mut distort: impl FnMut(&RgbImage, S) -> Result<RgbImage, E>,
) -> impl Iterator<Item = Result<Triplet, E>> {
    images.into_iter().flat_map(move |reference| {
        let triplet = |(weaker, stronger)| {
            let (first, second) = (distort(&reference, weaker)?, distort(&reference, stronger)?);
            Ok(Triplet { reference: reference.clone(), first, second, judge: 0.0 })
        };
        // Collected, since the triplets of one image borrow it.
        pairs.clone().into_iter().map(triplet).collect::<Vec<_>>()
    })
}

/// Scores `distance` on `triplets`, `batch` at a time. A distance that ties gets ½. An error from the iterator ends
/// the scoring.
pub fn score_triplets<E: From<Error>>(
    distance: &dyn ImageDistance,
    triplets: impl IntoIterator<Item = Result<Triplet, E>>,
    batch: usize,
) -> Result<TripletScores, E> {
    let mut found = score_triplets_by(&[&distance], triplets, batch)?;
    found.pop().ok_or_else(|| Error::from(visrep_metrics::Error::Empty { what: "distances" }).into())
}

/// [`score_triplets`] for many distances, of which each triplet is read once: the scores of all that `distances` measure, in order.
pub fn score_triplets_by<E: From<Error>>(
    distances: &[&dyn ImageDistances],
    triplets: impl IntoIterator<Item = Result<Triplet, E>>,
    batch: usize,
) -> Result<Vec<TripletScores>, E> {
    let count = distances.iter().map(|several| several.names().len()).sum();
    let mut found: Vec<[Vec<f64>; 2]> = vec![Default::default(); count];
    let mut judge = Vec::new();
    let mut triplets = triplets.into_iter();
    loop {
        let chunk = triplets.by_ref().take(batch.max(1)).collect::<Result<Vec<_>, _>>()?;
        if chunk.is_empty() {
            break;
        }
        let references: Vec<&RgbImage> = chunk.iter().map(|triplet| &triplet.reference).collect();
        let firsts: Vec<&RgbImage> = chunk.iter().map(|triplet| &triplet.first).collect();
        let seconds: Vec<&RgbImage> = chunk.iter().map(|triplet| &triplet.second).collect();
        let measured = measure_all(distances, &references, &[&firsts, &seconds], judge.len())?;
        for (into, of_one) in found.iter_mut().zip(measured) {
            for (into, distances) in into.iter_mut().zip(of_one) {
                into.extend(distances);
            }
        }
        judge.extend(chunk.iter().map(|triplet| triplet.judge));
    }
    let score = |[first, second]: [Vec<f64>; 2]| {
        let two_afc = two_afc(&first, &second, &judge).map_err(Error::from)?;
        Ok(TripletScores { two_afc, first, second, judge: judge.clone() })
    };
    found.into_iter().map(score).collect()
}

/// What all `distances` measure, one after the other. Errors count pairs on from `before`.
pub(crate) fn measure_all(
    distances: &[&dyn ImageDistances],
    references: &[&RgbImage],
    others: &[&[&RgbImage]],
    before: usize,
) -> Result<Vec<Vec<Vec<f64>>>, Error> {
    let mut found = Vec::new();
    for several in distances {
        found.extend(several.measure(references, others).map_err(|error| match error {
            Error::NotFinite { index } => Error::NotFinite { index: before + index },
            other => other,
        })?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PixelDistance;

    fn brighten(image: &RgbImage, by: u8) -> Result<RgbImage, Error> {
        let mut image = image.clone();
        image.data_mut().iter_mut().for_each(|level| *level = level.saturating_add(by));
        Ok(image)
    }

    #[test]
    fn the_weaker_distortion_is_nearer_in_pixels() {
        let images = (0..5).map(|i| RgbImage::from_fn(4, 4, move |x, y| [x as u8 * i, y as u8, 3]));
        let triplets: Vec<_> = strength_triplets(images, [(5, 20), (20, 60)], brighten).collect();
        assert_eq!(triplets.len(), 10);
        let scores = score_triplets(&PixelDistance, triplets, 3).unwrap();
        assert_eq!(scores.two_afc.score, 1.0);
        assert!(scores.first.iter().zip(&scores.second).all(|(a, b)| a < b));
    }

    #[test]
    fn ties_count_half_and_errors_get_through() {
        let images = [RgbImage::filled(2, 2, [0; 3])];
        let same = strength_triplets(images.clone(), [(7, 7)], brighten);
        assert_eq!(score_triplets(&PixelDistance, same, 8).unwrap().two_afc.score, 0.5);
        let fails = |_: &RgbImage, _: u8| Err(Error::NotFinite { index: 9 });
        let failing = strength_triplets(images, [(1, 2)], fails);
        assert!(matches!(score_triplets(&PixelDistance, failing, 8), Err(Error::NotFinite { index: 9 })));
        let none: [Result<Triplet, Error>; 0] = [];
        assert!(score_triplets(&PixelDistance, none, 8).is_err());
    }

    /// Finite unless a reference is all white.
    struct WhiteIsFar;

    impl ImageDistance for WhiteIsFar {
        fn name(&self) -> String {
            "test".into()
        }

        fn distances(
            &self,
            references: &[&RgbImage],
            others: &[&[&RgbImage]],
        ) -> Result<Vec<Vec<f64>>, Error> {
            match references.iter().position(|image| image.data().iter().all(|&level| level == 255)) {
                Some(index) => Err(Error::NotFinite { index }),
                None => PixelDistance.distances(references, others),
            }
        }
    }

    #[test]
    fn the_triplet_at_fault_is_counted_from_the_first() {
        let images = (0..7).map(|i| RgbImage::filled(2, 2, [if i == 5 { 255 } else { i }; 3]));
        let triplets: Vec<_> = strength_triplets(images, [(1, 2)], brighten).collect();
        let error = score_triplets(&WhiteIsFar, triplets, 3).unwrap_err();
        assert!(matches!(error, Error::NotFinite { index: 5 }), "{error}");
    }
}

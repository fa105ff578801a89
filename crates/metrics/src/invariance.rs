//! How little a representation changes with what it sees (Bouchacourt, Ibrahim & Morcos 2021).

use crate::error::{check_lengths, check_values};
use crate::interval::quantile;
use crate::linalg::dot;
use crate::{Error, FeatureMatrix};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;

/// What keeps an invariance finite where all images have the same features.
const EPSILON: f64 = 1e-8;

/// How far apart features are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeatureDistance {
    /// One less the cosine of the angle between them.
    Cosine,
    /// The Euclidean distance.
    Euclidean,
}

/// The invariance of each image's features to a change of it: (d(z, z') - d(z, z_t)) / (d(z, z') + 1e-8), where z is the image, z_t
/// the same image changed, z' another image changed, and d the distance. 1 where the change moves nothing, 0 where it moves an image
/// as far from itself as from another.
///
/// `original` and `changed` have a row for each image, in the same order; `partner` says for each which other one it is compared with.
///
/// # Errors
/// Numbers of rows or dimensions that differ, a partner that there is not; by the cosine a row of zeros, which has no direction.
pub fn invariance<A: Copy + Into<f64>, B: Copy + Into<f64>>(
    original: &FeatureMatrix<'_, A>,
    changed: &FeatureMatrix<'_, B>,
    partner: &[usize],
    distance: FeatureDistance,
) -> Result<Vec<f64>, Error> {
    check_pairs(original, changed)?;
    check_lengths("original", original.len(), "partner", partner.len())?;
    let (n, dim) = (original.len(), original.dim());
    if let Some((index, &value)) = partner.iter().enumerate().find(|&(_, &partner)| partner >= n) {
        let expected = "the index of an image";
        return Err(Error::Value { what: "partner", index, value: value as f64, expected });
    }
    let (original, changed) = match distance {
        FeatureDistance::Cosine => (original.to_unit()?, changed.to_unit()?),
        FeatureDistance::Euclidean => (original.to_f64(), changed.to_f64()),
    };
    let between = |image: &[f64], other: usize| {
        let other = &changed[other * dim..][..dim];
        match distance {
            FeatureDistance::Cosine => 1.0 - dot(image, other),
            FeatureDistance::Euclidean => {
                image.iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
            }
        }
    };
    let of = |((index, image), &partner): ((usize, &[f64]), &usize)| {
        let (to_itself, to_another) = (between(image, index), between(image, partner));
        (to_another - to_itself) / (to_another + EPSILON)
    };
    Ok(original.chunks_exact(dim).enumerate().zip(partner).map(of).collect())
}

/// How alike a change moves all images' features (Bouchacourt, Ibrahim & Morcos 2021): the mean cosine distance of pairs of differences
/// z - z_t whose values are each put in an order of their own, less that of the same pairs as they are. About 1 where all images move in one
/// direction, 0 where each goes its own way. Pairs and orders are drawn by `seed`; images that do not move have no direction and are left
/// out.
///
/// # Errors
/// Numbers of rows or dimensions that differ; fewer than two images that move.
pub fn equivariance<A: Copy + Into<f64>, B: Copy + Into<f64>>(
    original: &FeatureMatrix<'_, A>,
    changed: &FeatureMatrix<'_, B>,
    seed: u64,
) -> Result<f64, Error> {
    check_pairs(original, changed)?;
    let mut moves: Vec<Vec<f64>> = Vec::with_capacity(original.len());
    for (original, changed) in original.rows().zip(changed.rows()) {
        let difference: Vec<f64> = original.iter().zip(changed).map(|(&a, &b)| a.into() - b.into()).collect();
        let norm = dot(&difference, &difference).sqrt();
        if norm > 0.0 {
            moves.push(difference.into_iter().map(|value| value / norm).collect());
        }
    }
    if moves.len() < 2 {
        let reason = "it takes two images that the change moves";
        return Err(Error::Undefined { what: "equivariance", reason });
    }
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    moves.shuffle(&mut rng);
    // In an order that is drawn, each is compared with the next; the mean of 1 - cosine, of which the 1 falls out of the difference.
    let alike = |moves: &[Vec<f64>]| {
        let n = moves.len();
        (0..n).map(|at| dot(&moves[at], &moves[(at + 1) % n])).sum::<f64>() / n as f64
    };
    let together = alike(&moves);
    moves.iter_mut().for_each(|row| row.shuffle(&mut rng));
    Ok(together - alike(&moves))
}

/// Errs unless there is a row of the same length for each image in both.
fn check_pairs<A: Copy + Into<f64>, B: Copy + Into<f64>>(
    original: &FeatureMatrix<'_, A>,
    changed: &FeatureMatrix<'_, B>,
) -> Result<(), Error> {
    check_lengths("original", original.len(), "changed", changed.len())?;
    check_lengths("dimensions of original", original.dim(), "dimensions of changed", changed.dim())
}

/// The middle of some values and where the middle half of them lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quartiles {
    /// A quarter of the values is below.
    pub lower: f64,
    /// Half.
    pub median: f64,
    /// Three quarters.
    pub upper: f64,
}

/// The quartiles of `values`, in any order, interpolating linearly as NumPy does.
///
/// # Errors
/// No values, or one that is not finite.
pub fn quartiles(values: &[f64]) -> Result<Quartiles, Error> {
    if values.is_empty() {
        return Err(Error::Empty { what: "values" });
    }
    check_values("values", values, "a finite number", f64::is_finite)?;
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let [lower, median, upper] = [0.25, 0.5, 0.75].map(|q| quantile(&sorted, q));
    Ok(Quartiles { lower, median, upper })
}

#[cfg(test)]
mod tests {
    use super::*;

    const COSINE: FeatureDistance = FeatureDistance::Cosine;

    fn matrix(values: &[f64]) -> FeatureMatrix<'_> {
        FeatureMatrix::new(values, 2).unwrap()
    }

    #[test]
    fn an_image_is_compared_with_itself_and_with_another() {
        let images = matrix(&[1.0, 0.0, 0.0, 3.0, -1.0, 0.0]);
        // Scaled only; turned by 60 degrees; turned around.
        let half = 3.0_f64.sqrt() / 2.0;
        let seen = [5.0, 0.0, half, 0.5, 1.0, 0.0];
        let found = invariance(&images, &matrix(&seen), &[1, 2, 0], COSINE).unwrap();
        assert!((found[0] - 1.0).abs() < 1e-6, "nothing moved: {found:?}");
        // From itself 1 - 0.5; from the third, which is (1, 0) now, 1 - 0.
        assert!((found[1] - 0.5).abs() < 1e-6, "{found:?}");
        // From itself 2, from the first 2.
        assert!(found[2].abs() < 1e-6, "{found:?}");
        // All images alike: 0 / 1e-8.
        let alike = matrix(&[1.0, 1.0, 2.0, 2.0]);
        let found = invariance(&alike, &alike, &[1, 0], COSINE).unwrap();
        assert!(found.iter().all(|value| value.abs() < 1e-6), "{found:?}");
    }

    #[test]
    fn by_the_euclidean_distance_lengths_count() {
        let images = matrix(&[0.0, 0.0, 3.0, 4.0]);
        // The first moves by 1 and is 3 from the other; the second moves by 5 and is 4 from the first.
        let seen = matrix(&[0.0, 1.0, 3.0, 0.0]);
        let found = invariance(&images, &seen, &[1, 0], FeatureDistance::Euclidean).unwrap();
        assert!((found[0] - 2.0 / 3.0).abs() < 1e-6, "{found:?}");
        let to_first = 18.0_f64.sqrt();
        assert!((found[1] - (to_first - 4.0) / to_first).abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn changes_in_one_direction_are_equivariant() {
        // 40 images in 64 dimensions, by a sequence without pattern.
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f64 / f64::from(1 << 24) - 0.5
        };
        let images: Vec<f64> = (0..40 * 64).map(|_| next()).collect();
        let step: Vec<f64> = (0..64).map(|_| next()).collect();
        let together: Vec<f64> = images.iter().enumerate().map(|(at, value)| value + step[at % 64]).collect();
        let apart: Vec<f64> = images.iter().map(|value| value + next()).collect();
        let of = |changed: &[f64]| {
            let (images, changed) =
                (FeatureMatrix::new(&images, 64).unwrap(), FeatureMatrix::new(changed, 64).unwrap());
            equivariance(&images, &changed, 5)
        };
        let (together, apart) = (of(&together).unwrap(), of(&apart).unwrap());
        assert!(together > 0.8 && together < 1.2, "{together}");
        assert!(apart.abs() < 0.1, "{apart}");
        assert!(matches!(of(&images), Err(Error::Undefined { .. })), "nothing moves");
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let (two, three) = (matrix(&[1.0, 0.0, 0.0, 1.0]), matrix(&[1.0; 6]));
        assert!(matches!(invariance(&two, &three, &[1, 0], COSINE), Err(Error::Length { .. })));
        assert!(matches!(invariance(&two, &two, &[1], COSINE), Err(Error::Length { .. })));
        assert!(matches!(
            invariance(&two, &two, &[1, 2], COSINE),
            Err(Error::Value { what: "partner", index: 1, .. })
        ));
        let wide = FeatureMatrix::new(&[1.0; 6], 3).unwrap();
        assert!(matches!(invariance(&two, &wide, &[1, 0], COSINE), Err(Error::Length { .. })));
        assert!(invariance(&two, &matrix(&[0.0; 4]), &[1, 0], COSINE).is_err(), "zeros have no direction");
    }

    #[test]
    fn quartiles_are_numpys() {
        // np.quantile([7, 1, 4, 2], [0.25, 0.5, 0.75])
        let found = quartiles(&[7.0, 1.0, 4.0, 2.0]).unwrap();
        assert_eq!(found, Quartiles { lower: 1.75, median: 3.0, upper: 4.75 });
        assert_eq!(quartiles(&[3.0]).unwrap().upper, 3.0);
        assert!(quartiles(&[]).is_err() && quartiles(&[f64::NAN]).is_err());
    }
}

//! How little a representation changes with what it sees (Bouchacourt, Ibrahim & Morcos 2021).

use crate::error::{check_lengths, check_values};
use crate::interval::quantile;
use crate::linalg::dot;
use crate::{Error, FeatureMatrix};

/// What keeps an invariance finite where all images have the same features.
const EPSILON: f64 = 1e-8;

/// The invariance of each image's features to a change of it: (d(z, z') - d(z, z_t)) / (d(z, z') + 1e-8), where z is the image, z_t
/// the same image changed, z' another image changed, and d the cosine distance. 1 where the change moves nothing, 0 where it moves an image
/// as far from itself as from another.
///
/// `original` and `changed` have a row for each image, in the same order; `partner` says for each which other one it is compared with.
///
/// # Errors
/// Numbers of rows or dimensions that differ, a partner that there is not, a row of zeros, which has no direction.
pub fn invariance<A: Copy + Into<f64>, B: Copy + Into<f64>>(
    original: &FeatureMatrix<'_, A>,
    changed: &FeatureMatrix<'_, B>,
    partner: &[usize],
) -> Result<Vec<f64>, Error> {
    check_lengths("original", original.len(), "changed", changed.len())?;
    check_lengths("original", original.len(), "partner", partner.len())?;
    check_lengths("dimensions of original", original.dim(), "dimensions of changed", changed.dim())?;
    let (n, dim) = (original.len(), original.dim());
    if let Some((index, &value)) = partner.iter().enumerate().find(|&(_, &partner)| partner >= n) {
        let expected = "the index of an image";
        return Err(Error::Value { what: "partner", index, value: value as f64, expected });
    }
    let (original, changed) = (original.to_unit()?, changed.to_unit()?);
    let distance = |image: &[f64], other: usize| 1.0 - dot(image, &changed[other * dim..][..dim]);
    let of = |((index, image), &partner): ((usize, &[f64]), &usize)| {
        let (to_itself, to_another) = (distance(image, index), distance(image, partner));
        (to_another - to_itself) / (to_another + EPSILON)
    };
    Ok(original.chunks_exact(dim).enumerate().zip(partner).map(of).collect())
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

    fn matrix(values: &[f64]) -> FeatureMatrix<'_> {
        FeatureMatrix::new(values, 2).unwrap()
    }

    #[test]
    fn an_image_is_compared_with_itself_and_with_another() {
        let images = matrix(&[1.0, 0.0, 0.0, 3.0, -1.0, 0.0]);
        // Scaled only; turned by 60 degrees; turned around.
        let half = 3.0_f64.sqrt() / 2.0;
        let seen = [5.0, 0.0, half, 0.5, 1.0, 0.0];
        let found = invariance(&images, &matrix(&seen), &[1, 2, 0]).unwrap();
        assert!((found[0] - 1.0).abs() < 1e-6, "nothing moved: {found:?}");
        // From itself 1 - 0.5; from the third, which is (1, 0) now, 1 - 0.
        assert!((found[1] - 0.5).abs() < 1e-6, "{found:?}");
        // From itself 2, from the first 2.
        assert!(found[2].abs() < 1e-6, "{found:?}");
        // All images alike: 0 / 1e-8.
        let alike = matrix(&[1.0, 1.0, 2.0, 2.0]);
        let found = invariance(&alike, &alike, &[1, 0]).unwrap();
        assert!(found.iter().all(|value| value.abs() < 1e-6), "{found:?}");
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let (two, three) = (matrix(&[1.0, 0.0, 0.0, 1.0]), matrix(&[1.0; 6]));
        assert!(matches!(invariance(&two, &three, &[1, 0]), Err(Error::Length { .. })));
        assert!(matches!(invariance(&two, &two, &[1]), Err(Error::Length { .. })));
        assert!(matches!(
            invariance(&two, &two, &[1, 2]),
            Err(Error::Value { what: "partner", index: 1, .. })
        ));
        let wide = FeatureMatrix::new(&[1.0; 6], 3).unwrap();
        assert!(matches!(invariance(&two, &wide, &[1, 0]), Err(Error::Length { .. })));
        assert!(invariance(&two, &matrix(&[0.0; 4]), &[1, 0]).is_err(), "zeros have no direction");
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

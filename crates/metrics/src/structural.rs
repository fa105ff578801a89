//! Structural similarity of two images of one channel: SSIM (Wang et al. 2004) and MS-SSIM (Wang et al. 2003).

use crate::Error;
use crate::error::{check_lengths, check_values};

/// Side of the Gaussian window.
const WINDOW: usize = 11;
/// Its standard deviation in pixels.
const SIGMA: f64 = 1.5;
/// The exponents of MS-SSIM's five scales, the finest first.
const EXPONENTS: [f64; 5] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];

/// One channel of an image, row by row.
#[derive(Clone, Copy, Debug)]
pub struct Plane<'a> {
    values: &'a [f64],
    width: usize,
}

impl<'a> Plane<'a> {
    /// Wraps `values`, rows of `width` pixels. Errs when they are no whole rows, and on values that are not finite.
    pub fn new(values: &'a [f64], width: usize) -> Result<Self, Error> {
        if values.is_empty() {
            return Err(Error::Empty { what: "the image" });
        }
        if width == 0 || !values.len().is_multiple_of(width) {
            let expected = "a divisor of the number of pixels";
            return Err(Error::Parameter { parameter: "width", value: width as f64, expected });
        }
        check_values("pixels", values, "a finite number", f64::is_finite)?;
        Ok(Self { values, width })
    }

    fn height(&self) -> usize {
        self.values.len() / self.width
    }
}

/// Mean SSIM with a Gaussian window of 11 × 11 pixels and standard deviation 1.5, over all places where it lies within the
/// image; K₁ = 0.01, K₂ = 0.03. `peak` is the range of values: 255 for 8-bit levels. Equals scikit-image's
/// `structural_similarity` with `gaussian_weights=True, sigma=1.5, use_sample_covariance=False`. From −1 to 1, for equal images.
/// Errs on images smaller than the window.
pub fn ssim(first: &Plane<'_>, second: &Plane<'_>, peak: f64) -> Result<f64, Error> {
    check(first, second, peak, 1)?;
    Ok(terms(first.values, second.values, first.width, peak).0)
}

/// MS-SSIM over five scales: the product of the mean contrast-and-structure terms of the finer four and the mean SSIM of the
/// coarsest, each to its published power; scales are halved by the mean of 2 × 2 pixels, an odd last row or column being
/// dropped. Negative terms count as 0. Errs where a side is below 176 pixels, so that the window does not fit the last scale.
pub fn ms_ssim(first: &Plane<'_>, second: &Plane<'_>, peak: f64) -> Result<f64, Error> {
    over_scales(first, second, peak, &EXPONENTS)
}

/// [`ms_ssim`] over as many of the five scales as the window fits, for images that are smaller: the finest, whose published powers are
/// made to sum to 1. A side of 64 pixels has three scales, and one of 11 to 21 pixels has one, which is [`ssim`] with the negative as 0.
/// Not the published measure where it is not all five ([`ms_ssim_scales`]).
pub fn ms_ssim_fitted(first: &Plane<'_>, second: &Plane<'_>, peak: f64) -> Result<f64, Error> {
    let scales = ms_ssim_scales(first.width.min(first.height()));
    if scales == EXPONENTS.len() {
        return ms_ssim(first, second, peak);
    }
    let exponents = &EXPONENTS[..scales.max(1)];
    let sum: f64 = exponents.iter().sum();
    over_scales(first, second, peak, &exponents.iter().map(|exponent| exponent / sum).collect::<Vec<_>>())
}

/// How many of MS-SSIM's five scales have room for the window where the shorter side has so many pixels.
pub fn ms_ssim_scales(side: usize) -> usize {
    (0..EXPONENTS.len()).take_while(|scale| side >> scale >= WINDOW).count()
}

fn over_scales(first: &Plane<'_>, second: &Plane<'_>, peak: f64, exponents: &[f64]) -> Result<f64, Error> {
    check(first, second, peak, 1 << (exponents.len() - 1))?;
    let (mut a, mut b, mut width) = (first.values.to_vec(), second.values.to_vec(), first.width);
    let mut product = 1.0;
    for (scale, exponent) in exponents.iter().enumerate() {
        if scale > 0 {
            (a, b) = (halved(&a, width), halved(&b, width));
            width /= 2;
        }
        let (whole, contrast) = terms(&a, &b, width, peak);
        let term = if scale + 1 == exponents.len() { whole } else { contrast };
        product *= term.max(0.0).powf(*exponent);
    }
    Ok(product)
}

fn check(first: &Plane<'_>, second: &Plane<'_>, peak: f64, shrink: usize) -> Result<(), Error> {
    check_lengths("pixels of the first", first.values.len(), "the second", second.values.len())?;
    check_lengths("columns of the first", first.width, "the second", second.width)?;
    if !(peak > 0.0 && peak.is_finite()) {
        return Err(Error::Parameter { parameter: "peak", value: peak, expected: "above 0, such as 255" });
    }
    let side = first.width.min(first.height());
    if side < WINDOW * shrink {
        let expected = if shrink == 1 { "11 pixels at least" } else { "176 pixels at least" };
        return Err(Error::Parameter { parameter: "shorter side", value: side as f64, expected });
    }
    Ok(())
}

/// Mean SSIM, and the mean of its factor for contrast and structure.
fn terms(a: &[f64], b: &[f64], width: usize, peak: f64) -> (f64, f64) {
    let products = |x: &[f64], y: &[f64]| -> Vec<f64> { x.iter().zip(y).map(|(x, y)| x * y).collect() };
    let [mean_a, mean_b] = [a, b].map(|values| blurred(values, width));
    let [aa, bb, ab] = [(a, a), (b, b), (a, b)].map(|(x, y)| blurred(&products(x, y), width));
    let (c1, c2) = ((0.01 * peak).powi(2), (0.03 * peak).powi(2));
    let (mut whole, mut contrast) = (0.0, 0.0);
    for place in 0..mean_a.len() {
        let (ma, mb) = (mean_a[place], mean_b[place]);
        let (var_a, var_b, covariance) = (aa[place] - ma * ma, bb[place] - mb * mb, ab[place] - ma * mb);
        let structure = (2.0 * covariance + c2) / (var_a + var_b + c2);
        contrast += structure;
        whole += structure * (2.0 * ma * mb + c1) / (ma * ma + mb * mb + c1);
    }
    (whole / mean_a.len() as f64, contrast / mean_a.len() as f64)
}

/// The Gaussian mean at every place where the window lies within the image.
fn blurred(values: &[f64], width: usize) -> Vec<f64> {
    let half = (WINDOW / 2) as f64;
    let weights: [f64; WINDOW] = std::array::from_fn(|i| (-((i as f64 - half) / SIGMA).powi(2) / 2.0).exp());
    let sum: f64 = weights.iter().sum();
    let weights = weights.map(|weight| weight / sum);
    let inner = width - WINDOW + 1;
    let mut across = Vec::with_capacity(values.len());
    for row in values.chunks_exact(width) {
        across
            .extend(row.windows(WINDOW).map(|window| {
                window.iter().zip(&weights).map(|(value, weight)| value * weight).sum::<f64>()
            }));
    }
    let rows: Vec<&[f64]> = across.chunks_exact(inner).collect();
    let mut blurred = vec![0.0; (rows.len() - WINDOW + 1) * inner];
    for (window, out) in rows.windows(WINDOW).zip(blurred.chunks_exact_mut(inner)) {
        for (row, weight) in window.iter().zip(&weights) {
            out.iter_mut().zip(*row).for_each(|(sum, value)| *sum += weight * value);
        }
    }
    blurred
}

/// Half the size, by the mean of 2 × 2 pixels.
fn halved(values: &[f64], width: usize) -> Vec<f64> {
    let pairs = values.chunks_exact(2 * width).map(|rows| rows.split_at(width));
    pairs
        .flat_map(|(upper, lower)| {
            upper.chunks_exact(2).zip(lower.chunks_exact(2)).map(|(u, l)| (u[0] + u[1] + l[0] + l[1]) / 4.0)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_images_are_alike_and_noise_is_not() {
        let image: Vec<f64> = (0..176 * 180).map(|i| f64::from(i * i % 251)).collect();
        let noise: Vec<f64> = (0..176 * 180).map(|i| f64::from(i * 7919 % 241)).collect();
        let (a, b) = (Plane::new(&image, 180).unwrap(), Plane::new(&noise, 180).unwrap());
        assert!((ssim(&a, &a, 255.0).unwrap() - 1.0).abs() < 1e-12);
        assert!((ms_ssim(&a, &a, 255.0).unwrap() - 1.0).abs() < 1e-12);
        assert!(ssim(&a, &b, 255.0).unwrap() < 0.2);
        let constant = |value: f64| vec![value; 121];
        let (light, dark) = (constant(200.0), constant(100.0));
        let found = ssim(&Plane::new(&light, 11).unwrap(), &Plane::new(&dark, 11).unwrap(), 255.0).unwrap();
        let c1 = 2.55_f64.powi(2);
        assert!((found - (40_000.0 + c1) / (50_000.0 + c1)).abs() < 1e-12);
    }

    #[test]
    fn bad_images_are_refused() {
        let values = vec![1.0; 176 * 175];
        let plane = Plane::new(&values, 176).unwrap();
        assert!(ssim(&plane, &plane, 255.0).is_ok() && ms_ssim(&plane, &plane, 255.0).is_err());
        assert!(ssim(&plane, &Plane::new(&values, 175).unwrap(), 255.0).is_err());
        assert!(ssim(&plane, &plane, 0.0).is_err());
        let small = Plane::new(&values[..100], 10).unwrap();
        assert!(matches!(ssim(&small, &small, 1.0), Err(Error::Parameter { parameter: "shorter side", .. })));
        assert!(Plane::new(&values, 177).is_err() && Plane::new(&[], 1).is_err());
        assert!(Plane::new(&[f64::NAN], 1).is_err() && Plane::new(&values, 0).is_err());
    }
}

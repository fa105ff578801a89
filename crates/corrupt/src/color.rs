//! Brightness, saturation and contrast.
//!
//! The published code goes through HSV and back. Both changes keep the hue, so they are linear in RGB:
//! a new value scales the pixel, a new saturation moves it along the line to its grey.

use visrep_decode::RgbImage;

use crate::Error;

/// Adds `amount` (of a range of 1) to the HSV value.
pub(crate) fn brightness(image: &RgbImage, amount: f64) -> Result<RgbImage, Error> {
    let factor: Vec<f32> = (0..256)
        .map(|v| {
            let raised = (f64::from(v) + amount * 255.0).min(255.0);
            (if v == 0 { raised } else { raised / f64::from(v) }) as f32
        })
        .collect();
    map_pixels(image, |[r, g, b]| {
        let value = r.max(g).max(b);
        let factor = factor[usize::from(value)];
        // Black has no hue to keep: it turns grey.
        let [r, g, b] = if value == 0 { [1; 3] } else { [r, g, b] };
        [r, g, b].map(|v| nearly_truncate(f32::from(v) * factor))
    })
}

/// Replaces the HSV saturation `s` by `s * factor + offset`. Greys count as red, as their hue is 0.
pub(crate) fn saturate(image: &RgbImage, factor: f64, offset: f64) -> Result<RgbImage, Error> {
    let (factor, offset) = (factor as f32, offset as f32);
    map_pixels(image, |[r, g, b]| {
        let value = f32::from(r.max(g).max(b));
        let range = value - f32::from(r.min(g).min(b));
        if range == 0.0 {
            let dulled = nearly_truncate(value * (1.0 - offset.clamp(0.0, 1.0)));
            return [r, dulled, dulled];
        }
        let saturation = (range / value * factor + offset).clamp(0.0, 1.0);
        let slope = saturation * value / range;
        [r, g, b].map(|v| nearly_truncate(value - (value - f32::from(v)) * slope))
    })
}

/// Shrinks every channel about its mean.
pub(crate) fn contrast(image: &RgbImage, factor: f64) -> Result<RgbImage, Error> {
    let mut sums = [0_u64; 3];
    for pixel in image.data().as_chunks::<3>().0 {
        for (sum, &v) in sums.iter_mut().zip(pixel) {
            *sum += u64::from(v);
        }
    }
    let pixels = (image.data().len() / 3) as f64;
    let tables = sums.map(|sum| {
        let mean = sum as f64 / pixels / 255.0;
        std::array::from_fn::<u8, 256, _>(|v| {
            (((v as f64 / 255.0 - mean) * factor + mean).clamp(0.0, 1.0) * 255.0) as u8
        })
    });
    map_pixels(image, |pixel| std::array::from_fn(|c| tables[c][usize::from(pixel[c])]))
}

/// Truncation that forgives the rounding of `f32`, so that whole levels stay what they are.
fn nearly_truncate(value: f32) -> u8 {
    (value + 1e-4) as u8
}

fn map_pixels(image: &RgbImage, f: impl Fn([u8; 3]) -> [u8; 3]) -> Result<RgbImage, Error> {
    let data = image.data().as_chunks::<3>().0.iter().flat_map(|&pixel| f(pixel)).collect();
    Ok(RgbImage::new(image.width(), image.height(), data)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greys_and_black_are_handled_as_hsv_does() {
        let image = RgbImage::new(2, 1, vec![0, 0, 0, 100, 100, 100]).unwrap();
        assert_eq!(brightness(&image, 0.2).unwrap().data(), [51, 51, 51, 151, 151, 151]);
        assert_eq!(saturate(&image, 5.0, 0.1).unwrap().data(), [0, 0, 0, 100, 90, 90]);
        assert_eq!(saturate(&image, 0.1, 0.0).unwrap().data(), image.data());
    }

    #[test]
    fn a_flat_image_keeps_its_contrast() {
        let image = RgbImage::filled(4, 4, [10, 200, 255]);
        let out = contrast(&image, 0.05).unwrap();
        assert!(out.data().iter().zip(image.data()).all(|(a, b)| a.abs_diff(*b) <= 1));
    }
}

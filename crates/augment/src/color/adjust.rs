//! Brightness, contrast, saturation (blends as in Pillow's `Blend.c`), grey and solarise.

use crate::simd::{LANES, Planes, for_planes, for_planes_mut, vectorised};
use visrep_decode::RgbImage;

/// Blends with black: 0 is black, 1 changes nothing, above 1 is brighter. As `ImageEnhance.Brightness`.
pub fn adjust_brightness(image: &mut RgbImage, factor: f64) {
    blend_with(image.data_mut(), 0.0, factor as f32);
}

/// Blends with the mean grey of the image: 0 is that grey, 1 changes nothing. As `ImageEnhance.Contrast`.
pub fn adjust_contrast(image: &mut RgbImage, factor: f64) {
    let mean = mean_grey(image);
    blend_with(image.data_mut(), mean, factor as f32);
}

/// Blends each pixel with its grey: 0 is grey, 1 changes nothing. As `ImageEnhance.Color`.
pub fn adjust_saturation(image: &mut RgbImage, factor: f64) {
    let factor = factor as f32;
    vectorised(
        #[inline(always)]
        || {
            for_planes_mut(
                image.data_mut(),
                #[inline(always)]
                |planes| {
                    for i in 0..LANES {
                        let (r, g, b) =
                            (f32::from(planes.r[i]), f32::from(planes.g[i]), f32::from(planes.b[i]));
                        // `luma` in floating point: every number is whole and below 2^24, so nothing is rounded.
                        let sum = r * 19595.0 + g * 38470.0 + b * 7471.0 + 32768.0;
                        let grey = (sum * (1.0 / 65536.0)).floor();
                        planes.r[i] = blend(grey, r, factor);
                        planes.g[i] = blend(grey, g, factor);
                        planes.b[i] = blend(grey, b, factor);
                    }
                },
            );
        },
    );
}

/// Makes every pixel its grey, as Pillow's `convert("L")`: (19595 R + 38470 G + 7471 B + 32768) / 65536.
pub fn grayscale(image: &mut RgbImage) {
    vectorised(
        #[inline(always)]
        || {
            for_planes_mut(
                image.data_mut(),
                #[inline(always)]
                |planes| {
                    let grey = luma(planes);
                    *planes = Planes { r: grey, g: grey, b: grey };
                },
            );
        },
    );
}

/// Inverts every value of at least `threshold`: 0 inverts all, 256 none. As `ImageOps.solarize`.
pub fn solarize(image: &mut RgbImage, threshold: u16) {
    let Ok(threshold) = u8::try_from(threshold) else { return };
    vectorised(
        #[inline(always)]
        || {
            for value in image.data_mut() {
                *value = if *value >= threshold { 255 - *value } else { *value };
            }
        },
    );
}

/// Pillow's blend of one value: single precision, clipped, then truncated.
///
/// Added to 2^23, a whole number is in the lowest bits; a cast would check once more for what has been clipped.
#[inline(always)]
pub(crate) fn blend(from: f32, to: f32, factor: f32) -> u8 {
    let value = from + factor * (to - from);
    (value.clamp(0.0, 255.0).floor() + (1 << 23) as f32).to_bits() as u8
}

pub(super) fn blend_with(data: &mut [u8], from: f32, factor: f32) {
    vectorised(
        #[inline(always)]
        || {
            for value in &mut *data {
                *value = blend(from, f32::from(*value), factor);
            }
        },
    );
}

#[inline(always)]
fn luma(planes: &Planes) -> [u8; LANES] {
    let mut grey = [0; LANES];
    for (i, grey) in grey.iter_mut().enumerate() {
        let (r, g, b) = (u32::from(planes.r[i]), u32::from(planes.g[i]), u32::from(planes.b[i]));
        *grey = ((r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16) as u8;
    }
    grey
}

/// The mean of the grey values, rounded to the nearest whole one.
fn mean_grey(image: &RgbImage) -> f32 {
    let mut sum = 0;
    vectorised(
        #[inline(always)]
        || {
            for_planes(
                image.data(),
                #[inline(always)]
                |planes| {
                    let run: u32 = luma(planes).iter().map(|&value| u32::from(value)).sum();
                    sum += u64::from(run);
                },
            );
        },
    );
    let pixels = image.data().len() / 3;
    (sum as f64 / pixels as f64 + 0.5).floor() as f32
}

//! Brightness, contrast, saturation (blends as in Pillow's `Blend.c`), grey and solarise.

use crate::simd::{LANES, Pixels, Planes, for_planes, grey, vectorised};
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
    let pixels = Pixels::detect();
    vectorised(
        #[inline(always)]
        || {
            let (runs, rest) = image.data_mut().as_chunks_mut::<RUN>();
            let mut greys = [0; RUN + 8];
            for run in runs {
                greys[..RUN].copy_from_slice(run);
                make_grey(pixels, &mut greys);
                for i in 0..RUN {
                    run[i] = blend(f32::from(greys[i]), f32::from(run[i]), factor);
                }
            }
            let mut greys = [0; RUN];
            let greys = &mut greys[..rest.len()];
            greys.copy_from_slice(rest);
            make_grey(pixels, greys);
            for (value, &grey) in rest.iter_mut().zip(&*greys) {
                *value = blend(f32::from(grey), f32::from(*value), factor);
            }
        },
    );
}

/// How many bytes [`adjust_saturation`] works on together: whole pixels in whole vectors.
const RUN: usize = 768;

/// Makes every pixel its grey, as Pillow's `convert("L")`: (19595 R + 38470 G + 7471 B + 32768) / 65536.
pub fn grayscale(image: &mut RgbImage) {
    let pixels = Pixels::detect();
    vectorised(
        #[inline(always)]
        || make_grey(pixels, image.data_mut()),
    );
}

/// Eight pixels at a time, as long as there are four bytes more.
#[inline(always)]
fn make_grey(pixels: Pixels, data: &mut [u8]) {
    let mut done = 0;
    while done + 28 <= data.len() {
        let run = &mut data[done..done + 28];
        let (Some(first), Some(second)) = (run.first_chunk(), run.last_chunk()) else { break };
        let [first, second] = pixels.greys([first, second]);
        run[..12].copy_from_slice(&first[..12]);
        run[12..24].copy_from_slice(&second[..12]);
        done += 24;
    }
    for pixel in data[done..].as_chunks_mut::<3>().0 {
        *pixel = [grey(*pixel); 3];
    }
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
pub(super) fn mean_grey(image: &RgbImage) -> f32 {
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

//! Operations on each value by itself: posterize, invert, and the TensorFlow policies' solarize-add and contrast.

use super::adjust::blend_with;
use crate::simd::vectorised;
use visrep_decode::RgbImage;

/// Keeps the `bits` most significant bits of every value: 0 is black, 8 and more change nothing. As
/// `ImageOps.posterize`.
pub fn posterize(image: &mut RgbImage, bits: u8) {
    let mask = u8::MAX.checked_shl(8 - u32::from(bits.min(8))).unwrap_or(0);
    vectorised(
        #[inline(always)]
        || image.data_mut().iter_mut().for_each(|value| *value &= mask),
    );
}

/// Makes every value 255 minus itself. As `ImageOps.invert`.
pub fn invert(image: &mut RgbImage) {
    vectorised(
        #[inline(always)]
        || image.data_mut().iter_mut().for_each(|value| *value = !*value),
    );
}

/// A new image, each of whose values is 255 minus the old one: [`invert`] for where the old one is still needed.
pub fn inverted(image: &RgbImage) -> RgbImage {
    let data = vectorised(
        #[inline(always)]
        || image.data().iter().map(|value| !value).collect(),
    );
    RgbImage::new(image.width(), image.height(), data).expect("as many bytes as before")
}

/// Adds `addition` to the values below `threshold`, at most up to 255; the others stay. The `SolarizeAdd` of the
/// TensorFlow policies, whose threshold is 128.
pub fn solarize_add(image: &mut RgbImage, addition: u8, threshold: u16) {
    let Some(last) = threshold.min(256).checked_sub(1) else { return };
    let last = last as u8;
    vectorised(
        #[inline(always)]
        || {
            let (runs, rest) = image.data_mut().as_chunks_mut::<64>();
            for run in runs {
                add_below(run, addition, last);
            }
            add_below(rest, addition, last);
        },
    );
}

#[inline(always)]
fn add_below(values: &mut [u8], addition: u8, last: u8) {
    for value in values {
        // A minimum with what is left up to 255, rather than a choice of results, vectorises.
        let chosen = if *value <= last { u8::MAX } else { 0 };
        *value += (addition & chosen).min(u8::MAX - *value);
    }
}

/// Blends with one grey: 0 is that grey, 1 changes nothing.
///
/// It is what `Contrast` does in the TensorFlow policies: big_vision's `autoaugment.py` takes for the mean grey of an
/// image its number of pixels / 256, at most 255, which is 196 at 224 x 224.
pub fn blend_grey(image: &mut RgbImage, grey: u8, factor: f64) {
    blend_with(image.data_mut(), f32::from(grey), factor as f32);
}

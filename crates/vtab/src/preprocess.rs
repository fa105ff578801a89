//! VTAB's resize, without antialiasing.

use serde::{Deserialize, Serialize};
use visrep_decode::RgbImage;

/// Where a pixel of a bilinearly resized image looks in the original; no version antialiases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sampling {
    /// At pixels' centres: `tf.image.resize` of TensorFlow 2, OpenCV's `INTER_LINEAR`, PyTorch's `interpolate`.
    HalfPixel,
    /// At their corners: `tf.image.resize` of TensorFlow 1, which moves the image by up to half a pixel. VTAB's code calls this one,
    /// by `tensorflow.compat.v1`, whichever TensorFlow is there.
    #[default]
    Corner,
}

/// `image` resized to `width` x `height` by interpolating between four pixels, however much smaller it becomes. Values are
/// rounded to 8 bits, which TensorFlow does not do: they differ by at most half a level.
#[must_use]
pub fn resize_bilinear(image: &RgbImage, width: u32, height: u32, sampling: Sampling) -> RgbImage {
    let ratio = |from: u32, to: u32| f64::from(from) / f64::from(to.max(1));
    scale_bilinear(
        image,
        (width, height),
        (ratio(image.width(), width), ratio(image.height(), height)),
        sampling,
    )
}

/// As [`resize_bilinear`], with `step` pixels of the original from one pixel of the result to the next (across, down).
pub(crate) fn scale_bilinear(
    image: &RgbImage,
    (width, height): (u32, u32),
    step: (f64, f64),
    sampling: Sampling,
) -> RgbImage {
    if (width, height) == (image.width(), image.height()) && step == (1.0, 1.0) || image.data().is_empty() {
        return image.clone();
    }
    let (columns, rows) =
        (taps(width, image.width(), step.0, sampling), taps(height, image.height(), step.1, sampling));
    let mut out = RgbImage::filled(width, height, [0; 3]);
    let line = out.data_mut().chunks_exact_mut(3 * width.max(1) as usize);
    for (line, (y0, y1, fy)) in line.zip(&rows) {
        let (above, below) = (image.row(*y0), image.row(*y1));
        for (pixel, (x0, x1, fx)) in line.chunks_exact_mut(3).zip(&columns) {
            let (left, right) = (3 * *x0 as usize, 3 * *x1 as usize);
            for (channel, value) in pixel.iter_mut().enumerate() {
                let between = |row: &[u8]| {
                    let (a, b) = (f32::from(row[left + channel]), f32::from(row[right + channel]));
                    a + (b - a) * fx
                };
                let (top, bottom) = (between(above), between(below));
                // Between 0 and 255 by construction.
                *value = (top + (bottom - top) * fy + 0.5) as u8;
            }
        }
    }
    out
}

/// For each pixel of a side the two that it lies between, and how far it is from the first.
fn taps(to: u32, from: u32, step: f64, sampling: Sampling) -> Vec<(u32, u32, f32)> {
    let offset = if sampling == Sampling::HalfPixel { 0.5 } else { 0.0 };
    let last = from.saturating_sub(1);
    let tap = |at: u32| {
        let place = ((f64::from(at) + offset) * step - offset).clamp(0.0, f64::from(last));
        let first = place.floor();
        (first as u32, (first as u32 + 1).min(last), (place - first) as f32)
    };
    (0..to).map(tap).collect()
}

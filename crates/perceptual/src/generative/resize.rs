//! From an image of any size to what Inception takes, as each pipeline has it.

use super::InceptionResize;
use visrep_augment::{Filter, RgbImage, resize_float};

/// The side of Inception's images.
pub(super) const SIDE: usize = 299;

/// Values of an image for Inception.
pub(super) const VALUES: usize = 3 * SIDE * SIDE;

impl InceptionResize {
    /// `image` at 299 x 299 pixels as the network takes it: the planes of red, green and blue, `3 * 299 * 299` values about ±1.
    pub fn apply(self, image: &RgbImage) -> Vec<f32> {
        let mut values = match self {
            Self::Interpolate => bilinear(image, &HALF_PIXEL, |value| f32::from(value) / 255.0),
            Self::PillowBicubic => resize_float(image, SIDE as u32, SIDE as u32, Filter::Bicubic),
            Self::TensorFlow => bilinear(image, &CORNER, f32::from),
        };
        match self {
            Self::Interpolate => values.iter_mut().for_each(|x| *x = 2.0 * *x - 1.0),
            Self::PillowBicubic => values.iter_mut().for_each(|x| *x = (x.clamp(0.0, 255.0) - 128.0) / 128.0),
            Self::TensorFlow => values.iter_mut().for_each(|x| *x = (*x - 128.0) / 128.0),
        }
        values
    }
}

/// Where a pixel looks, and how four neighbours are weighed; both in single precision in the order of the original's operations.
struct Bilinear {
    /// From a pixel and the step between pixels to a place on the original's axis.
    place: fn(f32, f32) -> f32,
    /// Between two values, at a share of the way.
    between: fn(f32, f32, f32) -> f32,
}

/// PyTorch: `aten/src/ATen/native/UpSample.h`.
const HALF_PIXEL: Bilinear = Bilinear {
    place: |at, step| (step * (at + 0.5) - 0.5).max(0.0),
    between: |a, b, share| (1.0 - share) * a + share * b,
};

/// TensorFlow 1: `tensorflow/core/kernels/resize_bilinear_op.cc`.
const CORNER: Bilinear = Bilinear { place: |at, step| at * step, between: |a, b, share| a + (b - a) * share };

/// Both sides to 299 by interpolating between four pixels of `value`, however much smaller the image becomes.
fn bilinear(image: &RgbImage, kind: &Bilinear, value: impl Fn(u8) -> f32) -> Vec<f32> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let (columns, rows) = (taps(width, kind), taps(height, kind));
    let mut values = Vec::with_capacity(VALUES);
    for channel in 0..3 {
        // The rows above and below, resized across, and which rows of the image these are.
        let mut near: [(usize, Vec<f32>); 2] = [(usize::MAX, vec![0.0; SIDE]), (usize::MAX, vec![0.0; SIDE])];
        for &(above, below, share) in &rows {
            if near[1].0 == above {
                near.swap(0, 1);
            }
            for (place, wanted) in near.iter_mut().zip([above, below]) {
                if place.0 != wanted {
                    let row = image.row(wanted as u32);
                    for (out, &(left, right, share)) in place.1.iter_mut().zip(&columns) {
                        let (a, b) = (value(row[3 * left + channel]), value(row[3 * right + channel]));
                        *out = (kind.between)(a, b, share);
                    }
                    place.0 = wanted;
                }
            }
            let [(_, above), (_, below)] = &near;
            values.extend(above.iter().zip(below).map(|(&a, &b)| (kind.between)(a, b, share)));
        }
    }
    values
}

/// For each pixel of a side the two that it lies between, and how far it is from the first.
fn taps(from: usize, kind: &Bilinear) -> Vec<(usize, usize, f32)> {
    let step = from as f32 / SIDE as f32;
    let tap = |at: usize| {
        let place = (kind.place)(at as f32, step);
        let first = (place as usize).min(from - 1);
        (first, (first + 1).min(from - 1), place - first as f32)
    };
    (0..SIDE).map(tap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_of_the_right_size_keeps_its_pixels() {
        let image = RgbImage::from_fn(299, 299, |x, y| [x as u8, y as u8, (x * y) as u8]);
        for resize in
            [InceptionResize::Interpolate, InceptionResize::PillowBicubic, InceptionResize::TensorFlow]
        {
            let found = resize.apply(&image);
            for (i, &found) in found.iter().enumerate() {
                let (channel, pixel) = (i / (SIDE * SIDE), i % (SIDE * SIDE));
                let value = f32::from(image.data()[3 * pixel + channel]);
                let expected = match resize {
                    InceptionResize::Interpolate => value / 127.5 - 1.0,
                    _ => (value - 128.0) / 128.0,
                };
                assert!((found - expected).abs() < 1e-6, "{resize:?}");
            }
        }
    }

    #[test]
    fn a_single_pixel_fills_everything() {
        for resize in
            [InceptionResize::Interpolate, InceptionResize::PillowBicubic, InceptionResize::TensorFlow]
        {
            let found = resize.apply(&RgbImage::filled(1, 1, [255, 0, 255]));
            assert_eq!(found.len(), VALUES);
            assert!(found[..SIDE * SIDE].iter().all(|&x| x == found[0] && x > 0.99));
        }
    }
}

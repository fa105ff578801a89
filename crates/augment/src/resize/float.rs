//! Pillow's resize of images of mode `F`: in single precision, rounded to 8 bits nowhere.

use super::weights::each_window;
use super::{Filter, resize, vertical_first};
use crate::error::MAX_SIDE;
use visrep_decode::RgbImage;

/// The channels of `image` resized to `width` x `height` one by one, each as Pillow resizes an image of mode `F`: sums in double
/// precision, of which each pass leaves values in single precision.
///
/// The planes of red, green and blue, `3 * height * width` values row by row, between 0 and 255 but where a filter with negative
/// weights overshoots. Sides are held within 1..=[`MAX_SIDE`]. This is the resize of clean-fid ("On Aliased Resizing and Surprising
/// Subtleties in GAN Evaluation", Parmar et al. 2022).
pub fn resize_float(image: &RgbImage, width: u32, height: u32, filter: Filter) -> Vec<f32> {
    let (width, height) = (width.clamp(1, MAX_SIDE), height.clamp(1, MAX_SIDE));
    if filter == Filter::Nearest {
        let resized = resize(image, width, height, filter);
        return (0..3).flat_map(|channel| plane(&resized, channel)).collect();
    }
    let (from, to) = ((image.width(), image.height()), (width, height));
    let across = |plane: Vec<f32>| {
        if from.0 == to.0 { plane } else { horizontal(&plane, from.0, to.0, filter) }
    };
    let down = |plane: Vec<f32>, width: u32| {
        if from.1 == to.1 { plane } else { vertical(&plane, width, from.1, to.1, filter) }
    };
    let channel = |channel| {
        let plane: Vec<f32> = plane(image, channel).collect();
        if vertical_first(from, to) { across(down(plane, from.0)) } else { down(across(plane), to.0) }
    };
    (0..3).flat_map(channel).collect()
}

fn plane(image: &RgbImage, channel: usize) -> impl Iterator<Item = f32> + '_ {
    image.data().iter().skip(channel).step_by(3).map(|&value| f32::from(value))
}

/// Every row of `from` pixels resized to `to`.
fn horizontal(plane: &[f32], from: u32, to: u32, filter: Filter) -> Vec<f32> {
    let (from, to) = (from as usize, to as usize);
    let mut out = vec![0.0; plane.len() / from * to];
    let mut at = 0;
    each_window(from as u32, (0.0, from as f32), to as u32, filter, |first, weights| {
        for (row, out) in plane.chunks_exact(from).zip(out.chunks_exact_mut(to)) {
            let taps = weights.iter().zip(&row[first..]);
            out[at] = taps.map(|(weight, &value)| f64::from(value) * weight).sum::<f64>() as f32;
        }
        at += 1;
    });
    out
}

/// The `from` rows of `width` pixels resized to `to`.
fn vertical(plane: &[f32], width: u32, from: u32, to: u32, filter: Filter) -> Vec<f32> {
    let width = width as usize;
    let mut out = Vec::with_capacity(width * to as usize);
    let mut sums = vec![0.0; width];
    each_window(from, (0.0, from as f32), to, filter, |first, weights| {
        sums.fill(0.0);
        for (weight, row) in weights.iter().zip(plane.chunks_exact(width).skip(first)) {
            sums.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value) * weight);
        }
        out.extend(sums.iter().map(|&sum| sum as f32));
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| [(x * 29 + y * 7) as u8, (x * y) as u8, (255 - x) as u8])
    }

    #[test]
    fn rounded_it_is_the_resize_of_bytes() {
        for (from, to) in [((40, 30), (17, 61)), ((9, 200), (30, 20)), ((24, 24), (24, 11)), ((5, 5), (5, 5))]
        {
            for filter in [Filter::Nearest, Filter::Box, Filter::Bilinear, Filter::Bicubic, Filter::Lanczos] {
                let image = image(from.0, from.1);
                let (whole, float) =
                    (resize(&image, to.0, to.1, filter), resize_float(&image, to.0, to.1, filter));
                assert_eq!(float.len(), whole.data().len());
                let pixels = (to.0 * to.1) as usize;
                // Bytes are rounded, and held within 0..=255, between the passes as well.
                let far = |(i, &value): (usize, &u8)| {
                    (f32::from(value) - float[i % 3 * pixels + i / 3].clamp(0.0, 255.0)).abs()
                };
                let mean = whole.data().iter().enumerate().map(far).sum::<f32>() / float.len() as f32;
                assert!(mean < 0.8, "{from:?} to {to:?} {filter:?}: {mean}");
            }
        }
    }

    #[test]
    fn weights_add_up_to_one() {
        let flat = RgbImage::filled(7, 90, [255, 3, 0]);
        let found = resize_float(&flat, 31, 12, Filter::Bicubic);
        for (plane, value) in found.chunks(31 * 12).zip([255.0, 3.0, 0.0]) {
            assert!(plane.iter().all(|found| (found - value).abs() < 1e-4));
        }
    }
}

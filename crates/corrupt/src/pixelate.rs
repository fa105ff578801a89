//! Pixelation: Pillow's box filter down and up again.

use visrep_decode::RgbImage;

use crate::Error;

/// Fixed-point bits of Pillow's 8-bit resampling.
const PRECISION: u32 = 22;

/// Keeps `share` of each side, at least one pixel, and enlarges back.
pub(crate) fn pixelate(image: &RgbImage, share: f64) -> Result<RgbImage, Error> {
    let reduced = |side: u32| ((f64::from(side) * share) as u32).max(1);
    let small = resize(image, reduced(image.width()), reduced(image.height()))?;
    resize(&small, image.width(), image.height())
}

/// The source pixels of one output pixel: the first, and the fixed-point weights from there on.
struct Span {
    first: usize,
    weights: Vec<i32>,
}

/// Pillow's box filter takes the source pixels whose centre lies within the output pixel, each as much.
fn spans(from: u32, to: u32) -> Vec<Span> {
    let scale = f64::from(from) / f64::from(to);
    let stretch = scale.max(1.0);
    let support = 0.5 * stretch;
    (0..to)
        .map(|i| {
            let center = (f64::from(i) + 0.5) * scale;
            let first = ((center - support + 0.5) as usize).min(from as usize - 1);
            let last = ((center + support + 0.5) as usize).min(from as usize);
            let covered = |j: usize| {
                let distance = (j as f64 - center + 0.5) / stretch;
                distance > -0.5 && distance <= 0.5
            };
            let hits: Vec<bool> = (first..last.max(first + 1)).map(covered).collect();
            let count = hits.iter().filter(|hit| **hit).count().max(1);
            let weight = (0.5 + f64::from(1_u32 << PRECISION) / count as f64) as i32;
            Span { first, weights: hits.into_iter().map(|hit| if hit { weight } else { 0 }).collect() }
        })
        .collect()
}

/// Box resampling exactly as Pillow's: columns first, rounded to 8 bits, then rows.
fn resize(image: &RgbImage, width: u32, height: u32) -> Result<RgbImage, Error> {
    let round = |sum: i32| (sum >> PRECISION).clamp(0, 255) as u8;
    let half = 1 << (PRECISION - 1);
    let columns = spans(image.width(), width);
    let mut across = Vec::with_capacity(width as usize * image.height() as usize * 3);
    for y in 0..image.height() {
        let row = image.row(y).as_chunks::<3>().0;
        for span in &columns {
            let mut sum = [half; 3];
            for (pixel, &weight) in row[span.first..].iter().zip(&span.weights) {
                for c in 0..3 {
                    sum[c] += i32::from(pixel[c]) * weight;
                }
            }
            across.extend(sum.map(round));
        }
    }
    let stride = width as usize * 3;
    let mut data = Vec::with_capacity(stride * height as usize);
    let mut sums = vec![half; stride];
    for span in spans(image.height(), height) {
        sums.fill(half);
        for (row, &weight) in across[span.first * stride..].chunks_exact(stride).zip(&span.weights) {
            for (sum, &v) in sums.iter_mut().zip(row) {
                *sum += i32::from(v) * weight;
            }
        }
        data.extend(sums.iter().map(|&sum| round(sum)));
    }
    Ok(RgbImage::new(width, height, data)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_blocks_are_averaged_and_repeated() {
        let image = RgbImage::from_fn(4, 4, |x, y| [(x + 4 * y) as u8 * 10; 3]);
        let out = pixelate(&image, 0.5).unwrap();
        assert_eq!((out.pixel(0, 0)[0], out.pixel(1, 1)[0], out.pixel(3, 3)[0]), (25, 25, 125));
    }

    #[test]
    fn one_pixel_survives() {
        let image = RgbImage::filled(1, 1, [3, 4, 5]);
        assert_eq!(pixelate(&image, 0.25).unwrap(), image);
    }
}

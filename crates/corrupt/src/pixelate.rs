//! Pixelation: Pillow's box filter down and up again.

use visrep_decode::RgbImage;

use crate::Error;
use crate::simd::vectorised;

/// Fixed-point bits of Pillow's 8-bit resampling.
const PRECISION: u32 = 22;

/// Keeps `share` of each side, at least one pixel, and enlarges back.
pub(crate) fn pixelate(image: &RgbImage, share: f64) -> Result<RgbImage, Error> {
    let reduced = |side: u32| ((f64::from(side) * share) as u32).max(1);
    let small = resize(image, reduced(image.width()), reduced(image.height()))?;
    resize(&small, image.width(), image.height())
}

/// The source pixels of one output pixel, which count as much as each other.
struct Span {
    first: usize,
    count: usize,
    /// `1 / count` in fixed point.
    weight: u32,
}

/// Pillow's box filter takes the source pixels whose centre lies within the output pixel.
fn spans(from: u32, to: u32) -> Vec<Span> {
    let scale = f64::from(from) / f64::from(to);
    let stretch = scale.max(1.0);
    let support = 0.5 * stretch;
    (0..to)
        .map(|i| {
            let center = (f64::from(i) + 0.5) * scale;
            let first = ((center - support + 0.5) as usize).min(from as usize - 1);
            let last = ((center + support + 0.5) as usize).min(from as usize).max(first + 1);
            let covered = |&j: &usize| {
                let distance = (j as f64 - center + 0.5) / stretch;
                distance > -0.5 && distance <= 0.5
            };
            // Those within the box follow one another.
            let hits: Vec<usize> = (first..last).filter(covered).collect();
            let weight = match hits.len() {
                0 => 0,
                count => (0.5 + f64::from(1_u32 << PRECISION) / count as f64) as u32,
            };
            Span { first: hits.first().copied().unwrap_or(first), count: hits.len(), weight }
        })
        .collect()
}

/// The mean in fixed point, of at most 255 but for rounding.
#[inline(always)]
fn mean(sum: u32, weight: u32) -> u8 {
    ((sum * weight + (1 << (PRECISION - 1))) >> PRECISION).min(255) as u8
}

/// Box resampling exactly as Pillow's: columns first, rounded to 8 bits, then rows.
fn resize(image: &RgbImage, width: u32, height: u32) -> Result<RgbImage, Error> {
    let stride = width as usize * 3;
    let mut across = vec![0; stride * image.height() as usize];
    let columns = spans(image.width(), width);
    let sources = image.data().chunks_exact(image.width() as usize * 3);
    for (source, target) in sources.zip(across.chunks_exact_mut(stride)) {
        resize_row(source.as_chunks().0, target.as_chunks_mut().0, &columns);
    }
    let mut data = vec![0; stride * height as usize];
    let rows = spans(image.height(), height);
    vectorised(
        #[inline(always)]
        || {
            let mut sums = vec![0; stride];
            for (span, target) in rows.iter().zip(data.chunks_exact_mut(stride)) {
                let sources = &across[span.first * stride..][..span.count * stride];
                if span.count == 1 {
                    target.copy_from_slice(sources);
                    continue;
                }
                sums.fill(0);
                for source in sources.chunks_exact(stride) {
                    for (sum, &value) in sums.iter_mut().zip(source) {
                        *sum += u32::from(value);
                    }
                }
                for (value, &sum) in target.iter_mut().zip(&sums) {
                    *value = mean(sum, span.weight);
                }
            }
        },
    );
    Ok(RgbImage::new(width, height, data)?)
}

fn resize_row(source: &[[u8; 3]], target: &mut [[u8; 3]], columns: &[Span]) {
    for (pixel, span) in target.iter_mut().zip(columns) {
        let sources = &source[span.first..][..span.count];
        if let [only] = sources {
            *pixel = *only;
            continue;
        }
        let mut sums = [0; 3];
        for source in sources {
            for (sum, &value) in sums.iter_mut().zip(source) {
                *sum += u32::from(value);
            }
        }
        *pixel = sums.map(|sum| mean(sum, span.weight));
    }
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

//! Defocus: convolution with a softened disk, as OpenCV's `filter2D` does it.

use visrep_decode::RgbImage;

use crate::Error;
use crate::constants::Defocus;
use crate::disk::Disk;
use crate::field::{Edge, Field, add_pairs};
use crate::simd::vectorised;

/// From this radius on, the way round the disk is shorter than the way through it.
const LARGE: f64 = 3.0;

/// Blurs with the disk of `params`; outside the image, reflection about the edge pixels.
pub(crate) fn defocus(image: &RgbImage, params: Defocus) -> Result<RgbImage, Error> {
    let quadrant = disk_quadrant(params);
    if params.radius < LARGE {
        return convolve(image, &quadrant);
    }
    let (reach, soft) = softening(params);
    Disk::new(params.radius, soft, reach, total(&quadrant)).convolve(image)
}

/// Convolves with any kernel that is symmetric both ways.
fn convolve(image: &RgbImage, quadrant: &[Vec<f32>]) -> Result<RgbImage, Error> {
    let padded = Field::from_rgb(image).padded(quadrant.len() - 1, Edge::Reflect101);
    let mut out = Field::zeros(image.width() as usize, image.height() as usize, 3);
    vectorised(
        #[inline(always)]
        || convolve_rows(&mut out, &padded, quadrant),
    );
    out.to_rgb()
}

/// Adds the rows of a pair, then the columns, then multiplies.
#[inline(always)]
fn convolve_rows(out: &mut Field, padded: &Field, quadrant: &[Vec<f32>]) {
    let radius = quadrant.len() - 1;
    let len = out.width * 3;
    let mut pair = vec![0.0; padded.width * 3];
    for y in 0..out.height {
        for (dy, weights) in quadrant.iter().enumerate() {
            let (above, below) = (padded.row(y + radius - dy), padded.row(y + radius + dy));
            let rows: &[f32] = if dy == 0 {
                above
            } else {
                for ((p, a), b) in pair.iter_mut().zip(above).zip(below) {
                    *p = a + b;
                }
                &pair
            };
            add_pairs(
                out.row_mut(y),
                weights,
                #[inline(always)]
                |dx| (&rows[(radius - dx) * 3..][..len], &rows[(radius + dx) * 3..][..len]),
            );
        }
    }
}

/// How far the kernel reaches, and the weights that soften the disk from the centre on.
fn softening(Defocus { radius, alias_blur }: Defocus) -> (usize, Vec<f64>) {
    // The published kernel is cut at its grid: 17 wide and softened by 3 taps up to a radius of 8,
    // and just as wide as the disk and softened by 5 beyond.
    let (reach, taps) = if radius <= 8.0 { (8, 1) } else { (radius as usize, 2) };
    let soft: Vec<f64> = (0..=taps).map(|i| (-0.5 * (f64::from(i) / alias_blur).powi(2)).exp()).collect();
    let total = soft[0] + 2.0 * soft[1..].iter().sum::<f64>();
    (reach, soft.into_iter().map(|weight| weight / total).collect())
}

/// The sum of a kernel's weights, given a quadrant of it.
fn total(quadrant: &[Vec<f32>]) -> f64 {
    let twice = |i: usize| if i > 0 { 2.0 } else { 1.0 };
    let row = |row: &Vec<f32>| row.iter().enumerate().map(|(x, &w)| twice(x) * f64::from(w)).sum::<f64>();
    quadrant.iter().enumerate().map(|(y, weights)| twice(y) * row(weights)).sum()
}

/// `kernel[dy][dx]` for `dy, dx >= 0`, without the zeros at the ends of the rows and of the kernel.
fn disk_quadrant(params: Defocus) -> Vec<Vec<f32>> {
    let radius = params.radius;
    let (reach, soft) = softening(params);
    let (reach, taps) = (reach as isize, soft.len() as isize - 1);
    let inside = |y: isize, x: isize| f64::from(u8::from(((x * x + y * y) as f64) <= radius * radius));
    let pixels: f64 = (-reach..=reach).flat_map(|y| (-reach..=reach).map(move |x| inside(y, x))).sum();
    let side = 2 * reach as usize + 1;
    let reflected = |i: isize| Edge::Reflect101.index(i + reach, side) as isize - reach;
    let weight = |y: isize, x: isize| {
        let mut sum = 0.0;
        for dy in -taps..=taps {
            for dx in -taps..=taps {
                let weight = soft[dy.unsigned_abs()] * soft[dx.unsigned_abs()];
                sum += weight * inside(reflected(y + dy), reflected(x + dx));
            }
        }
        (sum / pixels) as f32
    };
    let mut rows: Vec<Vec<f32>> = (0..=reach)
        .map(|y| {
            let mut row: Vec<f32> = (0..=reach).map(|x| weight(y, x)).collect();
            while row.len() > 1 && row[row.len() - 1] < 1e-9 {
                row.pop();
            }
            row
        })
        .collect();
    while rows.len() > 1 && rows[rows.len() - 1][0] < 1e-9 {
        rows.pop();
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_is_round_and_sums_to_about_one() {
        for (radius, alias_blur) in [(0.3, 0.4), (3.0, 0.1), (6.0, 0.5), (10.0, 0.5)] {
            let disk = disk_quadrant(Defocus { radius, alias_blur });
            for (y, row) in disk.iter().enumerate() {
                for (x, w) in row.iter().enumerate() {
                    let transposed = disk.get(x).and_then(|r| r.get(y)).copied().unwrap_or(0.0);
                    assert!((w - transposed).abs() < 1e-8);
                }
            }
            let total = total(&disk);
            // Softening reflects the published kernel at its border, so a disk that reaches it gains 1 %.
            let expected = if radius < 8.0 { 1.0 } else { 1.010_785_8 };
            assert!((total - expected).abs() < 1e-5, "radius {radius}: {total}");
        }
    }

    #[test]
    fn both_ways_follow_the_definition() {
        // All radii of the tables, and 7: within the kernel's square, at its border, and cut off by it.
        for radius in [0.5, 1.5, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 12.0] {
            let params = Defocus { radius, alias_blur: 0.5 };
            let quadrant = disk_quadrant(params);
            let reach = quadrant.len() as isize - 1;
            for (w, h) in [(40, 45), (5, 64), (1, 1), (33, 2)] {
                let image = RgbImage::from_fn(w, h, |x, y| {
                    let noise = (x * 7919 + y * 104_729 + x * y * 31) >> 3;
                    [noise as u8, if (x / 9 + y / 5) % 2 == 0 { 255 } else { 0 }, (noise >> 5) as u8]
                });
                let out = defocus(&image, params).unwrap();
                let at = |i: isize, len: u32| Edge::Reflect101.index(i, len as usize) as u32;
                for (i, &found) in out.data().iter().enumerate() {
                    let (x, y, c) = ((i / 3) as u32 % w, (i / 3) as u32 / w, i % 3);
                    let mut sum = 0.0;
                    for dy in -reach..=reach {
                        let weights = &quadrant[dy.unsigned_abs()];
                        let reach = weights.len() as isize - 1;
                        for dx in -reach..=reach {
                            let pixel = image.pixel(at(x as isize + dx, w), at(y as isize + dy, h));
                            sum += f64::from(weights[dx.unsigned_abs()]) * f64::from(pixel[c]);
                        }
                    }
                    let (low, high) = ((sum - 1e-4) as u8, (sum + 1e-4) as u8);
                    assert!(found == low || found == high, "radius {radius}, {w}x{h}: {found} for {sum}");
                }
            }
        }
    }
}

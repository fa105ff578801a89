//! Defocus: convolution with a softened disk, as OpenCV's `filter2D` does it.

use visrep_decode::RgbImage;

use crate::Error;
use crate::constants::Defocus;
use crate::field::{Edge, Field, add_pairs};
use crate::simd::vectorised;

/// Blurs with the disk of `params`; outside the image, reflection about the edge pixels.
pub(crate) fn defocus(image: &RgbImage, params: Defocus) -> Result<RgbImage, Error> {
    let quadrant = disk_quadrant(params);
    let radius = quadrant.len() - 1;
    let padded = Field::from_rgb(image).padded(radius, Edge::Reflect101);
    let mut out = Field::zeros(image.width() as usize, image.height() as usize, 3);
    vectorised(
        #[inline(always)]
        || convolve(&mut out, &padded, &quadrant),
    );
    out.to_rgb()
}

/// The disk is symmetric both ways: adds the rows of a pair, then the columns, then multiplies.
#[inline(always)]
fn convolve(out: &mut Field, padded: &Field, quadrant: &[Vec<f32>]) {
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

/// `kernel[dy][dx]` for `dy, dx >= 0`, without the zeros at the ends of the rows and of the kernel.
fn disk_quadrant(Defocus { radius, alias_blur }: Defocus) -> Vec<Vec<f32>> {
    // The published kernel is cut at its grid: 17 wide and softened by 3 taps up to a radius of 8,
    // and just as wide as the disk and softened by 5 beyond.
    let (reach, taps) = if radius <= 8.0 { (8_isize, 1_isize) } else { (radius as isize, 2) };
    let inside = |y: isize, x: isize| f64::from(u8::from(((x * x + y * y) as f64) <= radius * radius));
    let cells = (-reach..=reach).flat_map(|y| (-reach..=reach).map(move |x| inside(y, x)));
    let total: f64 = cells.sum();
    let soft: Vec<f64> = (-taps..=taps).map(|i| (-0.5 * (i as f64 / alias_blur).powi(2)).exp()).collect();
    let soft_total: f64 = soft.iter().sum();
    let side = 2 * reach as usize + 1;
    let reflected = |i: isize| Edge::Reflect101.index(i + reach, side) as isize - reach;
    let weight = |y: isize, x: isize| {
        let mut sum = 0.0;
        for (wy, dy) in soft.iter().zip(-taps..=taps) {
            for (wx, dx) in soft.iter().zip(-taps..=taps) {
                sum += wy * wx * inside(reflected(y + dy), reflected(x + dx));
            }
        }
        (sum / (soft_total * soft_total * total)) as f32
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
            let mut total = 0.0;
            for (y, row) in disk.iter().enumerate() {
                for (x, w) in row.iter().enumerate() {
                    let copies = (1 + i32::from(y > 0)) * (1 + i32::from(x > 0));
                    total += f64::from(*w) * f64::from(copies);
                    let transposed = disk.get(x).and_then(|r| r.get(y)).copied().unwrap_or(0.0);
                    assert!((w - transposed).abs() < 1e-8);
                }
            }
            // Softening reflects the published kernel at its border, so a disk that reaches it gains 1 %.
            let expected = if radius < 8.0 { 1.0 } else { 1.010_785_8 };
            assert!((total - expected).abs() < 1e-5, "radius {radius}: {total}");
        }
    }
}

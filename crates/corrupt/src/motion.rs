//! ImageMagick's motion blur: a one-sided Gaussian laid along a line of whole-pixel steps.

use crate::constants::Smear;
use crate::field::{Edge, Field, add_scaled, for_blocks};
use crate::simd::vectorised;

/// Does what `MagickMotionBlurImage(radius, sigma, angle)` does; `angle` is in degrees, clockwise from
/// the x axis. ImageMagick rounds to 16 bits and then drops what 8 bits cannot hold: so does this.
pub(crate) fn motion_blur(field: &Field, smear: Smear, angle: f64) -> Field {
    let taps = 2 * smear.radius + 1;
    let weights: Vec<f64> = (0..taps).map(|i| (-0.5 * (i as f64 / smear.sigma).powi(2)).exp()).collect();
    let total: f64 = weights.iter().sum();
    let (sin, cos) = angle.to_radians().sin_cos();
    // ImageMagick scales the direction by the kernel's width before it normalises: the same up to rounding
    // where a step falls half-way between two pixels, so it is repeated here.
    let (px, py) = (taps as f64 * cos, taps as f64 * sin);
    let step = |i: usize, along: f64| (i as f64 * along / px.hypot(py) - 0.5).ceil() as isize;
    let steps: Vec<[isize; 2]> = (0..taps).map(|i| [step(i, px), step(i, py)]).collect();
    let margin = steps.iter().flatten().map(|step| step.unsigned_abs()).max().unwrap_or(0);
    let padded = field.padded(margin, Edge::Nearest);
    // Where each tap reads, from the first pixel of the padded field on.
    let row = padded.width * field.channels;
    let taps: Vec<(usize, f32)> = steps
        .iter()
        .zip(weights)
        .map(|(&[dx, dy], weight)| {
            let (x, y) = (margin.saturating_add_signed(dx), margin.saturating_add_signed(dy));
            (y * row + x * field.channels, (weight / total) as f32)
        })
        .collect();
    let mut out = Field::zeros(field.width, field.height, field.channels);
    vectorised(
        #[inline(always)]
        || {
            for y in 0..out.height {
                add_taps(out.row_mut(y), &padded.data[y * row..], &taps);
            }
        },
    );
    out
}

#[inline(always)]
fn add_taps(out: &mut [f32], source: &[f32], taps: &[(usize, f32)]) {
    for_blocks(
        out,
        #[inline(always)]
        |sums, start| {
            for &(tap, weight) in taps {
                add_scaled(sums, &source[tap + start..][..sums.len()], weight);
            }
            for sum in sums {
                *sum = (*sum + 1.0 / 514.0).floor();
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_smears_against_the_angle() {
        let mut field = Field::zeros(21, 21, 1);
        field.row_mut(10)[10] = 255.0;
        let right = motion_blur(&field, Smear { radius: 4, sigma: 3.0 }, 0.0);
        assert!(right.row(10)[9] > 30.0 && right.row(10)[11] == 0.0 && right.row(9)[10] == 0.0);
        let down = motion_blur(&field, Smear { radius: 4, sigma: 3.0 }, 90.0);
        assert!(down.row(9)[10] > 30.0 && down.row(11)[10] == 0.0);
    }
}

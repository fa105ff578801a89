//! The matrices of the warps, in the form that Pillow takes: from output to input positions.

use std::f64::consts::PI;

/// The matrix of [`affine`](crate::affine) for torchvision's `F.affine(angle, translate, scale, shear, center)`.
///
/// `degrees` turns clockwise, `shear` (x and y, degrees) leans, `scale` grows and `translate` (x and y, pixels) moves
/// what is seen, in torchvision's order: around `center` (x and y, pixels; the image's middle is half its width and height), sheared first
/// along x, then along y, scaled, turned, and moved last. A scale of 0 gives a matrix that shows nothing.
#[must_use]
pub fn affine_matrix(
    degrees: f64,
    translate: (f64, f64),
    scale: f64,
    shear: (f64, f64),
    center: (f64, f64),
) -> [f64; 6] {
    let [angle, shear_x, shear_y] = [degrees, shear.0, shear.1].map(radians);
    let (cos, sin) = ((angle - shear_y).cos() / shear_y.cos(), (angle - shear_y).sin() / shear_y.cos());
    // What is seen moves by [[cos, along], [sin, down]]; its determinant is 1.
    let along = -(angle - shear_y).cos() * shear_x.tan() / shear_y.cos() - angle.sin();
    let down = -(angle - shear_y).sin() * shear_x.tan() / shear_y.cos() + angle.cos();
    let [a, b, d, e] = [down, -along, -sin, cos].map(|value| value / scale);
    let (x, y) = (-center.0 - translate.0, -center.1 - translate.1);
    [a, b, a * x + b * y + center.0, d, e, d * x + e * y + center.1]
}

/// The matrix of [`affine`](crate::affine) that turns counter-clockwise around `center`, with Pillow's rounding of sine and
/// cosine to 15 places.
#[must_use]
pub fn rotation_matrix(degrees: f64, center: (f64, f64)) -> [f64; 6] {
    let angle = -radians(degrees);
    let (cos, sin) = (to_15_places(angle.cos()), to_15_places(angle.sin()));
    let minus = to_15_places(-angle.sin());
    let (x, y) = (-center.0, -center.1);
    [cos, sin, cos * x + sin * y + 0.0 + center.0, minus, cos, minus * x + cos * y + 0.0 + center.1]
}

/// The matrix that turns an image of `width` x `height` counter-clockwise around its middle, and the sides of the smallest image of whole
/// pixels that holds all of it: Pillow's `expand=True`.
pub(super) fn expanded_rotation(degrees: f64, width: u32, height: u32) -> ([f64; 6], u32, u32) {
    let (wide, high) = (f64::from(width), f64::from(height));
    let [a, b, c, d, e, f] = rotation_matrix(degrees, (wide / 2.0, high / 2.0));
    let at = |x: f64, y: f64| (a * x + b * y + c, d * x + e * y + f);
    // Pillow looks where the output's corners fall in the input, which for a rotation spans as much as the reverse.
    let corners = [(0.0, 0.0), (wide, 0.0), (wide, high), (0.0, high)].map(|(x, y)| at(x, y));
    let span = |coordinate: fn((f64, f64)) -> f64| {
        let values = corners.map(coordinate);
        values.into_iter().fold(f64::MIN, f64::max).ceil()
            - values.into_iter().fold(f64::MAX, f64::min).floor()
    };
    let (grown_wide, grown_high) = (span(|corner| corner.0), span(|corner| corner.1));
    let (x, y) = at(-(grown_wide - wide) / 2.0, -(grown_high - high) / 2.0);
    ([a, b, x, d, e, y], grown_wide as u32, grown_high as u32)
}

/// The coefficients of [`perspective`](crate::perspective) that show the pixels at `start` at `end`: four corners (x, y)
/// each, as torchvision's `F.perspective(startpoints, endpoints)`, and in its single precision.
///
/// `None` when no perspective does, because three corners lie on a line.
#[must_use]
pub fn perspective_coefficients(start: [(f64, f64); 4], end: [(f64, f64); 4]) -> Option<[f64; 8]> {
    let mut rows = [[0.0; 9]; 8];
    for (i, (from, to)) in end.into_iter().zip(start).enumerate() {
        let ((x, y), (u, v)) = (from, to);
        rows[2 * i] = [x, y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y, u];
        rows[2 * i + 1] = [0.0, 0.0, 0.0, x, y, 1.0, -v * x, -v * y, v];
    }
    // As many equations as unknowns: the least squares are the solution. Gauss-Jordan, the largest pivot first.
    let largest = rows.iter().flatten().fold(1.0, |most: f64, value| most.max(value.abs()));
    for column in 0..8 {
        let pivot = (column..8).max_by(|&a, &b| rows[a][column].abs().total_cmp(&rows[b][column].abs()))?;
        rows.swap(column, pivot);
        let divisor = rows[column][column];
        if divisor.is_nan() || divisor.abs() < 1e-12 * largest {
            return None;
        }
        let scaled = rows[column].map(|value| value / divisor);
        for row in &mut rows {
            let factor = row[column];
            row.iter_mut().zip(scaled).for_each(|(value, by)| *value -= factor * by);
        }
        rows[column] = scaled;
    }
    Some(std::array::from_fn(|i| f64::from(rows[i][8] as f32)))
}

fn radians(degrees: f64) -> f64 {
    degrees * (PI / 180.0)
}

/// Rounded as Python's `round(value, 15)`: by the exact decimal expansion.
fn to_15_places(value: f64) -> f64 {
    format!("{value:.15}").parse().unwrap_or(value)
}

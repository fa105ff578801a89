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

fn radians(degrees: f64) -> f64 {
    degrees * (PI / 180.0)
}

/// Rounded as Python's `round(value, 15)`: by the exact decimal expansion.
fn to_15_places(value: f64) -> f64 {
    format!("{value:.15}").parse().unwrap_or(value)
}

//! The two libraries' ways to move an image: Pillow's affine map under torchvision's matrix, and OpenCV's perspective.

use visrep_decode::{Region, RgbImage};

use crate::Error;

/// An affine change about the centre, in the terms of torchvision's `affine`.
#[derive(Clone, Copy)]
pub(super) struct Affine {
    /// Counter-clockwise, in degrees.
    pub(super) angle: f64,
    /// In degrees.
    pub(super) shear: f64,
    pub(super) scale: f64,
}

impl Affine {
    /// The map from output to input coordinates, as torchvision 0.2 had it when the frames were made: the centre lies half a
    /// pixel beyond the middle, and the shear turns the vertical axis.
    fn inverse(self, width: u32, height: u32) -> [[f64; 3]; 2] {
        let (angle, shear) = (self.angle.to_radians(), self.shear.to_radians());
        let center = [f64::from(width) * 0.5 + 0.5, f64::from(height) * 0.5 + 0.5];
        let determinant = (angle + shear).cos() * angle.cos() + (angle + shear).sin() * angle.sin();
        let factor = 1.0 / self.scale / determinant;
        let rows = [[(angle + shear).cos(), (angle + shear).sin()], [-angle.sin(), angle.cos()]];
        [0, 1].map(|axis| {
            let [a, b] = rows[axis].map(|v| factor * v);
            [a, b, a * -center[0] + b * -center[1] + center[axis]]
        })
    }
}

/// The region of `image` moved by `affine` as Pillow does with `BILINEAR`: black outside, truncated to 8 bits.
pub(super) fn affine(image: &RgbImage, affine: Affine, region: Region) -> Result<RgbImage, Error> {
    let [[a, b, c], [d, e, f]] = affine.inverse(image.width(), image.height());
    let (width, height) = (f64::from(image.width()), f64::from(image.height()));
    moved(region, |x, y| {
        let (x, y) = (f64::from(x) + 0.5, f64::from(y) + 0.5);
        let (at_x, at_y) = (a * x + b * y + c, d * x + e * y + f);
        if !(0.0..width).contains(&at_x) || !(0.0..height).contains(&at_y) {
            return [0; 3];
        }
        let (at_x, at_y) = (at_x - 0.5, at_y - 0.5);
        let (left, top) = (at_x.floor(), at_y.floor());
        let (across, down) = (at_x - left, at_y - top);
        let columns = [left, left + 1.0].map(|v| (v.max(0.0) as u32).min(image.width() - 1));
        let rows = [top, top + 1.0].map(|v| (v.max(0.0) as u32).min(image.height() - 1));
        let pixel = |row: usize, column: usize| image.pixel(columns[column], rows[row]).map(f64::from);
        let (p, q, r, s) = (pixel(0, 0), pixel(0, 1), pixel(1, 0), pixel(1, 1));
        std::array::from_fn(|i| {
            let (upper, lower) = (p[i] + (q[i] - p[i]) * across, r[i] + (s[i] - r[i]) * across);
            (upper + (lower - upper) * down) as u8
        })
    })
}

/// The region of `image` moved to the right by `shift` pixels; black where nothing comes from.
pub(super) fn translated(image: &RgbImage, shift: i32, region: Region) -> Result<RgbImage, Error> {
    moved(region, |x, y| match x.checked_add_signed(-shift) {
        Some(x) if x < image.width() => image.pixel(x, y),
        _ => [0; 3],
    })
}

/// The region of `image` turned by `degrees` about both axes of its plane, seen from as far as its diagonal is long, as
/// OpenCV 3's `warpPerspective` gives it: places are rounded to 1/32 of a pixel, and all beyond the image is black.
pub(super) fn tilted(image: &RgbImage, degrees: f64, region: Region) -> Result<RgbImage, Error> {
    let (width, height) = (f64::from(image.width()), f64::from(image.height()));
    let (sin, cos) = degrees.to_radians().sin_cos();
    let distance = width.hypot(height);
    // The plane's coordinates with the centre at the origin; the last row is the homogeneous one, as published.
    let plane = [[1.0, 0.0, -width / 2.0], [0.0, 1.0, -height / 2.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]];
    let about_y = [[cos, 0.0, -sin, 0.0], [0.0, 1.0, 0.0, 0.0], [sin, 0.0, cos, 0.0], [0.0, 0.0, 0.0, 1.0]];
    let about_x = [[1.0, 0.0, 0.0, 0.0], [0.0, cos, -sin, 0.0], [0.0, sin, cos, 0.0], [0.0, 0.0, 0.0, 1.0]];
    let away = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, distance], [0.0, 0.0, 0.0, 1.0]];
    let seen = [[distance, 0.0, width / 2.0, 0.0], [0.0, distance, height / 2.0, 0.0], [0.0, 0.0, 1.0, 0.0]];
    let forward = product(&product(&product(&product(&seen, &away), &about_x), &about_y), &plane);
    let inverse = inverted(forward);
    let (columns, rows) = (i64::from(image.width()), i64::from(image.height()));
    let value = |x: i64, y: i64| {
        let inside = (0..columns).contains(&x) && (0..rows).contains(&y);
        if inside { image.pixel(x as u32, y as u32).map(i64::from) } else { [0; 3] }
    };
    moved(region, |x, y| {
        let at = |row: [f64; 3]| row[0] * f64::from(x) + row[1] * f64::from(y) + row[2];
        let [u, v, w] = inverse.map(at);
        let scale = if w == 0.0 { 0.0 } else { 32.0 / w };
        let [u, v] = [u, v].map(|place| (place * scale).round_ties_even() as i64);
        let (left, top, across, down) = (u >> 5, v >> 5, u & 31, v & 31);
        let corners = [
            (value(left, top), (32 - across) * (32 - down)),
            (value(left + 1, top), across * (32 - down)),
            (value(left, top + 1), (32 - across) * down),
            (value(left + 1, top + 1), across * down),
        ];
        std::array::from_fn(|c| {
            let sum: i64 = corners.iter().map(|(pixel, weight)| pixel[c] * weight).sum();
            ((sum + 512) >> 10) as u8
        })
    })
}

fn product<const N: usize, const K: usize, const M: usize>(
    a: &[[f64; K]; N],
    b: &[[f64; M]; K],
) -> [[f64; M]; N] {
    std::array::from_fn(|i| std::array::from_fn(|j| (0..K).map(|k| a[i][k] * b[k][j]).sum()))
}

/// The inverse by cofactors. The tilts here are far from edge-on, where there is none.
fn inverted(m: [[f64; 3]; 3]) -> [[f64; 3]; 3] {
    let cofactor = |i: usize, j: usize| {
        let (r, s, p, q) = ((i + 1) % 3, (i + 2) % 3, (j + 1) % 3, (j + 2) % 3);
        m[r][p] * m[s][q] - m[r][q] * m[s][p]
    };
    let determinant: f64 = (0..3).map(|j| m[0][j] * cofactor(0, j)).sum();
    std::array::from_fn(|i| std::array::from_fn(|j| cofactor(j, i) / determinant))
}

/// An image of the region's size from the places of its pixels in the whole.
fn moved(region: Region, mut pixel: impl FnMut(u32, u32) -> [u8; 3]) -> Result<RgbImage, Error> {
    Ok(RgbImage::from_fn(region.width, region.height, |x, y| pixel(region.x + x, region.y + y)))
}

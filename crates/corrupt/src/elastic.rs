//! Elastic transform: a random affine map, then a smooth random displacement.

use visrep_decode::RgbImage;

use crate::Error;
use crate::constants::Elastic;
use crate::field::{Edge, Field, gaussian};
use crate::simd::vectorised;
use crate::zoom::bilinear;

/// The smallest side that the three points of the affine map lie apart on.
pub(crate) const MINIMUM_SIDE: u32 = 3;

/// `signed_unit` gives uniforms in [-1, 1) in the order they are used: x and y of the three points, the
/// horizontal displacements row by row, the vertical ones. Sides must be at least [`MINIMUM_SIDE`].
pub(crate) fn elastic(
    image: &RgbImage,
    params: Elastic,
    unit: f64,
    mut signed_unit: impl FnMut() -> f32,
) -> Result<RgbImage, Error> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let jitter = params.jitter * unit;
    let inverse = inverse_affine(width, height, || jitter * f64::from(signed_unit()));
    let moved = warp(&Field::from_rgb(image), inverse);
    let alpha = (params.alpha * unit) as f32;
    let mut displacement = || {
        let mut field = Field::zeros(width, height, 1);
        // The first table for CIFAR has no displacement at all.
        if alpha != 0.0 {
            field.data.fill_with(&mut signed_unit);
            field = gaussian(&field, params.sigma * unit, 3.0, Edge::Reflect);
        }
        field
    };
    let (dx, dy) = (displacement(), displacement());
    let mut out = Field::zeros(width, height, 3);
    let pixels = out.data.as_chunks_mut::<3>().0;
    vectorised(
        #[inline(always)]
        || {
            for y in 0..height {
                let row = &mut pixels[y * width..][..width];
                for ((x, pixel), (dx, dy)) in row.iter_mut().enumerate().zip(dx.row(y).iter().zip(dy.row(y)))
                {
                    *pixel = bilinear(&moved, x as f32 + dx * alpha, y as f32 + dy * alpha, Edge::Reflect);
                }
            }
        },
    );
    out.to_rgb()
}

/// The map from output to input pixels, `[[a, b, c], [d, e, f]]`, that three jittered points define.
///
/// As published, the points are computed as (row, column) and used as (x, y).
fn inverse_affine(width: usize, height: usize, mut jitter: impl FnMut() -> f64) -> [[f64; 3]; 2] {
    let center = [(height / 2) as f64, (width / 2) as f64];
    let side = (width.min(height) / 3) as f64;
    let from = [
        [center[0] + side, center[1] + side],
        [center[0] + side, center[1] - side],
        [center[0] - side, center[1] - side],
    ];
    let to = from.map(|point| point.map(|v| f64::from((v as f32) + jitter() as f32)));
    // from = M * to: swap the roles, and the inverse comes out directly.
    let [p, q, r] = to;
    let determinant = (q[0] - p[0]) * (r[1] - p[1]) - (r[0] - p[0]) * (q[1] - p[1]);
    // Three jittered points in one line have no inverse; OpenCV then maps everything to the origin.
    let scale = if determinant == 0.0 { 0.0 } else { 1.0 / determinant };
    [0, 1].map(|axis| {
        let (u, v, w) = (from[0][axis], from[1][axis], from[2][axis]);
        let a = ((v - u) * (r[1] - p[1]) - (w - u) * (q[1] - p[1])) * scale;
        let b = ((w - u) * (q[0] - p[0]) - (v - u) * (r[0] - p[0])) * scale;
        [a, b, u - a * p[0] - b * p[1]]
    })
}

/// OpenCV's `warpAffine`: linear, reflection about the edge pixels outside.
fn warp(field: &Field, inverse: [[f64; 3]; 2]) -> Field {
    let mut out = Field::zeros(field.width, field.height, 3);
    let [[a, b, c], [d, e, f]] = inverse;
    let pixels = out.data.as_chunks_mut::<3>().0;
    vectorised(
        #[inline(always)]
        || {
            for y in 0..field.height {
                for x in 0..field.width {
                    let (fx, fy) = (x as f64, y as f64);
                    let (sx, sy) = ((a * fx + b * fy + c) as f32, (d * fx + e * fy + f) as f32);
                    pixels[y * field.width + x] = bilinear(field, sx, sy, Edge::Reflect101);
                }
            }
        },
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_jitter_or_displacement_nothing_moves() {
        let image = RgbImage::from_fn(9, 7, |x, y| [(x * 20) as u8, (y * 30) as u8, 7]);
        let params = Elastic { alpha: 0.0, sigma: 0.0, jitter: 0.0 };
        let out = elastic(&image, params, 32.0, || 0.9).unwrap();
        for (a, b) in out.data().iter().zip(image.data()) {
            assert!(a.abs_diff(*b) <= 1);
        }
    }

    #[test]
    fn the_affine_map_takes_the_moved_points_back() {
        let mut draws = [0.5, -0.25, 1.0, 0.75, -1.5, 2.0].into_iter();
        let m = inverse_affine(48, 48, || draws.next().unwrap());
        for (moved, original) in
            [([40.5, 39.75], [40.0, 40.0]), ([41.0, 8.75], [40.0, 8.0]), ([6.5, 10.0], [8.0, 8.0])]
        {
            for axis in 0..2 {
                let found = m[axis][0] * moved[0] + m[axis][1] * moved[1] + m[axis][2];
                assert!((found - original[axis]).abs() < 1e-6, "{found} {}", original[axis]);
            }
        }
    }
}

//! Warps: each output pixel is looked up at a position of the input, as Pillow's `Image.transform` does.
//!
//! Positions are continuous, a pixel's centre lies at its index plus a half; what falls outside the image gets
//! the fill colour. Equal to Pillow 13 to the bit: positions and weights are of double precision, values are cut off, not
//! rounded, and the bicubic kernel has a = -1 (that of `resize` has -0.5).

mod elastic;
mod matrix;
mod nearest;
mod quarters;
mod random;
mod sample;

pub(crate) use elastic::elastic_from_seed;
pub use elastic::{Displacement, ElasticTransform, elastic};
pub use matrix::{affine_matrix, perspective_coefficients, rotation_matrix};
pub use random::{RandomAffine, RandomPerspective, RandomQuarters, RandomRotation};

use crate::Filter;
use crate::flip::turned_around;
use crate::simd::vectorised;
use sample::{Affine, Canvas, Perspective};
use visrep_decode::RgbImage;

/// Moves every pixel by an affine map: Pillow's `Image.transform(image.size, AFFINE, matrix)`.
///
/// `matrix` is `[a, b, c, d, e, f]`: the output position (x, y) shows the input position (a x + b y + c, d x + e y + f), in
/// pixels from the top-left corner. [`affine_matrix`] makes it from an angle, a shift, a scale and shears. There are
/// three interpolations; of the others `Box` means `Nearest`, `Hamming` `Bilinear` and `Lanczos` `Bicubic`.
pub fn affine(image: &RgbImage, matrix: [f64; 6], interpolation: Filter, fill: [u8; 3]) -> RgbImage {
    match interpolation {
        Filter::Nearest | Filter::Box => vectorised(
            #[inline(always)]
            || nearest::affine(image, matrix, fill),
        ),
        _ => sample::interpolate(image, interpolation, Canvas::like(image, fill), &Affine(matrix)),
    }
}

/// Moves every pixel by a perspective map: Pillow's `Image.transform(image.size, PERSPECTIVE, coefficients)`.
///
/// With `coefficients` `[a, b, c, d, e, f, g, h]` the output position (x, y) shows the input position
/// ((a x + b y + c) / w, (d x + e y + f) / w), w = g x + h y + 1. Interpolations are those of [`affine`].
pub fn perspective(
    image: &RgbImage,
    coefficients: [f64; 8],
    interpolation: Filter,
    fill: [u8; 3],
) -> RgbImage {
    let map = Perspective(coefficients);
    match interpolation {
        Filter::Nearest | Filter::Box => vectorised(
            #[inline(always)]
            || nearest::mapped(image, &map, fill),
        ),
        _ => sample::interpolate(image, interpolation, Canvas::like(image, fill), &map),
    }
}

/// Turns the image counter-clockwise around `center` (by default its middle) and keeps its size: Pillow's
/// `Image.rotate(degrees, interpolation, expand=False, center, fillcolor)`, torchvision's `F.rotate` on PIL images.
///
/// Interpolations are those of [`affine`]. Degrees that are no finite number turn nothing.
pub fn rotate(
    image: &RgbImage,
    degrees: f64,
    interpolation: Filter,
    center: Option<(f64, f64)>,
    fill: [u8; 3],
) -> RgbImage {
    let degrees = within_a_turn(degrees);
    let square = image.width() == image.height();
    if center.is_none() {
        // Whole quarters are exact copies, whatever the interpolation.
        match degrees {
            0.0 => return image.clone(),
            180.0 => return rotate_quarters(image, 2),
            90.0 if square => return rotate_quarters(image, 1),
            270.0 if square => return rotate_quarters(image, 3),
            _ => {}
        }
    }
    let middle = (f64::from(image.width()) / 2.0, f64::from(image.height()) / 2.0);
    affine(image, rotation_matrix(degrees, center.unwrap_or(middle)), interpolation, fill)
}

/// Turns the image counter-clockwise around its middle, and grows it so that its corners stay: Pillow's
/// `Image.rotate(degrees, interpolation, expand=True, fillcolor)`.
///
/// `Bicubic` and `Lanczos` are bicubic, the other interpolations bilinear. Degrees that are no finite number turn nothing.
pub fn rotate_expanded(image: &RgbImage, degrees: f64, interpolation: Filter, fill: [u8; 3]) -> RgbImage {
    let turn = within_a_turn(degrees);
    if turn % 90.0 == 0.0 {
        // Whole quarters are exact copies.
        return rotate_quarters(image, (turn / 90.0) as u32);
    }
    let (matrix, width, height) = matrix::expanded_rotation(turn, image.width(), image.height());
    sample::interpolate(image, interpolation, Canvas { width, height, fill }, &Affine(matrix))
}

/// The sides, width and height, that [`rotate_expanded`] gives an image of `width` x `height`.
#[must_use]
pub fn expanded_size(width: u32, height: u32, degrees: f64) -> (u32, u32) {
    match within_a_turn(degrees) {
        0.0 | 180.0 => (width, height),
        90.0 | 270.0 => (height, width),
        turn => {
            let (_, width, height) = matrix::expanded_rotation(turn, width, height);
            (width, height)
        }
    }
}

/// 0 to 360, and 0 for what is no finite number.
fn within_a_turn(degrees: f64) -> f64 {
    if degrees.is_finite() { degrees.rem_euclid(360.0) } else { 0.0 }
}

/// Turns the image counter-clockwise by `quarters` times 90 degrees, without loss; an odd number swaps its sides.
/// RotNet's pretext task (Gidaris et al. 2018) and Pillow's `Image.transpose(ROTATE_90 …)`.
pub fn rotate_quarters(image: &RgbImage, quarters: u32) -> RgbImage {
    match quarters % 4 {
        0 => image.clone(),
        2 => turned_around(image),
        odd => quarters::turned(image, odd == 1),
    }
}

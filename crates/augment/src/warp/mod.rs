//! Warps: each output pixel is looked up at a position of the input, as Pillow's `Image.transform` does.
//!
//! Positions are continuous, a pixel's centre lies at its index plus a half; what falls outside the image gets
//! the fill colour. Equal to Pillow 13 to the bit: positions and weights are of double precision, values are cut off, not
//! rounded, and the bicubic kernel has a = -1 (that of `resize` has -0.5).

mod matrix;
mod nearest;
mod sample;

pub use matrix::{affine_matrix, rotation_matrix};

use crate::Filter;
use crate::simd::vectorised;
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
        Filter::Bilinear | Filter::Hamming => vectorised(
            #[inline(always)]
            || sample::bilinear(image, fill, sample::Affine(matrix)),
        ),
        Filter::Bicubic | Filter::Lanczos => {
            let padded = sample::Padded::new(image);
            vectorised(
                #[inline(always)]
                || sample::bicubic(image, &padded, fill, sample::Affine(matrix)),
            )
        }
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
    let degrees = if degrees.is_finite() { degrees.rem_euclid(360.0) } else { 0.0 };
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

/// Turns the image counter-clockwise by `quarters` times 90 degrees, without loss; an odd number swaps its sides.
/// RotNet's pretext task (Gidaris et al. 2018) and Pillow's `Image.transpose(ROTATE_90 …)`.
pub fn rotate_quarters(image: &RgbImage, quarters: u32) -> RgbImage {
    let (width, height) = (image.width(), image.height());
    match quarters % 4 {
        1 => RgbImage::from_fn(height, width, |x, y| image.pixel(width - 1 - y, x)),
        2 => {
            let mut data = image.data().to_vec();
            data.as_chunks_mut::<3>().0.reverse();
            RgbImage::new(width, height, data).expect("as many bytes as before")
        }
        3 => RgbImage::from_fn(height, width, |x, y| image.pixel(y, height - 1 - x)),
        _ => image.clone(),
    }
}

//! Baseline JPEG as libjpeg writes it, bit for bit: what it does to pixels, and the file.
//!
//! 8-bit, YCbCr 4:2:0, the tables of ITU-T T.81 Annex K scaled by quality, the accurate integer DCT, and
//! triangle up-sampling of the colour: what Pillow's `save(quality=q)` followed by `open` gives. The round trip
//! leaves out the lossless coding, which changes nothing.

mod color;
mod dct;
mod encode;
mod huffman;
mod plane;
mod quantize;
mod sample;

use visrep_decode::RgbImage;

use crate::Error;
use crate::simd::vectorised;
use dct::{Blocks, LANES};
use plane::Plane;
use quantize::Quantizer;

pub use encode::encode_jpeg;

/// Saves at `quality` (1..=100) and opens again, as Pillow with libjpeg-turbo does by default (4:2:0).
///
/// ```
/// use visrep_corrupt::jpeg_round_trip;
/// use visrep_decode::RgbImage;
///
/// let image = RgbImage::from_fn(40, 30, |x, y| [(x * 6) as u8, (y * 8) as u8, 90]);
/// let stored = jpeg_round_trip(&image, 85)?;
/// assert_eq!((stored.width(), stored.height()), (40, 30));
/// # Ok::<(), visrep_corrupt::Error>(())
/// ```
pub fn jpeg_round_trip(image: &RgbImage, quality: u8) -> Result<RgbImage, Error> {
    check(quality)?;
    let width = image.width() as usize;
    let (luma, chroma) = (Quantizer::luma(quality), Quantizer::chroma(quality));
    let mut data = vec![0; image.data().len()];
    vectorised(
        #[inline(always)]
        || {
            let [y, cb, cr] = components(image);
            let [y, cb, cr] = [code(y, &luma), code(cb, &chroma), code(cr, &chroma)];
            let (cb, cr) = (sample::double(&cb), sample::double(&cr));
            color::to_rgb(&mut data, width, [&y, &cb, &cr]);
        },
    );
    Ok(RgbImage::new(image.width(), image.height(), data)?)
}

fn check(quality: u8) -> Result<(), Error> {
    if (1..=100).contains(&quality) { Ok(()) } else { Err(Error::JpegQuality { quality }) }
}

/// Brightness, and both colours at half the size, each extended to whole blocks.
#[inline(always)]
fn components(image: &RgbImage) -> [Plane; 3] {
    let [y, cb, cr] = color::to_ycc(image);
    [y.into_blocks(), sample::halve(&cb), sample::halve(&cr)]
}

/// Transforms, quantises and restores every block.
#[inline(always)]
fn code(mut plane: Plane, quantizer: &Quantizer) -> Plane {
    let mut blocks: Blocks = [[0; LANES]; 64];
    for group in 0..plane.groups() {
        plane.load(group, &mut blocks);
        dct::forward(&mut blocks);
        quantizer.quantize(&mut blocks);
        quantizer.restore(&mut blocks);
        dct::inverse(&mut blocks);
        plane.store(group, &blocks);
    }
    plane
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_grey_survives_any_quality_that_keeps_its_level() {
        let image = RgbImage::filled(17, 9, [128; 3]);
        for quality in [1, 10, 50, 100] {
            assert_eq!(jpeg_round_trip(&image, quality).unwrap(), image);
        }
    }

    #[test]
    fn the_round_trip_is_what_the_file_decodes_to() {
        for (w, h) in [(1, 1), (7, 9), (17, 33), (40, 24), (9, 50)] {
            let image = RgbImage::from_fn(w, h, |x, y| {
                [(x * 29 + y * y) as u8, (x * y * 7) as u8, (200 - x * 3 + y * 5) as u8]
            });
            for quality in [1, 10, 50, 85, 100] {
                let file = encode_jpeg(&image, quality).unwrap();
                let decoded = visrep_decode::decode(&file, &visrep_decode::DecodeOptions::default()).unwrap();
                assert!(decoded == jpeg_round_trip(&image, quality).unwrap(), "{w}x{h} at {quality}");
            }
        }
    }

    #[test]
    fn every_size_works_and_bad_qualities_are_refused() {
        for (w, h) in [(1, 1), (1, 20), (5, 3), (8, 8), (17, 33)] {
            let image = RgbImage::from_fn(w, h, |x, y| [(x * 9) as u8, (y * 7) as u8, 60]);
            let out = jpeg_round_trip(&image, 100).unwrap();
            assert_eq!((out.width(), out.height()), (w, h));
        }
        let image = RgbImage::filled(2, 2, [0; 3]);
        assert!(matches!(jpeg_round_trip(&image, 0), Err(Error::JpegQuality { quality: 0 })));
        assert!(jpeg_round_trip(&image, 101).is_err());
    }
}

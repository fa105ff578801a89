//! What baseline JPEG does to pixels: libjpeg's lossy steps, bit for bit, without the lossless coding.
//!
//! 8-bit, YCbCr 4:2:0, the tables of ITU-T T.81 Annex K scaled by quality, the accurate integer DCT, and
//! triangle up-sampling of the colour: what Pillow's `save(quality=q)` followed by `open` gives.

mod color;
mod dct;
mod quantize;
mod sample;

use visrep_decode::RgbImage;

use crate::Error;
use quantize::Quantizer;

/// One component's samples, rows top to bottom.
#[derive(Clone)]
struct Plane {
    width: usize,
    height: usize,
    data: Vec<u8>,
}

impl Plane {
    fn row(&self, y: usize) -> &[u8] {
        &self.data[y * self.width..][..self.width]
    }

    /// Extends the plane by its last column and row to whole blocks.
    fn padded_to_blocks(&self) -> Plane {
        let (width, height) = (self.width.next_multiple_of(8), self.height.next_multiple_of(8));
        let mut data = Vec::with_capacity(width * height);
        for y in 0..height {
            let row = self.row(y.min(self.height - 1));
            data.extend_from_slice(row);
            data.resize((y + 1) * width, row[self.width - 1]);
        }
        Plane { width, height, data }
    }
}

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
    if !(1..=100).contains(&quality) {
        return Err(Error::JpegQuality { quality });
    }
    let (width, height) = (image.width() as usize, image.height() as usize);
    let [y, cb, cr] = color::to_ycc(image);
    let (luma, chroma) = (Quantizer::luma(quality), Quantizer::chroma(quality));
    let y = code(&y, &luma);
    let [cb, cr] = [cb, cr].map(|plane| {
        let small = sample::halve(&plane);
        // Only the samples that stand for real pixels take part in the enlargement.
        let mut coded = code(&small, &chroma);
        coded.width = width.div_ceil(2);
        coded.height = height.div_ceil(2);
        coded.data = crop(&coded.data, small.width.next_multiple_of(8), coded.width, coded.height);
        sample::double(&coded)
    });
    color::to_rgb(image.width(), image.height(), &y, &cb, &cr)
}

fn crop(data: &[u8], stride: usize, width: usize, height: usize) -> Vec<u8> {
    data.chunks_exact(stride).take(height).flat_map(|row| &row[..width]).copied().collect()
}

/// Transforms, quantises and restores every block of the padded plane.
fn code(plane: &Plane, quantizer: &Quantizer) -> Plane {
    let mut out = plane.padded_to_blocks();
    let stride = out.width;
    for top in (0..out.height).step_by(8) {
        for left in (0..stride).step_by(8) {
            let mut block = [0_i32; 64];
            for (y, row) in block.as_chunks_mut::<8>().0.iter_mut().enumerate() {
                let samples = &out.data[(top + y) * stride + left..][..8];
                for (value, &sample) in row.iter_mut().zip(samples) {
                    *value = i32::from(sample) - 128;
                }
            }
            dct::forward(&mut block);
            quantizer.round_trip(&mut block);
            dct::inverse(&mut block);
            for (y, row) in block.as_chunks::<8>().0.iter().enumerate() {
                let samples = &mut out.data[(top + y) * stride + left..][..8];
                for (sample, &value) in samples.iter_mut().zip(row) {
                    *sample = (value + 128).clamp(0, 255) as u8;
                }
            }
        }
    }
    out
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

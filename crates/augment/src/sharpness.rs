//! Sharpness, by blending with a smoothed image.

use crate::color::blend;
use crate::simd::vectorised;
use visrep_decode::RgbImage;

/// Blends with the image smoothed over 3 x 3 pixels: 0 is smooth, 1 changes nothing, 2 is sharp. As
/// `ImageEnhance.Sharpness`: the weights are 1 around 5, and the outermost pixels stay as they are.
pub fn adjust_sharpness(image: &mut RgbImage, factor: f64) {
    let (stride, rows) = (image.width() as usize * 3, image.height() as usize);
    if rows < 3 || stride < 9 {
        return;
    }
    let factor = factor as f32;
    let source = image.data();
    let mut result = source.to_vec();
    let mut sums = vec![0u16; stride];
    for y in 1..rows - 1 {
        let around = &source[(y - 1) * stride..(y + 2) * stride];
        let to = &mut result[y * stride + 3..(y + 1) * stride - 3];
        vectorised(
            #[inline(always)]
            || sharpen_row(around, stride, &mut sums, to, factor),
        );
    }
    image.data_mut().copy_from_slice(&result);
}

/// Sharpens the middle of three rows but for its first and last pixel; `sums` takes the sums of the columns.
#[inline(always)]
fn sharpen_row(around: &[u8], stride: usize, sums: &mut [u16], to: &mut [u8], factor: f32) {
    let (above, rest) = around.split_at(stride);
    let (here, below) = rest.split_at(stride);
    for (((sum, &a), &h), &b) in sums.iter_mut().zip(above).zip(here).zip(below) {
        *sum = u16::from(a) + u16::from(h) + u16::from(b);
    }
    let inner = to.len();
    let (left, middle, right) = (&sums[..inner], &sums[3..][..inner], &sums[6..][..inner]);
    let here = &here[3..][..inner];
    for i in 0..inner {
        let weighted = left[i] + middle[i] + right[i] + 4 * u16::from(here[i]);
        // A thirteenth, rounded: exact for every sum there is (up to 13 * 255), and never halfway.
        let smooth = ((u32::from(weighted) + 6) * 5042) >> 16;
        to[i] = blend(smooth as f32, f32::from(here[i]), factor);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_multiplication_divides_by_thirteen() {
        for sum in 0..=13 * 255u32 {
            assert_eq!(((sum + 6) * 5042) >> 16, (f64::from(sum) / 13.0).round() as u32, "{sum}");
        }
    }
}

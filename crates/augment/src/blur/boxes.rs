//! Pillow's Gaussian blur: three box filters of fractional width each way (Gwosdek et al., "Theoretical
//! foundations of Gaussian convolution by extended box filtering", SSVM 2011), in its fixed-point arithmetic.

use crate::simd::vectorised;
use visrep_decode::RgbImage;

/// How many values are filtered side by side: 16 pixels of a row, or the 3 channels of 16 rows.
const LANES: usize = 48;

/// How often the box filter runs along each axis.
const PASSES: usize = 3;

type Line = [u8; LANES];

/// Blurs as `ImageFilter.GaussianBlur(radius=sigma)` does, `sigma` in pixels; bit for bit.
///
/// Edges are continued with their own values. A `sigma` that is not above 0 changes nothing; one above
/// 10,000 counts as 10,000.
pub fn pillow_blur(image: &mut RgbImage, sigma: f64) {
    if sigma.is_nan() || sigma <= 0.0 {
        return;
    }
    let filter = BoxFilter::for_sigma(sigma.min(1e4) as f32);
    vectorised(
        #[inline(always)]
        || {
            along_rows(image, &filter);
            along_columns(image, &filter);
        },
    );
}

/// A box of `2 * radius + 1` whole taps and two fractional ones, weights in units of 2^-24.
struct BoxFilter {
    radius: usize,
    whole: u32,
    outer: u32,
}

impl BoxFilter {
    fn for_sigma(sigma: f32) -> Self {
        let variance = sigma * sigma / PASSES as f32;
        let length = (12.0 * f64::from(variance) + 1.0).sqrt() as f32;
        let whole = ((f64::from(length) - 1.0) / 2.0).floor() as f32;
        let part = (2.0 * whole + 1.0) * (whole * (whole + 1.0) - 3.0 * variance)
            / (6.0 * (variance - (whole + 1.0) * (whole + 1.0)));
        let radius = whole + part;
        let taps = radius as u32 * 2 + 1;
        let weight = ((1 << 24) as f32 / (radius * 2.0 + 1.0)) as u32;
        Self {
            radius: radius as usize,
            whole: weight,
            outer: (1u32 << 24).wrapping_sub(taps.wrapping_mul(weight)) / 2,
        }
    }

    /// Filters `lines` along their index into `result`, which is as long.
    #[inline(always)]
    fn pass(&self, lines: &[Line], result: &mut [Line]) {
        let last = lines.len() - 1;
        let radius = self.radius;
        // The sum of the window around line -1: the first line counts for all that lie before it.
        let mut sums = [0u32; LANES];
        add(&mut sums, &lines[0], radius as u32 + 1);
        let inside = radius.min(last + 1);
        for line in &lines[..inside] {
            add(&mut sums, line, 1);
        }
        add(&mut sums, &lines[last], (radius - inside) as u32);
        for (i, result) in result.iter_mut().enumerate() {
            let leaving = &lines[i.saturating_sub(radius + 1)];
            let entering = &lines[(i + radius).min(last)];
            let next = &lines[(i + radius + 1).min(last)];
            for lane in 0..LANES {
                let (left, right) = (u32::from(leaving[lane]), u32::from(next[lane]));
                sums[lane] = sums[lane].wrapping_add(u32::from(entering[lane])).wrapping_sub(left);
                let value =
                    sums[lane].wrapping_mul(self.whole).wrapping_add((left + right).wrapping_mul(self.outer));
                result[lane] = (value.wrapping_add(1 << 23) >> 24) as u8;
            }
        }
    }

    /// Filters `lines` [`PASSES`] times; `spare` is as long.
    #[inline(always)]
    fn passes(&self, lines: &mut Vec<Line>, spare: &mut Vec<Line>) {
        for _ in 0..PASSES {
            self.pass(lines, spare);
            std::mem::swap(lines, spare);
        }
    }
}

#[inline(always)]
fn add(sums: &mut [u32; LANES], line: &Line, times: u32) {
    for lane in 0..LANES {
        sums[lane] += u32::from(line[lane]) * times;
    }
}

/// Filters along x, [`LANES`] / 3 rows at a time, laid out so that a column of them is one line.
#[inline(always)]
fn along_rows(image: &mut RgbImage, filter: &BoxFilter) {
    let width = image.width() as usize;
    let (mut lines, mut spare) = (vec![[0; LANES]; width], vec![[0; LANES]; width]);
    for rows in image.data_mut().chunks_mut(width * LANES) {
        for (row, values) in rows.chunks_exact(width * 3).enumerate() {
            for (line, pixel) in lines.iter_mut().zip(values.as_chunks::<3>().0) {
                line[row * 3..row * 3 + 3].copy_from_slice(pixel);
            }
        }
        filter.passes(&mut lines, &mut spare);
        for (row, values) in rows.chunks_exact_mut(width * 3).enumerate() {
            for (line, pixel) in lines.iter().zip(values.as_chunks_mut::<3>().0) {
                pixel.copy_from_slice(&line[row * 3..row * 3 + 3]);
            }
        }
    }
}

/// Filters along y, [`LANES`] values of each row at a time.
#[inline(always)]
fn along_columns(image: &mut RgbImage, filter: &BoxFilter) {
    let (stride, height) = (image.width() as usize * 3, image.height() as usize);
    let (mut lines, mut spare) = (vec![[0; LANES]; height], vec![[0; LANES]; height]);
    for start in (0..stride).step_by(LANES) {
        let len = LANES.min(stride - start);
        for (line, row) in lines.iter_mut().zip(image.data().chunks_exact(stride)) {
            line[..len].copy_from_slice(&row[start..start + len]);
        }
        filter.passes(&mut lines, &mut spare);
        for (line, row) in lines.iter().zip(image.data_mut().chunks_exact_mut(stride)) {
            row[start..start + len].copy_from_slice(&line[..len]);
        }
    }
}

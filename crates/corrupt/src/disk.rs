//! Convolution with a large softened disk, at a cost that grows with its circumference.
//!
//! From one row to the next, the sum over a disk gains the pixels that its lower rim reaches and loses those that its upper
//! rim leaves: whole numbers, so that nothing adds up. The softening is a separable blur of these sums. What remains
//! are four sides: the published kernel blurs the disk within a square that a large disk touches, where the blur is cut
//! off and reflected.

use visrep_decode::RgbImage;

use crate::Error;
use crate::field::Edge;
use crate::simd::vectorised;

/// A disk and the blur that softens it.
pub(crate) struct Disk {
    /// Half the height of each column from the centre on: its pixels are those within `-half..=half`.
    halves: Vec<usize>,
    /// Weights of the blur from its centre on.
    soft: Vec<f64>,
    /// How far the kernel reaches before it is cut off.
    reach: usize,
    sides: Vec<Side>,
    /// The weight of a pixel within the disk.
    scale: f64,
}

/// What the cut and reflected blur adds to the plain one: a column of the disk at a distance from the centre that is not
/// its own. The same holds on the other side, and for rows.
struct Side {
    column: usize,
    offset: usize,
    weight: f64,
}

impl Disk {
    /// A disk of `radius` pixels blurred by `soft` (centre first) within the square of `reach` pixels about its centre;
    /// its weights sum up to `total`.
    pub(crate) fn new(radius: f64, soft: Vec<f64>, reach: usize, total: f64) -> Self {
        let halves: Vec<usize> =
            (0..=radius as usize).map(|x| (radius * radius - (x * x) as f64).sqrt() as usize).collect();
        let taps = soft.len() - 1;
        let mut sides = Vec::new();
        for column in reach - taps..halves.len() {
            for offset in reach - taps..=reach + taps {
                let plain = soft.get(column.abs_diff(offset)).copied().unwrap_or(0.0);
                let reflected = |tap: isize| {
                    let at = Edge::Reflect101.index((offset + reach) as isize + tap, 2 * reach + 1);
                    if at == column + reach { soft[tap.unsigned_abs()] } else { 0.0 }
                };
                let within = (-(taps as isize)..=taps as isize).map(reflected).sum();
                let weight = if offset <= reach { within } else { 0.0 } - plain;
                if weight != 0.0 {
                    sides.push(Side { column, offset, weight });
                }
            }
        }
        let pixels: usize =
            halves.iter().enumerate().map(|(x, half)| (2 * half + 1) * (1 + usize::from(x > 0))).sum();
        let added: f64 =
            sides.iter().map(|side| 4.0 * side.weight * (2 * halves[side.column] + 1) as f64).sum();
        Self { halves, soft, reach, sides, scale: total / (pixels as f64 + added) }
    }

    /// The image under the disk, truncated to 8 bits; outside it, reflection about the edge pixels.
    pub(crate) fn convolve(&self, image: &RgbImage) -> Result<RgbImage, Error> {
        let mut data = vec![0; image.data().len()];
        vectorised(
            #[inline(always)]
            || self.convolve_rows(image, &mut data),
        );
        Ok(RgbImage::new(image.width(), image.height(), data)?)
    }

    #[inline(always)]
    fn convolve_rows(&self, image: &RgbImage, out: &mut [u8]) {
        let taps = self.soft.len() - 1;
        let (len, height) = (image.width() as usize * 3, image.height() as usize);
        let source = Padded::new(image, self.reach + taps);
        // Sums over the disk, from `taps` pixels before the image on, and over the columns of `sides`.
        let wide = (len + 6 * taps).next_multiple_of(BLOCK);
        let (mut disk, mut flat) = (vec![0_i32; wide], vec![0.0; wide]);
        let mut columns: Vec<Vec<i32>> = self.sides.iter().map(|_| vec![0; source.stride]).collect();
        // The last rows, blurred sideways.
        let mut rows = vec![vec![0.0; len]; 2 * taps + 1];
        let mut sums = vec![0.0; len];
        for step in 0..height + 2 * taps {
            let y = step as isize - taps as isize;
            let row = &mut rows[step % (2 * taps + 1)];
            self.next_disk(&source, y, step == 0, &mut disk);
            row.fill(0.0);
            self.add_blurred(&disk, row);
            for (side, sums) in self.sides.iter().zip(&mut columns) {
                next_column(&source, y, self.halves[side.column], step == 0, sums);
                let left = &sums[3 * (source.margin - side.offset)..][..len];
                let right = &sums[3 * (source.margin + side.offset)..][..len];
                for ((value, &a), &b) in row.iter_mut().zip(left).zip(right) {
                    *value += side.weight * f64::from(a + b);
                }
            }
            let Some(y) = step.checked_sub(2 * taps) else { continue };
            sums.fill(0.0);
            for i in 0..=2 * taps {
                let weight = self.soft[i.abs_diff(taps)];
                for (sum, value) in sums.iter_mut().zip(&rows[(y + i) % (2 * taps + 1)]) {
                    *sum += weight * value;
                }
            }
            if !self.sides.is_empty() {
                self.above_and_below(&source, y as isize, &mut flat);
                self.add_blurred(&flat, &mut sums);
            }
            for (value, &sum) in out[y * len..][..len].iter_mut().zip(&sums) {
                *value = truncate(sum * self.scale);
            }
        }
    }

    /// The sums over the disk about row `y`, from those about the row before.
    #[inline(always)]
    fn next_disk(&self, source: &Padded, y: isize, first: bool, sums: &mut [i32]) {
        let radius = self.halves.len() - 1;
        let left = 3 * (source.margin + 1 - self.soft.len() - radius);
        let half = |x: usize| self.halves[x.abs_diff(radius)] as isize;
        if first {
            for x in 0..=2 * radius {
                for row in y - half(x)..=y + half(x) {
                    for (sum, &pixel) in sums.iter_mut().zip(&source.row(row)[left + 3 * x..]) {
                        *sum += i32::from(pixel);
                    }
                }
            }
            return;
        }
        for (i, sums) in sums.as_chunks_mut::<BLOCK>().0.iter_mut().enumerate() {
            // 16 bits are enough for one row's difference.
            let mut change = [0_i16; BLOCK];
            for x in 0..=2 * radius {
                let at = left + 3 * x + i * BLOCK;
                let gained = &source.row(y + half(x))[at..][..BLOCK];
                let lost = &source.row(y - 1 - half(x))[at..][..BLOCK];
                for ((change, &gained), &lost) in change.iter_mut().zip(gained).zip(lost) {
                    *change += i16::from(gained) - i16::from(lost);
                }
            }
            for (sum, change) in sums.iter_mut().zip(change) {
                *sum += i32::from(change);
            }
        }
    }

    /// What the rows of `sides` add to row `y`, before it is blurred sideways.
    #[inline(always)]
    fn above_and_below(&self, source: &Padded, y: isize, sums: &mut [f64]) {
        for (i, sums) in sums.as_chunks_mut::<BLOCK>().0.iter_mut().enumerate() {
            *sums = [0.0; BLOCK];
            for side in &self.sides {
                let half = self.halves[side.column];
                let left = 3 * (source.margin + 1 - self.soft.len() - half) + i * BLOCK;
                let rows = [y - side.offset as isize, y + side.offset as isize].map(|y| source.row(y));
                let mut run = [0_i16; BLOCK];
                for x in 0..=2 * half {
                    for row in rows {
                        for (sum, &pixel) in run.iter_mut().zip(&row[left + 3 * x..][..BLOCK]) {
                            *sum += i16::from(pixel);
                        }
                    }
                }
                for (sum, run) in sums.iter_mut().zip(run) {
                    *sum += side.weight * f64::from(run);
                }
            }
        }
    }

    /// Adds `values`, blurred sideways, to `sums`, which begin later by the reach of the blur.
    #[inline(always)]
    fn add_blurred<T: Copy + std::ops::Add<Output = T>>(&self, values: &[T], sums: &mut [f64])
    where
        f64: From<T>,
    {
        let taps = self.soft.len() - 1;
        let len = sums.len();
        for (sum, &value) in sums.iter_mut().zip(&values[3 * taps..][..len]) {
            *sum += self.soft[0] * f64::from(value);
        }
        for (tap, &weight) in self.soft.iter().enumerate().skip(1) {
            let (left, right) = (&values[3 * (taps - tap)..][..len], &values[3 * (taps + tap)..][..len]);
            for ((sum, &a), &b) in sums.iter_mut().zip(left).zip(right) {
                *sum += weight * f64::from(a + b);
            }
        }
    }
}

/// The sums over columns of `2 * half + 1` pixels about row `y`, from those about the row before.
#[inline(always)]
fn next_column(source: &Padded, y: isize, half: usize, first: bool, sums: &mut [i32]) {
    let half = half as isize;
    if first {
        for row in y - half..=y + half {
            for (sum, &pixel) in sums.iter_mut().zip(source.row(row)) {
                *sum += i32::from(pixel);
            }
        }
        return;
    }
    let (gained, lost) = (source.row(y + half), source.row(y - 1 - half));
    for ((sum, &gained), &lost) in sums.iter_mut().zip(gained).zip(lost) {
        *sum += i32::from(gained) - i32::from(lost);
    }
}

/// How many sums stay in registers while the pixels go by.
const BLOCK: usize = 96;

/// An image with a reflected margin, and room behind each row for a last, incomplete block.
struct Padded {
    margin: usize,
    stride: usize,
    data: Vec<u8>,
}

impl Padded {
    fn new(image: &RgbImage, margin: usize) -> Self {
        let (width, height) = (image.width() as usize, image.height() as usize);
        let at = |i: usize, len: usize| Edge::Reflect101.index(i as isize - margin as isize, len);
        let stride = 3 * (width + 2 * margin) + BLOCK;
        let mut data = vec![0; stride * (height + 2 * margin)];
        for (y, row) in data.chunks_exact_mut(stride).enumerate() {
            let source = image.row(at(y, height) as u32).as_chunks::<3>().0;
            let pixels = row.as_chunks_mut::<3>().0;
            pixels[margin..][..width].copy_from_slice(source);
            for x in (0..margin).chain(margin + width..2 * margin + width) {
                pixels[x] = source[at(x, width)];
            }
        }
        Self { margin, stride, data }
    }

    /// Row `y` of the image, from the margin on.
    #[inline(always)]
    fn row(&self, y: isize) -> &[u8] {
        &self.data[(y + self.margin as isize) as usize * self.stride..][..self.stride]
    }
}

/// Clips a number of at least 0 and drops its fraction.
#[inline(always)]
fn truncate(value: f64) -> u8 {
    // From 2^52 on, neighbouring numbers differ by 1, and the low bits count them.
    const ONES: f64 = 4_503_599_627_370_496.0;
    let value = if value < 255.0 { value } else { 255.0 };
    let nearest = value + ONES;
    (nearest.to_bits() as u8).wrapping_sub(u8::from(nearest - ONES > value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncation_is_what_the_cast_does() {
        for i in 0..30_000 {
            let value = f64::from(i) * 0.01;
            for value in [value, value.next_up(), value.next_down().max(0.0), value.round()] {
                assert_eq!(truncate(value), value as u8, "{value}");
            }
        }
    }
}

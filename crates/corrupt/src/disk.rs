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
    /// The weights of the blur from its centre on: two or three.
    soft: Vec<f64>,
    /// How far the kernel reaches before it is cut off.
    reach: usize,
    /// The columns that take part in `sides`.
    columns: Vec<usize>,
    sides: Vec<Side>,
    /// The weight of a pixel within the disk.
    scale: f64,
}

/// What the cut and reflected blur adds to the plain one: columns of the disk at distances from the centre that are not
/// their own. The same holds on the other side, and for rows.
struct Side {
    weight: f64,
    parts: Vec<Part>,
}

/// One of [`Disk::columns`], by its place there, added or taken off at a distance from the centre.
struct Part {
    column: usize,
    offset: usize,
    added: bool,
}

impl Disk {
    /// A disk of `radius` pixels blurred by `soft` (its two or three weights, centre first) within the square of `reach` pixels about its centre;
    /// its weights sum up to `total`.
    pub(crate) fn new(radius: f64, soft: Vec<f64>, reach: usize, total: f64) -> Self {
        let halves: Vec<usize> =
            (0..=radius as usize).map(|x| (radius * radius - (x * x) as f64).sqrt() as usize).collect();
        let taps = soft.len() - 1;
        let columns: Vec<usize> = (reach - taps..halves.len()).collect();
        let mut sides: Vec<Side> = Vec::new();
        for (column, &own) in columns.iter().enumerate() {
            for offset in reach - taps..=reach + taps {
                let plain = soft.get(own.abs_diff(offset)).copied().unwrap_or(0.0);
                let reflected = |tap: isize| {
                    let at = Edge::Reflect101.index((offset + reach) as isize + tap, 2 * reach + 1);
                    if at == own + reach { soft[tap.unsigned_abs()] } else { 0.0 }
                };
                let within = (-(taps as isize)..=taps as isize).map(reflected).sum();
                let weight = if offset <= reach { within } else { 0.0 } - plain;
                let part = Part { column, offset, added: weight > 0.0 };
                match sides.iter_mut().find(|side| (side.weight - weight.abs()).abs() < 1e-12) {
                    _ if weight == 0.0 => {}
                    Some(side) => side.parts.push(part),
                    None => sides.push(Side { weight: weight.abs(), parts: vec![part] }),
                }
            }
        }
        let pixels: usize =
            halves.iter().enumerate().map(|(x, half)| (2 * half + 1) * (1 + usize::from(x > 0))).sum();
        let added: f64 = sides
            .iter()
            .flat_map(|side| {
                side.parts
                    .iter()
                    .map(|part| if part.added { side.weight } else { -side.weight })
                    .zip(&side.parts)
            })
            .map(|(weight, part)| 4.0 * weight * (2 * halves[columns[part.column]] + 1) as f64)
            .sum();
        Self { halves, soft, reach, columns, sides, scale: total / (pixels as f64 + added) }
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
        let mut columns: Vec<Vec<i16>> = self.columns.iter().map(|_| vec![0; source.stride]).collect();
        let mut runs: Vec<Runs> =
            self.columns.iter().map(|_| Runs::new(2 * source.margin + 1, wide)).collect();
        let mut parts = vec![0_i16; wide];
        // The last rows, blurred sideways.
        let mut rows = vec![vec![0.0; len]; 2 * taps + 1];
        let mut sums = vec![0.0; len];
        for step in 0..height + 2 * taps {
            let y = step as isize - taps as isize;
            let row = &mut rows[step % (2 * taps + 1)];
            self.next_disk(&source, y, step == 0, &mut disk);
            row.fill(0.0);
            self.add_blurred(&disk, row);
            for (&column, sums) in self.columns.iter().zip(&mut columns) {
                next_column(&source, y, self.halves[column], step == 0, sums);
            }
            self.add_sides(
                row,
                &mut parts[..len],
                #[inline(always)]
                |column, offset| &columns[column][3 * (source.margin as isize + offset) as usize..][..len],
            );
            let Some(y) = step.checked_sub(2 * taps) else { continue };
            sums.fill(0.0);
            self.add_softened(
                &mut sums,
                #[inline(always)]
                |tap| &rows[(y + taps).saturating_add_signed(tap) % (2 * taps + 1)],
            );
            if !self.sides.is_empty() {
                for (&column, runs) in self.columns.iter().zip(&mut runs) {
                    runs.advance(&source, y as isize, self.halves[column], self.soft.len() - 1);
                }
                flat.fill(0.0);
                self.add_sides(
                    &mut flat,
                    &mut parts,
                    #[inline(always)]
                    |column, offset| runs[column].row(y as isize + offset),
                );
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

    /// Adds `sides` to `sums`; `sums_of(column, offset)` are the sums over one of the columns (or rows), `offset` pixels away.
    #[inline(always)]
    fn add_sides<'a>(
        &self,
        sums: &mut [f64],
        scratch: &mut [i16],
        sums_of: impl Fn(usize, isize) -> &'a [i16],
    ) {
        for side in &self.sides {
            scratch.fill(0);
            for part in &side.parts {
                let offset = part.offset as isize;
                let (near, far) = (sums_of(part.column, -offset), sums_of(part.column, offset));
                for ((sum, &a), &b) in scratch.iter_mut().zip(near).zip(far) {
                    *sum += if part.added { a + b } else { -a - b };
                }
            }
            for (sum, &parts) in sums.iter_mut().zip(&*scratch) {
                *sum += side.weight * f64::from(parts);
            }
        }
    }

    /// Adds `values`, blurred sideways, to `sums`, which begin later by the reach of the blur.
    #[inline(always)]
    fn add_blurred<T: Copy + std::ops::Add<Output = T>>(&self, values: &[T], sums: &mut [f64])
    where
        f64: From<T>,
    {
        let (taps, len) = (self.soft.len() - 1, sums.len());
        self.add_softened(
            sums,
            #[inline(always)]
            |tap| &values[3 * taps.saturating_add_signed(tap)..][..len],
        );
    }

    /// Adds `values(tap)`, weighted for each tap of the blur, to `sums`.
    #[inline(always)]
    fn add_softened<'a, T>(&self, sums: &mut [f64], values: impl Fn(isize) -> &'a [T])
    where
        T: Copy + std::ops::Add<Output = T> + 'a,
        f64: From<T>,
    {
        let len = sums.len();
        let [a, b, c] = [-1, 0, 1].map(|tap| &values(tap)[..len]);
        let (own, next) = (self.soft[0], self.soft[1]);
        if let Some(last) = self.soft.get(2) {
            let [d, e] = [-2, 2].map(|tap| &values(tap)[..len]);
            for i in 0..len {
                let near = own * f64::from(b[i]) + next * f64::from(a[i] + c[i]);
                sums[i] += near + last * f64::from(d[i] + e[i]);
            }
        } else {
            for i in 0..len {
                sums[i] += own * f64::from(b[i]) + next * f64::from(a[i] + c[i]);
            }
        }
    }
}

/// The sums over columns of `2 * half + 1` pixels about row `y`, from those about the row before.
#[inline(always)]
fn next_column(source: &Padded, y: isize, half: usize, first: bool, sums: &mut [i16]) {
    let half = half as isize;
    if first {
        for row in y - half..=y + half {
            for (sum, &pixel) in sums.iter_mut().zip(source.row(row)) {
                *sum += i16::from(pixel);
            }
        }
        return;
    }
    let (gained, lost) = (source.row(y + half), source.row(y - 1 - half));
    for ((sum, &gained), &lost) in sums.iter_mut().zip(gained).zip(lost) {
        *sum += i16::from(gained) - i16::from(lost);
    }
}

/// The sums over parts of the last rows, each row's in the place of one that is not needed any more.
struct Runs {
    rows: Vec<Vec<i16>>,
    /// How many rows there have been, the first in the upper margin.
    done: usize,
}

impl Runs {
    fn new(count: usize, wide: usize) -> Self {
        Self { rows: vec![vec![0; wide]; count], done: 0 }
    }

    /// Continues to all rows that are no further from row `y` than the margin: sums over `2 * half + 1` pixels, from
    /// `taps` pixels before the image on.
    #[inline(always)]
    fn advance(&mut self, source: &Padded, y: isize, half: usize, taps: usize) {
        let left = 3 * (source.margin - taps - half);
        while self.done as isize <= y + 2 * source.margin as isize {
            let count = self.rows.len();
            let pixels = &source.data[self.done * source.stride..][..source.stride];
            for (i, sums) in self.rows[self.done % count].as_chunks_mut::<BLOCK>().0.iter_mut().enumerate() {
                let mut run = [0; BLOCK];
                for x in 0..=2 * half {
                    for (sum, &pixel) in run.iter_mut().zip(&pixels[left + 3 * x + i * BLOCK..][..BLOCK]) {
                        *sum += i16::from(pixel);
                    }
                }
                *sums = run;
            }
            self.done += 1;
        }
    }

    /// Those of row `y` of the image.
    #[inline(always)]
    fn row(&self, y: isize) -> &[i16] {
        let count = self.rows.len();
        // The margin is half of what is kept.
        &self.rows[(y + (count / 2) as isize) as usize % count]
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

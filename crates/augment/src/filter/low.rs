//! A band of few, low frequencies, without a transform of all the others: FreqAug's removes 21 of 50,176 terms.

use super::{Band, Complex};
use crate::simd::vectorised;
use std::f64::consts::TAU;
use visrep_decode::RgbImage;

/// The most frequencies of an axis, zero and up, for which this is faster than the whole transform.
const MOST: usize = 12;

/// The terms of a band among the lowest frequencies of both axes.
pub(super) struct LowBand {
    width: usize,
    height: usize,
    /// How many frequencies there are along x and along y, from zero up.
    columns: usize,
    rows: usize,
    band: Band,
}

impl LowBand {
    /// `None` where there are too many of them, or one that is its own negative.
    pub(super) fn new(width: usize, height: usize, band: Band) -> Option<Self> {
        let count =
            |len: usize| (0..len).take_while(|&k| (k as f64 / len as f64) < band.high).take(MOST + 1).count();
        let (columns, rows) = (count(width), count(height));
        let usable = |count: usize, len: usize| (1..=MOST).contains(&count) && 2 * count <= len + 1;
        (usable(columns, width) && usable(rows, height)).then_some(Self {
            width,
            height,
            columns,
            rows,
            band,
        })
    }

    /// Takes the band's share away from the image, or leaves nothing else, and adds `level`.
    pub(super) fn filter(&self, image: &mut RgbImage, remove: bool, level: f32) {
        let stride = self.width * 3;
        let terms: Vec<Vec<Complex<f32>>> =
            self.along_y(image).into_iter().enumerate().map(|(ky, sums)| self.along_x(ky, &sums)).collect();
        // Frequencies along y have their negatives, whose terms are the conjugates of theirs.
        let parts: Vec<(Vec<f32>, Vec<f32>)> =
            terms.iter().map(|term| term.iter().map(|value| (value.re, value.im)).unzip()).collect();
        let waves: Vec<Vec<(f32, f32)>> = (0..self.rows).map(|k| wave(k, self.height)).collect();
        let (sign, own) = if remove { (-1.0, 1.0) } else { (1.0, 0.0) };
        let mut share = vec![0.0f32; stride];
        vectorised(
            #[inline(always)]
            || {
                for (y, row) in image.data_mut().chunks_exact_mut(stride).enumerate() {
                    share.copy_from_slice(&parts[0].0);
                    for ((re, im), wave) in parts.iter().zip(&waves).skip(1) {
                        let (cos, sin) = (2.0 * wave[y].0, 2.0 * wave[y].1);
                        for ((sum, re), im) in share.iter_mut().zip(re).zip(im) {
                            *sum += re * cos - im * sin;
                        }
                    }
                    for (value, share) in row.iter_mut().zip(&share) {
                        let result = own * f32::from(*value) + sign * share + level + 0.5;
                        *value = (result.clamp(0.0, 255.0).floor() + (1 << 23) as f32).to_bits() as u8;
                    }
                }
            },
        );
    }

    /// For each frequency along y the sums of all columns, of the three channels in turn.
    fn along_y(&self, image: &RgbImage) -> Vec<Vec<Complex<f32>>> {
        let stride = self.width * 3;
        let waves: Vec<Vec<(f32, f32)>> = (0..self.rows).map(|k| wave(k, self.height)).collect();
        let mut sums = vec![(vec![0.0f32; stride], vec![0.0f32; stride]); self.rows];
        let mut values = vec![0.0f32; stride];
        vectorised(
            #[inline(always)]
            || {
                for (y, row) in image.data().chunks_exact(stride).enumerate() {
                    for (value, &byte) in values.iter_mut().zip(row) {
                        *value = f32::from(byte);
                    }
                    for ((re, im), wave) in sums.iter_mut().zip(&waves) {
                        let (cos, sin) = wave[y];
                        for ((re, im), value) in re.iter_mut().zip(im).zip(&values) {
                            *re += value * cos;
                            *im -= value * sin;
                        }
                    }
                }
            },
        );
        let together = |(re, im): (Vec<f32>, Vec<f32>)| {
            re.into_iter().zip(im).map(|(re, im)| Complex::new(re, im)).collect()
        };
        sums.into_iter().map(together).collect()
    }

    /// The band's terms of one frequency along y, back in places along x, divided by the number of pixels.
    fn along_x(&self, ky: usize, sums: &[Complex<f32>]) -> Vec<Complex<f32>> {
        let mut result = vec![Complex::new(0.0, 0.0); sums.len()];
        let scale = 1.0 / (self.width * self.height) as f32;
        for kx in 0..self.columns {
            let frequency = (kx as f64 / self.width as f64).hypot(ky as f64 / self.height as f64);
            if !self.band.holds(frequency) {
                continue;
            }
            let wave = wave(kx, self.width);
            // Of zero there is no negative.
            for sign in if kx == 0 { &[1.0][..] } else { &[1.0, -1.0] } {
                let turn = |x: usize| Complex::new(wave[x].0, sign * wave[x].1);
                for channel in 0..3 {
                    let values = sums.iter().skip(channel).step_by(3).enumerate();
                    let term: Complex<f32> = values.map(|(x, value)| value * turn(x).conj()).sum();
                    for (x, value) in result.iter_mut().skip(channel).step_by(3).enumerate() {
                        *value += term * turn(x) * scale;
                    }
                }
            }
        }
        result
    }
}

/// Cosine and sine of frequency `k` at each of `len` places.
fn wave(k: usize, len: usize) -> Vec<(f32, f32)> {
    let angle = |i: usize| (k * i % len) as f64 / len as f64 * TAU;
    (0..len).map(|i| (angle(i).cos() as f32, angle(i).sin() as f32)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frequency_filter;

    #[test]
    fn few_terms_give_what_the_whole_transform_does() {
        // No channel's mean is a whole number or a half, where any difference would decide about the rounding.
        let image = RgbImage::from_fn(60, 45, |x, y| {
            [(x * x + 3 * y) as u8, (y * y * 5 + x) as u8, (x * y / 3) as u8]
        });
        for (low, high) in [(0.0, 0.01), (0.0, 0.1), (0.05, 0.15), (0.02, 0.03)] {
            for remove in [true, false] {
                let band = Band { low, high, remove };
                assert!(LowBand::new(60, 45, band).is_some());
                let mut few = image.clone();
                frequency_filter(&mut few, band);
                let mut all = image.clone();
                let level = if (low > 0.0) == remove { 0.0 } else { 127.5 };
                super::super::frequency::whole_transform(&mut all, band, level);
                let worst = few.data().iter().zip(all.data()).map(|(a, b)| a.abs_diff(*b)).max();
                assert!(worst <= Some(1), "{band:?}: {worst:?}");
                let unequal = few.data().iter().zip(all.data()).filter(|(a, b)| a != b).count();
                assert!(unequal * 200 < all.data().len(), "{band:?}: {unequal} values differ");
            }
        }
        assert!(LowBand::new(60, 45, Band::low_pass(0.5)).is_none());
        assert!(LowBand::new(2, 1, Band::low_pass(0.7)).is_none());
    }
}

//! FreqAug: views that lack a band of spatial frequencies.

use super::low::LowBand;
use super::{Complex, Fourier, frequencies};
use crate::error::{check_range, check_within};
use crate::{Error, Op, Rng, Transform, View};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use visrep_decode::RgbImage;

/// A ring of spatial frequencies, by their distance from zero in cycles per pixel: 0 to about 0.71.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// The lowest frequency of the band.
    pub low: f64,
    /// The first frequency above it.
    pub high: f64,
    /// Whether the band is what is removed, or what is kept.
    pub remove: bool,
}

impl Band {
    /// Everything from `cutoff` up is kept: FreqAug's filter.
    #[must_use]
    pub fn high_pass(cutoff: f64) -> Self {
        Self { low: 0.0, high: cutoff, remove: true }
    }

    /// Everything below `cutoff` is kept.
    #[must_use]
    pub fn low_pass(cutoff: f64) -> Self {
        Self { low: 0.0, high: cutoff, remove: false }
    }

    fn keeps(&self, frequency: f64) -> bool {
        self.holds(frequency) != self.remove
    }

    /// Whether a frequency lies within the band.
    pub(super) fn holds(&self, frequency: f64) -> bool {
        self.low <= frequency && frequency < self.high
    }
}

/// Keeps or removes a band of spatial frequencies, in each channel by itself, through the Fourier transform.
///
/// Where the mean goes with the band, values lie around zero and 127.5 is added to them, so that 8 bits can hold
/// them: after normalisation with mean 0.5 that is what the paper's float images are. Values are rounded and held
/// within 0..=255.
pub fn frequency_filter(image: &mut RgbImage, band: Band) {
    let level = if band.keeps(0.0) { 0.0 } else { 127.5 };
    match LowBand::new(image.width() as usize, image.height() as usize, band) {
        Some(low) => low.filter(image, band.remove, level),
        None => whole_transform(image, band, level),
    }
}

/// By way of all frequencies.
pub(super) fn whole_transform(image: &mut RgbImage, band: Band, level: f32) {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let fourier = Fourier::<f32>::new(width, height);
    let pixels = image.data().as_chunks::<3>().0;
    // A frequency and its negative are as far from zero, so that half of either axis tells all.
    let half: Vec<Vec<bool>> = frequencies(width)
        .take(width / 2 + 1)
        .map(|x| frequencies(height).take(height / 2 + 1).map(|y| band.keeps(x.hypot(y))).collect())
        .collect();
    let keeps = |x: usize, y: usize| half[x.min(width - x)][y.min(height - y)];
    // The filter is even, so its kernel is real: two channels go through it as the parts of one complex image.
    let filtered = |first: usize, second: Option<usize>| {
        let part = |channel: usize, pixel: &[u8; 3]| f32::from(pixel[channel]);
        let values =
            pixels.iter().map(|p| Complex::new(part(first, p), second.map_or(0.0, |second| part(second, p))));
        let mut spectrum = fourier.forward(values.collect());
        for (x, column) in spectrum.chunks_exact_mut(height).enumerate() {
            for (y, term) in column.iter_mut().enumerate() {
                if !keeps(x, y) {
                    *term = Complex::new(0.0, 0.0);
                }
            }
        }
        fourier.inverse(spectrum)
    };
    let (red_green, blue) = (filtered(0, Some(1)), filtered(2, None));
    let scale = 1.0 / (width * height) as f32;
    let byte = |value: f32| (value * scale + level + 0.5) as u8;
    for ((pixel, first), third) in
        image.data_mut().as_chunks_mut::<3>().0.iter_mut().zip(&red_green).zip(&blue)
    {
        *pixel = [byte(first.re), byte(first.im), byte(third.re)];
    }
}

/// FreqAug (Kim et al. 2022) for single images: with a probability, a view without its low spatial frequencies, or with
/// another band kept or removed; see [`frequency_filter`].
#[derive(Clone, Debug, PartialEq)]
pub struct FreqAug {
    low: RangeInclusive<f64>,
    high: RangeInclusive<f64>,
    remove: bool,
    p: f64,
}

impl FreqAug {
    /// The paper's spatial filter: frequencies below `cutoff`, in cycles per pixel, are removed with probability `p`;
    /// 0.01 and 0.5 are what it settles on. Errs unless `cutoff` is within 0..=0.75 and `p` within 0..=1.
    pub fn new(cutoff: f64, p: f64) -> Result<Self, Error> {
        check_within("FreqAug cutoff", cutoff, 0.0..=0.75)?;
        Self::band(0.0..=0.0, cutoff..=cutoff, true, p)
    }

    /// The band's edges are drawn from `low` and `high`, both within 0..=0.75, and the band is kept, or with `remove`
    /// removed, with probability `p`.
    pub fn band(
        low: RangeInclusive<f64>,
        high: RangeInclusive<f64>,
        remove: bool,
        p: f64,
    ) -> Result<Self, Error> {
        check_range("FreqAug low edge", &low, 0.0..=0.75)?;
        check_range("FreqAug high edge", &high, 0.0..=0.75)?;
        check_within("FreqAug p", p, 0.0..=1.0)?;
        Ok(Self { low, high, remove, p })
    }
}

impl Transform for FreqAug {
    fn draw(&self, view: &mut View, rng: &mut Rng) {
        if rng.random_bool(self.p) {
            let low = rng.random_range(self.low.clone());
            let high = rng.random_range(self.high.clone());
            view.push(Op::FrequencyFilter { band: Band { low, high, remove: self.remove } });
        }
    }
}

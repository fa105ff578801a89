//! Erasing a box of an image.

use super::normal::DiscreteNormal;
use crate::Rng;
use rand::SeedableRng as _;
use serde::{Deserialize, Serialize};
use visrep_decode::{Region, RgbImage};

/// What an erased box is filled with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EraseFill {
    /// One colour.
    Color([u8; 3]),
    /// Every value of every pixel from a normal distribution, rounded and held within 0..=255.
    Noise {
        /// The mean of red, green and blue, on the scale 0 to 1.
        mean: [f64; 3],
        /// Their standard deviations, on the same scale.
        std: [f64; 3],
        /// What the pixels follow from.
        seed: u64,
    },
}

/// Fills `region`, or what of it lies in the image: `torchvision.transforms.v2.functional.erase`.
pub fn erase(image: &mut RgbImage, region: Region, fill: EraseFill) {
    let (width, height) = (image.width(), image.height());
    let columns = region.x.min(width) as usize..region.x.saturating_add(region.width).min(width) as usize;
    let rows = region.y.min(height) as usize..region.y.saturating_add(region.height).min(height) as usize;
    if columns.is_empty() || rows.is_empty() {
        return;
    }
    let stride = width as usize * 3;
    let lines = image.data_mut()[rows.start * stride..rows.end * stride].chunks_exact_mut(stride);
    let boxed = lines.map(|line| &mut line[columns.start * 3..columns.end * 3]);
    match fill {
        EraseFill::Color(color) => {
            let line = color.repeat(columns.len());
            boxed.for_each(|part| part.copy_from_slice(&line));
        }
        EraseFill::Noise { mean, std, seed } => {
            let mut noise = PixelNoise::new(mean, std, seed);
            boxed.for_each(|part| noise.fill(part));
        }
    }
}

/// A stream of normally distributed pixels.
pub(super) struct PixelNoise {
    channels: [DiscreteNormal; 3],
    rng: Rng,
}

impl PixelNoise {
    /// `mean` and `std` on the scale 0 to 1.
    pub(super) fn new(mean: [f64; 3], std: [f64; 3], seed: u64) -> Self {
        let channel = |c: usize| DiscreteNormal::new(mean[c] * 255.0, std[c] * 255.0, 0, 255);
        Self { channels: [channel(0), channel(1), channel(2)], rng: Rng::seed_from_u64(seed) }
    }

    /// Fills whole pixels.
    pub(super) fn fill(&mut self, data: &mut [u8]) {
        let [red, green, blue] = &self.channels;
        let (pairs, rest) = data.as_chunks_mut::<6>();
        let mut pair = || {
            let ([r, s], [g, h], [b, c]) =
                (red.pair(&mut self.rng), green.pair(&mut self.rng), blue.pair(&mut self.rng));
            [r as u8, g as u8, b as u8, s as u8, h as u8, c as u8]
        };
        pairs.iter_mut().for_each(|pixels| *pixels = pair());
        if !rest.is_empty() {
            let pixels = pair();
            rest.copy_from_slice(&pixels[..rest.len()]);
        }
    }
}

//! Triplets of distorted photographs: the same distortion at two strengths, of which the weaker is nearer.
//!
//! Nobody was asked what looks nearer. The order is by construction, so what this measures is whether a
//! distance grows with the distortion, not whether it agrees with people.

use anyhow::Result;
use rand::RngExt;
use visrep_augment::{Filter, resize_region, view_rng};
use visrep_corrupt::{Corruption, Scale, Severity, corrupt, keyed_seed};
use visrep_data::{Dataset, decode_sample};
use visrep_decode::{DecodeOptions, Region, RgbImage};
use visrep_perceptual::{Triplet, strength_triplets};

/// The distortions: those of ImageNet-C whose severities are steps of one strength (frost, snow and spatter
/// change their kind from step to step).
pub const DISTORTIONS: [Corruption; 10] = [
    Corruption::GaussianNoise,
    Corruption::ShotNoise,
    Corruption::ImpulseNoise,
    Corruption::DefocusBlur,
    Corruption::GaussianBlur,
    Corruption::ZoomBlur,
    Corruption::Brightness,
    Corruption::Contrast,
    Corruption::Pixelate,
    Corruption::JpegCompression,
];

/// The severities compared: neighbours, where the choice is hardest.
pub const PAIRS: [(u8, u8); 4] = [(1, 2), (2, 3), (3, 4), (4, 5)];

/// Squares cut from photographs at random places and brought to one size.
pub struct Crops {
    images: Vec<RgbImage>,
    seed: u64,
}

impl Crops {
    /// `per_photo` squares of each photograph, `side` pixels after resizing.
    pub fn new(photos: &dyn Dataset, side: u32, per_photo: u64, seed: u64) -> Result<Self> {
        let mut images = Vec::new();
        for index in 0..photos.len() {
            let photo = decode_sample(&photos.get(index)?, &DecodeOptions::default())?;
            let square = side.max(64).min(photo.width()).min(photo.height());
            for nth in 0..per_photo {
                let mut rng = view_rng(seed, 0, index as u64, nth);
                let region = Region {
                    x: rng.random_range(0..=photo.width() - square),
                    y: rng.random_range(0..=photo.height() - square),
                    width: square,
                    height: square,
                };
                images.push(resize_region(&photo, region, side, side, Filter::Bicubic)?);
            }
        }
        Ok(Self { images, seed })
    }

    /// The squares, those of one photograph one after the other.
    pub fn into_images(self) -> Vec<RgbImage> {
        self.images
    }

    /// How many triplets each distortion gives.
    pub fn triplets_each(&self) -> usize {
        self.images.len() * PAIRS.len()
    }

    /// Every crop under `distortion` at each pair of [`PAIRS`], the weaker first.
    pub fn triplets(&self, distortion: Corruption) -> impl Iterator<Item = Result<Triplet>> {
        let mut nth = 0;
        let seed = self.seed;
        strength_triplets(self.images.clone(), PAIRS, move |image, severity| {
            nth += 1;
            let severity = Severity::try_new(severity)?;
            let scale = Scale::for_size(image.width(), image.height());
            let seed = keyed_seed(&nth.to_string(), distortion, severity, seed);
            Ok(corrupt(image, distortion, severity, scale, seed)?)
        })
    }
}

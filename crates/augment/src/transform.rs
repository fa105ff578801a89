//! The trait that every transform implements, and how transforms combine.

use crate::Rng;
use visrep_decode::RgbImage;

/// Image in, image out, with all randomness from `rng`.
///
/// A transform is checked when it is made, so that applying it cannot fail: sizes of zero,
/// probabilities outside 0..=1 and the like are errors of the constructors.
pub trait Transform: Send + Sync {
    /// Applies the transform. Equal images and equal generators give equal results.
    fn apply(&self, image: RgbImage, rng: &mut Rng) -> RgbImage;
}

impl Transform for Box<dyn Transform> {
    fn apply(&self, image: RgbImage, rng: &mut Rng) -> RgbImage {
        (**self).apply(image, rng)
    }
}

/// Transforms one after the other.
#[derive(Default)]
pub struct Compose {
    transforms: Vec<Box<dyn Transform>>,
}

impl Compose {
    /// The empty composition, which returns images as they are.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `transform` after those already there.
    #[must_use]
    pub fn then(mut self, transform: impl Transform + 'static) -> Self {
        self.transforms.push(Box::new(transform));
        self
    }
}

impl Transform for Compose {
    fn apply(&self, image: RgbImage, rng: &mut Rng) -> RgbImage {
        self.transforms.iter().fold(image, |image, transform| transform.apply(image, rng))
    }
}

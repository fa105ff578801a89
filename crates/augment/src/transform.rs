//! The trait that every transform implements, and how transforms combine.

use crate::{Rng, View};
use visrep_decode::RgbImage;

/// Decides at random what happens to an image.
///
/// Deciding is kept apart from doing: what is drawn depends on the image's size alone, so that a view can be drawn before
/// its image is decoded (and only the part of it that is needed), looked at, stored and replayed.
///
/// A transform is checked when it is made, so that applying it cannot fail: sizes of zero, probabilities outside 0..=1
/// and the like are errors of the constructors.
///
/// ```
/// use rand::RngExt as _;
/// use visrep_augment::{Op, Rng, RgbImage, Transform, View, view_rng};
///
/// /// Darkens an image at random, by an operation of its own.
/// struct Darken;
///
/// impl Transform for Darken {
///     fn draw(&self, view: &mut View, rng: &mut Rng) {
///         let by: u8 = rng.random_range(0..=64);
///         view.push(Op::custom("darken", None, move |mut image| {
///             image.data_mut().iter_mut().for_each(|value| *value = value.saturating_sub(by));
///             image
///         }));
///     }
/// }
///
/// let grey = RgbImage::filled(8, 8, [128; 3]);
/// assert!(Darken.apply(grey, &mut view_rng(0, 0, 0, 0)).data()[0] <= 128);
/// ```
pub trait Transform: Send + Sync {
    /// Adds to `view` the operations that come after those it has; all randomness is from `rng`. Equal sizes and equal
    /// generators give equal operations.
    fn draw(&self, view: &mut View, rng: &mut Rng);

    /// Draws for the image's size and applies what was drawn.
    fn apply(&self, image: RgbImage, rng: &mut Rng) -> RgbImage {
        let mut view = View::new((image.width(), image.height()));
        self.draw(&mut view, rng);
        view.run(image)
    }
}

impl Transform for Box<dyn Transform> {
    fn draw(&self, view: &mut View, rng: &mut Rng) {
        (**self).draw(view, rng);
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
    fn draw(&self, view: &mut View, rng: &mut Rng) {
        for transform in &self.transforms {
            transform.draw(view, rng);
        }
    }
}

//! Applying another transform by chance.

use crate::error::check_within;
use crate::{Error, Rng, Transform, View};
use rand::RngExt as _;

/// Applies a transform with probability `p`, else returns the image as it is.
pub struct RandomApply<T> {
    transform: T,
    p: f64,
}

impl<T: Transform> RandomApply<T> {
    /// Errs unless `p` is within 0..=1.
    pub fn new(transform: T, p: f64) -> Result<Self, Error> {
        check_within("RandomApply p", p, 0.0..=1.0)?;
        Ok(Self { transform, p })
    }
}

impl<T: Transform> Transform for RandomApply<T> {
    fn draw(&self, view: &mut View, rng: &mut Rng) {
        if rng.random_bool(self.p) {
            self.transform.draw(view, rng);
        }
    }
}

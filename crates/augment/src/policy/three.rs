//! 3-Augment of DeiT III.

use super::pick;
use crate::error::check_within;
use crate::{BlurMethod, ColorJitter, Error, Op, Rng, Transform, View};
use rand::RngExt as _;

/// One of grey, solarize and blur, then a colour jitter: 3-Augment (Touvron et al. 2022, DeiT III; facebookresearch/deit
/// `augment.py`).
///
/// Solarize inverts from 128 up, the blur is Pillow's with a sigma of .1 to 2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ThreeAugment {
    jitter: ColorJitter,
}

impl ThreeAugment {
    /// `color_jitter` is the range of brightness, contrast and saturation, .3 in the paper; 0 leaves them out. Errs unless
    /// it is within 0..=1000.
    pub fn new(color_jitter: f64) -> Result<Self, Error> {
        check_within("ThreeAugment color_jitter", color_jitter, 0.0..=1000.0)?;
        Ok(Self { jitter: ColorJitter::new(color_jitter, color_jitter, color_jitter, 0.0)? })
    }
}

impl Transform for ThreeAugment {
    fn draw(&self, view: &mut View, rng: &mut Rng) {
        let sigma = rng.random_range(0.1..=2.0);
        let three = [
            Op::Grayscale,
            Op::Solarize { threshold: 128 },
            Op::GaussianBlur { method: BlurMethod::Pillow, sigma },
        ];
        view.push(pick(&three, rng).clone());
        self.jitter.draw(view, rng);
    }
}

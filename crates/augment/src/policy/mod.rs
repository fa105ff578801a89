//! Automatic augmentation: the policies of the papers as torchvision, timm, big_vision and the authors apply them.
//!
//! They share their names and little else: which operations there are, how far a magnitude reaches, how the image is
//! interpolated and filled differs between the libraries, and with it what a recipe gives. Each is a [`Transform`] that
//! draws plain [`Op`](crate::Op)s.
//!
//! [`Transform`]: crate::Transform

mod augmix;
mod big_vision;
mod sub_policies;
mod three;
mod timm;
mod timm_config;
mod torchvision;

pub use augmix::{AugMix, AugMixOps};
pub use big_vision::BigVisionRandAugment;
pub use three::ThreeAugment;
pub use timm::TimmAugment;
pub use torchvision::{AutoAugment, AutoAugmentPolicy, RandAugment, TrivialAugmentWide};

use crate::{Filter, Op, Rng};
use rand::RngExt as _;

/// How geometric operations look pixels up and fill what lies outside.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Warp {
    interpolation: Filter,
    fill: [u8; 3],
}

impl Warp {
    fn affine(self, matrix: [f64; 6]) -> Op {
        Op::Affine { matrix, interpolation: self.interpolation, fill: self.fill }
    }

    /// Row y shows what lies `level` y pixels to its right.
    fn shear_x(self, level: f64) -> Op {
        self.affine([1.0, level, 0.0, 0.0, 1.0, 0.0])
    }

    /// Column x shows what lies `level` x pixels below it.
    fn shear_y(self, level: f64) -> Op {
        self.affine([1.0, 0.0, 0.0, level, 1.0, 0.0])
    }

    /// Each pixel shows what lies `pixels` to its right.
    fn translate_x(self, pixels: f64) -> Op {
        self.affine([1.0, 0.0, pixels, 0.0, 1.0, 0.0])
    }

    /// Each pixel shows what lies `pixels` below it.
    fn translate_y(self, pixels: f64) -> Op {
        self.affine([1.0, 0.0, 0.0, 0.0, 1.0, pixels])
    }

    fn rotate(self, degrees: f64) -> Op {
        Op::Rotate { degrees, interpolation: self.interpolation, center: None, fill: self.fill }
    }
}

fn posterize(bits: i64) -> Op {
    Op::Posterize { bits: bits.clamp(0, 8) as u8 }
}

fn solarize(threshold: i64) -> Op {
    Op::Solarize { threshold: threshold.clamp(0, 256) as u16 }
}

const AUTO_CONTRAST: Op = Op::AutoContrast { cutoff: 0.0 };

fn either_sign(value: f64, rng: &mut Rng) -> f64 {
    if rng.random_bool(0.5) { -value } else { value }
}

/// One of `items`, all equally likely.
fn pick<'a, T>(items: &'a [T], rng: &mut Rng) -> &'a T {
    &items[rng.random_range(0..items.len())]
}

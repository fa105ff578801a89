//! Cutout.

use super::EraseFill;
use crate::error::{check_count, check_side};
use crate::{Error, Op, Rng, Transform, View};
use rand::RngExt as _;
use visrep_decode::Region;

/// Squares of one colour whose centres lie anywhere in the image, so that a part of a square may lie outside: Cutout
/// (DeVries and Taylor 2017).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cutout {
    length: u32,
    holes: u32,
    color: [u8; 3],
}

impl Cutout {
    /// One black square of `length` pixels: 16 for CIFAR-10, 8 for CIFAR-100, 20 for SVHN in the paper, which erases
    /// after normalisation and so to the mean colour ([`Self::color`]). An odd length is rounded down to an even one,
    /// as in the paper's code.
    ///
    /// Errs on a length outside 1..=[`MAX_SIDE`](crate::MAX_SIDE).
    pub fn new(length: u32) -> Result<Self, Error> {
        check_side("Cutout length", length)?;
        Ok(Self { length, holes: 1, color: [0; 3] })
    }

    /// The number of squares, 1 to 1000.
    pub fn holes(self, holes: u32) -> Result<Self, Error> {
        check_count("Cutout holes", &(holes..=holes), 1..=1000)?;
        Ok(Self { holes, ..self })
    }

    /// What the squares are filled with.
    #[must_use]
    pub fn color(self, color: [u8; 3]) -> Self {
        Self { color, ..self }
    }
}

impl Transform for Cutout {
    fn draw(&self, view: &mut View, rng: &mut Rng) {
        let (width, height) = view.size();
        let half = self.length / 2;
        // The first pixel and the number of pixels of what of the square lies in the image.
        let side = |size: u32, rng: &mut Rng| {
            let center = rng.random_range(0..size);
            let start = center.saturating_sub(half);
            (start, center.saturating_add(half).min(size) - start)
        };
        for _ in 0..self.holes {
            let (y, height) = side(height, rng);
            let (x, width) = side(width, rng);
            if width > 0 && height > 0 {
                let region = Region { x, y, width, height };
                view.push(Op::Erase { region, fill: EraseFill::Color(self.color) });
            }
        }
    }
}

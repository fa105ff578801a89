//! Sprites with the latent table of dSprites, drawn when they are asked for: the structured tasks with no download.

use crate::labels::{dsprites_location, dsprites_orientation};
use std::f64::consts::TAU;
use visrep_data::{Dataset, Error, Sample, SampleImage};
use visrep_decode::RgbImage;

/// A sprite's side in pixels.
const SIDE: u32 = 64;
/// Shapes, scales, orientations, x and y positions: dSprites' latents, the last the fastest.
const SIZES: [u32; 5] = [3, 6, 40, 32, 32];
/// Half the side of the largest square, in pixels: it turns within its border.
const SQUARE: f64 = 10.5;
/// The largest ellipse's half axes.
const ELLIPSE: (f64, f64) = (14.5, 8.0);
/// The largest heart's half width.
const HEART: f64 = 12.0;

/// What a sprite shows: the latent classes, as in dSprites' `latents_classes` without the colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpriteLatents {
    /// 0 square, 1 ellipse, 2 heart.
    pub shape: u32,
    /// 0 to 5, for 0.5 to 1 of the full size.
    pub scale: u32,
    /// 0 to 39, for 0 to 2π: the last equals the first, as in dSprites.
    pub orientation: u32,
    /// 0 to 31, from left to right.
    pub x: u32,
    /// 0 to 31, from top to bottom.
    pub y: u32,
}

impl SpriteLatents {
    /// The latents of sprite `index` of the 737,280, in dSprites' order.
    #[must_use]
    pub fn of_index(index: usize) -> Option<Self> {
        let mut rest = u32::try_from(index).ok()?;
        let mut take = |size: u32| {
            let class = rest % size;
            rest /= size;
            class
        };
        let [y, x, orientation, scale, shape] =
            [SIZES[4], SIZES[3], SIZES[2], SIZES[1], SIZES[0]].map(&mut take);
        (rest == 0).then_some(Self { shape, scale, orientation, x, y })
    }

    /// The place of the sprite among the 737,280, in dSprites' order; `None` where a latent is beyond its classes.
    #[must_use]
    pub fn index(self) -> Option<usize> {
        let classes = [self.shape, self.scale, self.orientation, self.x, self.y];
        classes.into_iter().zip(SIZES).try_fold(0, |index, (class, size)| {
            (class < size).then_some(index * size as usize + class as usize)
        })
    }

    /// The sprite, white on black, 64 x 64. Latents beyond their classes are drawn as if the table went on.
    #[must_use]
    pub fn draw(self) -> RgbImage {
        let scale = 0.5 + 0.1 * f64::from(self.scale);
        let (sin, cos) = (f64::from(self.orientation) * TAU / 39.0).sin_cos();
        // Every sprite lies within the image: the largest reaches 15 pixels from its centre.
        let (left, top) = (16.5 + f64::from(self.x), 16.5 + f64::from(self.y));
        RgbImage::from_fn(SIDE, SIDE, |column, row| {
            let (dx, dy) = (f64::from(column) + 0.5 - left, f64::from(row) + 0.5 - top);
            let (u, v) = ((dx * cos + dy * sin) / scale, (dy * cos - dx * sin) / scale);
            let inside = match self.shape {
                0 => u.abs() <= SQUARE && v.abs() <= SQUARE,
                1 => (u / ELLIPSE.0).powi(2) + (v / ELLIPSE.1).powi(2) <= 1.0,
                _ => {
                    // (x² + y² - 1)³ ≤ x² y³, with its tip down.
                    let (x, y) = (1.15 * u / HEART, -1.15 * v / HEART);
                    (x * x + y * y - 1.0).powi(3) <= x * x * y.powi(3)
                }
            };
            if inside { [255; 3] } else { [0; 3] }
        })
    }
}

/// What the class of a sprite is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpriteLabel {
    /// The x position in 16 bins, as dSprites-Location.
    Location,
    /// The orientation in 16 bins, as dSprites-Orientation.
    Orientation,
    /// The shape.
    Shape,
    /// The scale, 6 classes.
    Scale,
}

impl SpriteLabel {
    /// The class of a sprite.
    #[must_use]
    pub fn class(self, latents: SpriteLatents) -> Option<u32> {
        match self {
            Self::Location => dsprites_location(latents.x),
            Self::Orientation => dsprites_orientation(latents.orientation),
            Self::Shape => Some(latents.shape),
            Self::Scale => Some(latents.scale),
        }
    }
}

/// The 737,280 sprites of the latent table, in dSprites' order. They are not dSprites' pixels: shapes of the same
/// kinds, sizes and places, drawn by formula.
pub struct Sprites {
    label: SpriteLabel,
    classes: Vec<String>,
}

impl Sprites {
    /// The number of sprites.
    pub const LEN: usize = 737_280;

    /// All sprites, with one of their latents as the class.
    #[must_use]
    pub fn new(label: SpriteLabel) -> Self {
        let classes = match label {
            SpriteLabel::Location | SpriteLabel::Orientation => (0..16).map(|bin| bin.to_string()).collect(),
            SpriteLabel::Shape => ["square", "ellipse", "heart"].map(String::from).into(),
            SpriteLabel::Scale => {
                (0..6).map(|scale| format!("{:.1}", 0.5 + 0.1 * f64::from(scale))).collect()
            }
        };
        Self { label, classes }
    }
}

impl Dataset for Sprites {
    fn len(&self) -> usize {
        Self::LEN
    }

    fn get(&self, index: usize) -> Result<Sample, Error> {
        let latents = SpriteLatents::of_index(index).ok_or(Error::Index { index, len: Self::LEN })?;
        let image = SampleImage::Decoded(latents.draw());
        Ok(Sample { image, label: self.label.class(latents), key: self.key(index) })
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.label.class(SpriteLatents::of_index(index)?)
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn key(&self, index: usize) -> String {
        format!("sprite {index}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_follow_dsprites_table() {
        let latents =
            |shape, scale, orientation, x, y| Some(SpriteLatents { shape, scale, orientation, x, y });
        assert_eq!(SpriteLatents::of_index(0), latents(0, 0, 0, 0, 0));
        assert_eq!(SpriteLatents::of_index(1), latents(0, 0, 0, 0, 1));
        assert_eq!(SpriteLatents::of_index(32), latents(0, 0, 0, 1, 0));
        assert_eq!(SpriteLatents::of_index(1024), latents(0, 0, 1, 0, 0));
        assert_eq!(SpriteLatents::of_index(40_960), latents(0, 1, 0, 0, 0));
        assert_eq!(SpriteLatents::of_index(245_760), latents(1, 0, 0, 0, 0));
        assert_eq!(SpriteLatents::of_index(Sprites::LEN - 1), latents(2, 5, 39, 31, 31));
        assert_eq!(SpriteLatents::of_index(Sprites::LEN), None);
        for index in [0, 1, 31, 40_959, 245_761, 700_001, Sprites::LEN - 1] {
            assert_eq!(SpriteLatents::of_index(index).unwrap().index(), Some(index));
        }
        assert_eq!(SpriteLatents { shape: 0, scale: 6, orientation: 0, x: 0, y: 0 }.index(), None);
    }

    /// Where the white pixels are: count, and their mean place.
    fn measure(latents: SpriteLatents) -> (usize, f64, f64) {
        let image = latents.draw();
        let white: Vec<_> =
            (0..SIDE * SIDE).filter(|at| image.pixel(at % SIDE, at / SIDE) == [255; 3]).collect();
        let mean =
            |of: fn(u32) -> u32| white.iter().map(|at| f64::from(of(*at))).sum::<f64>() / white.len() as f64;
        (white.len(), mean(|at| at % SIDE), mean(|at| at / SIDE))
    }

    #[test]
    fn latents_say_what_is_seen() {
        for shape in 0..3 {
            for orientation in [0, 7, 23] {
                let at = |scale, x, y| measure(SpriteLatents { shape, scale, orientation, x, y });
                let (small, large) = (at(0, 3, 9), at(5, 3, 9));
                // Twice as wide and as high, but for the raster.
                assert!((large.0 as f64 / small.0 as f64 - 4.0).abs() < 0.5, "{small:?} {large:?}");
                let moved = at(5, 31, 0);
                let (dx, dy) = (moved.1 - large.1 - 28.0, moved.2 - large.2 + 9.0);
                assert!(moved.0 == large.0 && dx.abs() < 1e-9 && dy.abs() < 1e-9, "{large:?} {moved:?}");
            }
            let corners = [(0, 0), (31, 31)]
                .map(|(x, y)| SpriteLatents { shape, scale: 5, orientation: 5, x, y }.draw());
            for corner in corners {
                let edge = (0..SIDE).flat_map(|at| [(at, 0), (at, SIDE - 1), (0, at), (SIDE - 1, at)]);
                assert!(
                    edge.into_iter().all(|(x, y)| corner.pixel(x, y) == [0; 3]),
                    "shape {shape} touches the edge"
                );
            }
        }
        let turned = |orientation| SpriteLatents { shape: 2, scale: 4, orientation, x: 8, y: 8 }.draw();
        assert_eq!(turned(0), turned(39), "the last orientation is the first again");
        assert_ne!(turned(0), turned(1));
    }

    #[test]
    fn classes_are_balanced_as_in_vtab() {
        let sprites = Sprites::new(SpriteLabel::Location);
        assert_eq!(sprites.label(32 * 5 + 7), Some(2));
        assert_eq!(sprites.get(32 * 5 + 7).unwrap().label, Some(2));
        assert_eq!(Sprites::new(SpriteLabel::Orientation).label(1024 * 39), Some(15));
        assert!(sprites.get(Sprites::LEN).is_err() && sprites.label(Sprites::LEN).is_none());
    }
}

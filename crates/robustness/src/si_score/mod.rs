//! Making SI-Score (Djolonga et al. 2021): objects cut out of their pictures, laid over backgrounds at every size, place and angle.
//!
//! The arithmetic is that of the generator of google-research/si-score (`dataset_generator.py`) with Pillow, to the bit. Files and folders
//! are the caller's.

mod layer;

pub use layer::Layer;

use std::fmt;
use std::str::FromStr;
use visrep_augment::{Filter, Region, RgbImage, expanded_size, resize};

/// The sizes of [`SiScoreSet::Size`], in hundredths of the background's area (`generator_script.py`).
const HUNDREDTHS: std::ops::RangeInclusive<u32> = 1..=100;
/// Places of [`SiScoreSet::Location`] along each axis, and how far they are apart.
const STEPS: (u32, f64) = (21, 0.05);
/// The object's area in [`SiScoreSet::Location`].
const LOCATION_AREA: f64 = 0.2;
/// The object's areas in [`SiScoreSet::Rotation`].
const ROTATION_AREAS: [f64; 4] = [0.2, 0.5, 0.8, 1.0];
/// The angles of [`SiScoreSet::Rotation`]: first, number and step. None is a multiple of 90, where nothing is interpolated.
const ANGLES: (u32, u32, u32) = (1, 18, 20);

/// One of the three published sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SiScoreSet {
    /// 100 sizes in the middle.
    Size,
    /// 21 x 21 places at one size.
    Location,
    /// 18 angles at four sizes in the middle.
    Rotation,
}

impl SiScoreSet {
    /// All.
    pub const ALL: [Self; 3] = [Self::Size, Self::Location, Self::Rotation];

    /// The name of its suite's task.
    pub fn name(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Location => "location",
            Self::Rotation => "rotation",
        }
    }

    /// The folder that its published archive unpacks to.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Size => "area",
            Self::Location => "location20_area02_min0pc",
            Self::Rotation => "rotation",
        }
    }

    /// The side of its square images, in pixels.
    pub fn side(self) -> u32 {
        match self {
            Self::Location => 500,
            Self::Size | Self::Rotation => 512,
        }
    }

    /// The share of an object's rectangle that must lie within the image; with less there is no image.
    pub fn least_inside(self) -> f64 {
        match self {
            Self::Location => 0.0,
            Self::Size | Self::Rotation => 0.95,
        }
    }

    /// What an object is put through, in the published order: places, then areas, then angles.
    pub fn variations(self) -> Vec<Variation> {
        let middle = |area: f64, rotation: u32| Variation { x: 0.5, y: 0.5, area, rotation };
        match self {
            Self::Size => HUNDREDTHS.map(|hundredths| middle(f64::from(hundredths) / 100.0, 0)).collect(),
            Self::Location => {
                let (count, step) = STEPS;
                let places = (0..count).map(|nth| f64::from(nth) * step);
                places
                    .clone()
                    .flat_map(|x| {
                        places.clone().map(move |y| Variation { x, y, area: LOCATION_AREA, rotation: 0 })
                    })
                    .collect()
            }
            Self::Rotation => {
                let (first, count, step) = ANGLES;
                let angles = (0..count).map(|nth| first + nth * step);
                ROTATION_AREAS
                    .into_iter()
                    .flat_map(|area| angles.clone().map(move |angle| middle(area, angle)))
                    .collect()
            }
        }
    }
}

impl fmt::Display for SiScoreSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SiScoreSet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|set| set.name() == text.trim());
        known.ok_or_else(|| {
            format!("there is no set '{text}': size, location and rotation are those of SI-Score")
        })
    }
}

/// How an object is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Variation {
    /// Where its middle is, from the left edge, 0, to the right, 1.
    pub x: f64,
    /// From the top edge, 0, to the bottom, 1.
    pub y: f64,
    /// The area of its rectangle, before it is turned, as a share of the background's.
    pub area: f64,
    /// Degrees counter-clockwise.
    pub rotation: u32,
}

/// Where an object comes to lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    /// The object's sides before it is turned.
    size: (u32, u32),
    left: i64,
    top: i64,
    /// The share of its rectangle that lies within the image.
    pub inside: f64,
}

impl Variation {
    /// Where an object of `width` x `height` comes to lie on a square background of `side`.
    pub fn place(&self, (width, height): (u32, u32), side: u32) -> Placement {
        let (wide, high, length) = (f64::from(width), f64::from(height), f64::from(side));
        let factor = (self.area / (wide * high / (length * length))).sqrt();
        // Cut off as Python's int does; an object that would be gone keeps a pixel.
        let size = ((wide * factor) as u32, (high * factor) as u32);
        let size = (size.0.max(1), size.1.max(1));
        let turned = expanded_size(size.0, size.1, f64::from(self.rotation));
        let start = |at: f64, extent: u32| ((at * length).trunc() - f64::from(extent) * 0.5) as i64;
        let (left, top) = (start(self.x, turned.0), start(self.y, turned.1));
        let seen = |start: i64, extent: u32| {
            ((start + i64::from(extent)).min(i64::from(side)) - start.max(0)).max(0) as f64
        };
        let inside = seen(left, turned.0) * seen(top, turned.1) / (f64::from(turned.0) * f64::from(turned.1));
        Placement { size, left, top, inside }
    }

    /// The object where [`Self::place`] says, on a background as [`square_background`] makes it.
    pub fn draw(&self, object: &Layer, background: &RgbImage, placement: &Placement) -> RgbImage {
        let (width, height) = placement.size;
        let shown = object.resized(width, height).rotated(f64::from(self.rotation));
        shown.over(background, placement.left, placement.top)
    }
}

/// The largest square from the top left corner of a picture, resized to `side`.
pub fn square_background(picture: &RgbImage, side: u32) -> RgbImage {
    let length = picture.width().min(picture.height());
    let region = Region { x: 0, y: 0, width: length, height: length };
    // The region lies within the picture by construction.
    let square = picture.crop(region).unwrap_or_else(|_| picture.clone());
    if length == side { square } else { resize(&square, side, side, Filter::Bilinear) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_are_the_published_ones() {
        let count = SiScoreSet::ALL.map(|set| set.variations().len());
        assert_eq!(count, [100, 441, 72]);
        let last = |set: SiScoreSet| set.variations().last().copied().unwrap();
        assert_eq!(last(SiScoreSet::Rotation), Variation { x: 0.5, y: 0.5, area: 1.0, rotation: 341 });
        assert_eq!(last(SiScoreSet::Size).area, 1.0);
        assert_eq!((last(SiScoreSet::Location).x, last(SiScoreSet::Location).y), (1.0, 1.0));
        // As numpy's arange has it.
        assert_eq!(SiScoreSet::Location.variations()[3].y, 0.150_000_000_000_000_02);
        assert_eq!("rotation".parse(), Ok(SiScoreSet::Rotation));
        assert!("angle".parse::<SiScoreSet>().unwrap_err().contains("size, location and rotation"));
    }

    #[test]
    fn an_objects_rectangle_has_the_area() {
        let middle = Variation { x: 0.5, y: 0.5, area: 0.2, rotation: 0 };
        let placement = middle.place((400, 100), 512);
        let (width, height) = placement.size;
        let share = f64::from(width * height) / (512.0 * 512.0);
        assert!((share - 0.2).abs() < 0.002 && placement.inside == 1.0, "{placement:?}");
        let corner = Variation { x: 0.0, y: 1.0, ..middle }.place((100, 100), 500);
        assert!((corner.inside - 0.25).abs() < 0.01, "{corner:?}");
        let wide = Variation { area: 1.0, ..middle }.place((1000, 10), 512);
        assert!(wide.inside < 0.2, "{wide:?}");
        assert_eq!(Variation { area: 1e-9, ..middle }.place((5, 5), 512).size, (1, 1));
    }
}

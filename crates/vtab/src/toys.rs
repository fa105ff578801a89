//! Toys with the latent table of smallNORB, drawn when they are asked for: its two tasks with no download, and files in its format.

use crate::labels::{norb_azimuth, norb_elevation};
use crate::read::{NorbLabel, NorbValues, write_norb_matrix};
use std::f64::consts::TAU;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use visrep_data::{Dataset, Error, Sample, SampleImage};
use visrep_decode::RgbImage;

/// An image's side in pixels.
const SIDE: u32 = 96;
/// Categories, instances of a half, elevations, azimuths, lightings: smallNORB's latents, the last the fastest.
const SIZES: [u32; 5] = [5, 5, 9, 18, 6];
/// How much grey the table is that toys stand on.
const TABLE: f64 = 120.0;
/// How many units of a toy an image shows across; the largest reaches 1.6 from the middle.
const ACROSS: f64 = 4.0;
/// By how much the right camera sees a toy turned, in radians.
const STEREO: f64 = 0.07;

/// A box: the middle and half the sides; x forwards, y to the left, z up.
type Block = ([f64; 3], [f64; 3]);

/// What a toy is, and how it is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ToyLatents {
    /// 0 animal, 1 human, 2 airplane, 3 truck, 4 car: smallNORB's order.
    pub category: u32,
    /// 0 to 9: other proportions.
    pub instance: u32,
    /// 0 to 8, for 30 to 70 degrees above the table.
    pub elevation: u32,
    /// 0 to 17, 20 degrees apart.
    pub azimuth: u32,
    /// 0 to 5: where the light comes from, and how much.
    pub lighting: u32,
}

impl ToyLatents {
    /// What the left camera sees, grey, 96 x 96, row by row. Latents beyond their classes are drawn as if the table went on.
    #[must_use]
    pub fn draw(self) -> Vec<u8> {
        self.seen(0.0)
    }

    /// What the right camera sees.
    #[must_use]
    pub fn draw_right(self) -> Vec<u8> {
        self.seen(STEREO)
    }

    fn seen(self, aside: f64) -> Vec<u8> {
        let blocks = self.blocks();
        let azimuth = f64::from(self.azimuth) * TAU / 18.0;
        let (sin_e, cos_e) = (30.0 + 5.0 * f64::from(self.elevation)).to_radians().sin_cos();
        let (sin_a, cos_a) = (azimuth + aside).sin_cos();
        let (camera, right, up) = (
            [cos_e * cos_a, cos_e * sin_a, sin_e],
            [-sin_a, cos_a, 0.0],
            [-sin_e * cos_a, -sin_e * sin_a, cos_e],
        );
        // The light stands still beside the cameras, and the toy turns.
        let (sin_l, cos_l) = (azimuth + TAU * f64::from(self.lighting) / 6.0).sin_cos();
        let (light, bright) =
            ([0.6 * cos_l, 0.6 * sin_l, 0.8], 0.7 + 0.3 * f64::from(self.lighting % 3) / 2.0);
        let step = ACROSS / f64::from(SIDE);
        let mut image = Vec::with_capacity((SIDE * SIDE) as usize);
        for row in 0..SIDE {
            for column in 0..SIDE {
                let (x, y) = (
                    (f64::from(column) + 0.5) * step - ACROSS / 2.0,
                    ACROSS / 2.0 - (f64::from(row) + 0.5) * step,
                );
                let from = |axis: usize| 10.0 * camera[axis] + x * right[axis] + y * up[axis];
                let from = [from(0), from(1), from(2)];
                let hits = blocks.iter().filter_map(|block| hit(block, from, camera));
                let nearest = hits.reduce(|near, next| if next.0 < near.0 { next } else { near });
                let grey = nearest.map_or(TABLE * bright, |(_, axis)| {
                    // Seen sides face the camera.
                    let facing = light[axis] * camera[axis].signum();
                    bright * (60.0 + 180.0 * facing.max(0.0))
                });
                image.push(grey.round() as u8);
            }
        }
        image
    }

    /// The boxes of the toy, on the table's height 0 around the middle.
    fn blocks(self) -> Vec<Block> {
        // Between 0.8 and 1.2, in another order for each proportion.
        let vary = |step: u32| 0.8 + 0.4 * f64::from(self.instance * step % 10) / 9.0;
        let (long, wide, high) = (vary(1), vary(3), vary(7));
        let plain: Vec<Block> = match self.category {
            0 => vec![
                ([0.0, 0.0, 0.1], [0.7, 0.3, 0.25]),
                ([0.85, 0.0, 0.45], [0.22, 0.2, 0.22]),
                ([0.5, 0.2, -0.4], [0.1, 0.1, 0.3]),
                ([0.5, -0.2, -0.4], [0.1, 0.1, 0.3]),
                ([-0.5, 0.2, -0.4], [0.1, 0.1, 0.3]),
                ([-0.5, -0.2, -0.4], [0.1, 0.1, 0.3]),
            ],
            1 => vec![
                ([0.0, 0.0, 0.2], [0.2, 0.35, 0.4]),
                ([0.05, 0.0, 0.85], [0.18, 0.18, 0.2]),
                ([0.0, 0.18, -0.55], [0.15, 0.13, 0.4]),
                ([0.0, -0.18, -0.55], [0.15, 0.13, 0.4]),
                ([0.35, 0.45, 0.35], [0.35, 0.09, 0.09]),
            ],
            2 => vec![
                ([0.0, 0.0, 0.0], [1.1, 0.18, 0.18]),
                ([0.1, 0.0, 0.0], [0.28, 1.1, 0.06]),
                ([-0.95, 0.0, 0.05], [0.15, 0.45, 0.05]),
                ([-0.95, 0.0, 0.35], [0.15, 0.05, 0.25]),
            ],
            3 => vec![
                ([0.8, 0.0, 0.05], [0.3, 0.4, 0.45]),
                ([-0.35, 0.0, 0.15], [0.8, 0.42, 0.5]),
                ([0.0, 0.0, -0.5], [1.0, 0.3, 0.1]),
            ],
            _ => vec![([0.0, 0.0, -0.2], [1.0, 0.45, 0.2]), ([-0.15, 0.0, 0.18], [0.5, 0.4, 0.2])],
        };
        let scale = |[x, y, z]: [f64; 3]| [x * long, y * wide, z * high];
        plain.into_iter().map(|(middle, half)| (scale(middle), scale(half))).collect()
    }
}

/// Where a ray from `from` against `camera` meets a box: how far, and the axis of the side.
fn hit((middle, half): &Block, from: [f64; 3], camera: [f64; 3]) -> Option<(f64, usize)> {
    let (mut enters, mut leaves) = ((f64::NEG_INFINITY, 0), f64::INFINITY);
    for axis in 0..3 {
        let (offset, along) = (middle[axis] - from[axis], -camera[axis]);
        if along.abs() < 1e-12 {
            if offset.abs() > half[axis] {
                return None;
            }
            continue;
        }
        let (a, b) = ((offset - half[axis]) / along, (offset + half[axis]) / along);
        if a.min(b) > enters.0 {
            enters = (a.min(b), axis);
        }
        leaves = leaves.min(a.max(b));
    }
    (enters.0 <= leaves).then_some(enters)
}

/// A half of smallNORB, by its instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ToyPart {
    /// Instances 4, 6, 7, 8 and 9.
    Training,
    /// Instances 0, 1, 2, 3 and 5.
    Testing,
}

impl ToyPart {
    fn instances(self) -> [u32; 5] {
        match self {
            Self::Training => [4, 6, 7, 8, 9],
            Self::Testing => [0, 1, 2, 3, 5],
        }
    }

    /// The published file's name up to its kind.
    fn stem(self) -> &'static str {
        match self {
            Self::Training => "smallnorb-5x46789x9x18x6x2x96x96-training",
            Self::Testing => "smallnorb-5x01235x9x18x6x2x96x96-testing",
        }
    }
}

/// The 24,300 toys of a half of smallNORB's table. They are not smallNORB's photographs: boxes that stand for its kinds of toys,
/// drawn by formula.
pub struct Toys {
    part: ToyPart,
    label: NorbLabel,
    classes: Vec<String>,
}

impl Toys {
    /// The number of toys of a half.
    pub const LEN: usize = 24_300;

    /// All toys of a half, with the angle as the class.
    #[must_use]
    pub fn new(part: ToyPart, label: NorbLabel) -> Self {
        Self { part, label, classes: label.classes() }
    }

    /// The latents of toy `index`.
    #[must_use]
    pub fn latents(&self, index: usize) -> Option<ToyLatents> {
        let mut rest = u32::try_from(index).ok()?;
        let mut take = |size: u32| {
            let class = rest % size;
            rest /= size;
            class
        };
        let [lighting, azimuth, elevation, instance, category] =
            [SIZES[4], SIZES[3], SIZES[2], SIZES[1], SIZES[0]].map(&mut take);
        let instance = self.part.instances()[instance as usize];
        (rest == 0).then_some(ToyLatents { category, instance, elevation, azimuth, lighting })
    }

    fn class(&self, latents: ToyLatents) -> Option<u32> {
        match self.label {
            NorbLabel::Azimuth => norb_azimuth(2 * latents.azimuth as i32),
            NorbLabel::Elevation => norb_elevation(latents.elevation as i32),
        }
    }

    /// Writes the toys at `indices` into `folder` as smallNORB's archives hold it: `-dat`, `-cat` and `-info` of the half's name,
    /// with both cameras' images.
    ///
    /// # Errors
    /// An index beyond the last toy; a file that cannot be written.
    pub fn write(&self, folder: &Path, indices: &[usize]) -> Result<(), Error> {
        let (mut images, mut categories, mut info) = (Vec::new(), Vec::new(), Vec::new());
        for &index in indices {
            let toy = self.latents(index).ok_or(Error::Index { index, len: Self::LEN })?;
            images.extend(toy.draw());
            images.extend(toy.draw_right());
            categories.push(toy.category as i32);
            info.extend(
                [toy.instance, toy.elevation, 2 * toy.azimuth, toy.lighting].map(|field| field as i32),
            );
        }
        let count = indices.len() as u32;
        let write = |kind: &str, sizes: &[u32], values: NorbValues<'_>| -> Result<(), Error> {
            let path: PathBuf = folder.join(format!("{}-{kind}.mat", self.part.stem()));
            let io = crate::error::io(&path);
            File::create(&path)
                .and_then(|file| write_norb_matrix(&mut BufWriter::new(file), sizes, &values))
                .map_err(io)
        };
        write("dat", &[count, 2, SIDE, SIDE], NorbValues::Bytes(&images))?;
        write("cat", &[count], NorbValues::Integers(&categories))?;
        write("info", &[count, 4], NorbValues::Integers(&info))
    }
}

impl Dataset for Toys {
    fn len(&self) -> usize {
        Self::LEN
    }

    fn get(&self, index: usize) -> Result<Sample, Error> {
        let latents = self.latents(index).ok_or(Error::Index { index, len: Self::LEN })?;
        let (key, grey) = (self.key(index), latents.draw());
        let rgb = grey.iter().flat_map(|value| [*value; 3]).collect();
        let image =
            RgbImage::new(SIDE, SIDE, rgb).map_err(|source| Error::Decode { key: key.clone(), source })?;
        Ok(Sample { image: SampleImage::Decoded(image), label: self.class(latents), key })
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.class(self.latents(index)?)
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn key(&self, index: usize) -> String {
        let half = if self.part == ToyPart::Training { "training" } else { "testing" };
        format!("{half} toy {index}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::open_small_norb;

    #[test]
    fn toys_fill_the_table_of_smallnorb_and_lie_within_the_image() {
        let toys = Toys::new(ToyPart::Testing, NorbLabel::Azimuth);
        assert!(toys.latents(Toys::LEN).is_none() && toys.get(Toys::LEN).is_err());
        let last = toys.latents(Toys::LEN - 1).unwrap();
        assert_eq!(
            (last.category, last.instance, last.elevation, last.azimuth, last.lighting),
            (4, 5, 8, 17, 5)
        );
        assert_eq!((toys.label(6), toys.label(6 * 17), toys.label(6 * 18)), (Some(1), Some(17), Some(0)));
        let elevations = Toys::new(ToyPart::Training, NorbLabel::Elevation);
        assert_eq!((elevations.label(6 * 18), elevations.classes().len()), (Some(1), 9));
        for category in 0..5 {
            for (instance, elevation, azimuth) in [(0, 0, 0), (9, 8, 4), (4, 3, 11), (8, 5, 17)] {
                let toy = ToyLatents { category, instance, elevation, azimuth, lighting: 0 };
                let image = toy.draw();
                let table = image[0];
                let edge = (0..96).flat_map(|at| [at, 95 * 96 + at, 96 * at, 96 * at + 95]);
                assert!(edge.into_iter().all(|at| image[at] == table), "{toy:?} touches the edge");
                assert!(
                    image.iter().filter(|value| **value != table).count() > 300,
                    "{toy:?} is hardly there"
                );
                assert_ne!(image, ToyLatents { azimuth: (azimuth + 1) % 18, ..toy }.draw());
                assert_ne!(image, ToyLatents { lighting: 2, ..toy }.draw());
                assert_ne!(image, toy.draw_right());
            }
        }
        // Seen from above a car is longer along the image than across, and turned by 90 degrees the other way round.
        let spread = |azimuth: u32| {
            let image = ToyLatents { category: 4, instance: 3, elevation: 8, azimuth, lighting: 1 }.draw();
            let on: Vec<_> = (0..96 * 96).filter(|&at| image[at] != image[0]).collect();
            let side = |of: fn(usize) -> usize| {
                on.iter().map(|&at| of(at)).max().unwrap() - on.iter().map(|&at| of(at)).min().unwrap()
            };
            (side(|at| at % 96), side(|at| at / 96))
        };
        let (away, aside) = (spread(0), spread(4));
        assert!(away.0 < away.1 && aside.0 > aside.1, "{away:?} {aside:?}");
    }

    #[test]
    fn files_in_smallnorbs_format_hold_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let toys = Toys::new(ToyPart::Training, NorbLabel::Azimuth);
        let indices = [0, 7, 5000, Toys::LEN - 1];
        toys.write(folder.path(), &indices).unwrap();
        let file =
            |kind: &str| folder.path().join(format!("smallnorb-5x46789x9x18x6x2x96x96-training-{kind}.mat"));
        let read = open_small_norb(file("dat"), file("info"), NorbLabel::Azimuth).unwrap();
        assert_eq!(read.len(), 4);
        for (place, &index) in indices.iter().enumerate() {
            let pixels = |sample: Sample| match sample.image {
                SampleImage::Decoded(image) => image,
                SampleImage::Encoded(_) => unreachable!("neither is a file"),
            };
            assert_eq!(read.label(place), toys.label(index));
            assert_eq!(pixels(read.get(place).unwrap()), pixels(toys.get(index).unwrap()));
        }
        assert_eq!(std::fs::metadata(file("cat")).unwrap().len(), 20 + 16);
        assert!(toys.write(folder.path(), &[Toys::LEN]).is_err());
        assert!(toys.write(&folder.path().join("none"), &[0]).is_err());
    }
}

//! Crops that may reach outside the image, as those of CIFAR and of reinforcement learning do.

use crate::error::{check_side, check_within};
use crate::{Error, Op, Rng, Transform, View};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use visrep_decode::RgbImage;

/// What lies outside an image, named as in NumPy and torchvision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Padding {
    /// One colour.
    Constant([u8; 3]),
    /// The image mirrored at its outermost pixels, which are not repeated.
    Reflect,
    /// The outermost pixels repeated.
    Edge,
}

impl Padding {
    /// The pixel that stands at `index` of an axis of `len`; `None` is the constant colour.
    fn index(self, index: i64, len: i64) -> Option<usize> {
        let inside = match self {
            _ if (0..len).contains(&index) => index,
            Self::Constant(_) => return None,
            Self::Edge => index.clamp(0, len - 1),
            Self::Reflect if len == 1 => 0,
            Self::Reflect => {
                let turn = index.rem_euclid(2 * len - 2);
                turn.min(2 * len - 2 - turn)
            }
        };
        Some(inside as usize)
    }
}

/// Cuts out `width` x `height` pixels from (`x`, `y`) on, padded where that lies outside the image: `np.pad`, then a crop.
/// Sides are held within 1..=[`MAX_SIDE`](crate::MAX_SIDE).
pub fn crop_padded(image: &RgbImage, x: i32, y: i32, width: u32, height: u32, padding: Padding) -> RgbImage {
    let [width, height] = [width, height].map(|side| side.clamp(1, crate::MAX_SIDE));
    let colour = if let Padding::Constant(colour) = padding { colour } else { [0; 3] };
    let mut result = RgbImage::filled(width, height, colour);
    let (have_width, have_height) = (i64::from(image.width()), i64::from(image.height()));
    // The columns that are copied as they are, and the others.
    let from = (-i64::from(x)).clamp(0, width.into()) as usize;
    let to = (have_width - i64::from(x)).clamp(from as i64, width.into()) as usize;
    let source = |column: usize| padding.index(i64::from(x) + column as i64, have_width);
    let others = (0..from).chain(to..width as usize);
    let others: Vec<_> = others.filter_map(|column| Some((column, source(column)?))).collect();
    for (row, target) in result.data_mut().chunks_exact_mut(width as usize * 3).enumerate() {
        let Some(row) = padding.index(i64::from(y) + row as i64, have_height) else { continue };
        let row = image.row(row as u32);
        if from < to {
            let start = (i64::from(x) + from as i64) as usize * 3;
            target[from * 3..to * 3].copy_from_slice(&row[start..start + (to - from) * 3]);
        }
        for &(column, source) in &others {
            target[column * 3..column * 3 + 3].copy_from_slice(&row[source * 3..source * 3 + 3]);
        }
    }
    result
}

/// A square from a random place of the padded image: `torchvision.transforms.RandomCrop(size, padding, pad_if_needed=True)`.
///
/// CIFAR's is `RandomCrop::new(32)?.padding(4, Padding::Constant([0; 3]))?`, or `Padding::Reflect`. What is smaller than the crop
/// is padded on both sides by what is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RandomCrop {
    size: u32,
    pixels: u32,
    padding: Padding,
}

impl RandomCrop {
    /// Crops of `size` pixels, without padding where the image is large enough, else with black. Errs unless `size` is within
    /// 1..=[`MAX_SIDE`](crate::MAX_SIDE).
    pub fn new(size: u32) -> Result<Self, Error> {
        check_side("RandomCrop size", size)?;
        Ok(Self { size, pixels: 0, padding: Padding::Constant([0; 3]) })
    }

    /// Pads every side by `pixels` first. Errs above [`MAX_SIDE`](crate::MAX_SIDE).
    pub fn padding(mut self, pixels: u32, padding: Padding) -> Result<Self, Error> {
        check_within("RandomCrop padding", pixels.into(), 0.0..=crate::MAX_SIDE.into())?;
        (self.pixels, self.padding) = (pixels, padding);
        Ok(self)
    }

    /// Where the crop of an axis of `len` starts.
    fn start(&self, len: u32, rng: &mut Rng) -> i32 {
        let padded = len.min(crate::MAX_SIDE) + 2 * self.pixels;
        let missing = self.size.saturating_sub(padded);
        let free = padded + 2 * missing - self.size;
        rng.random_range(0..=free) as i32 - (self.pixels + missing) as i32
    }
}

impl Transform for RandomCrop {
    fn draw(&self, view: &mut View, rng: &mut Rng) {
        let (width, height) = view.size();
        let (y, x) = (self.start(height, rng), self.start(width, rng));
        view.push(Op::Crop { x, y, width: self.size, height: self.size, padding: self.padding });
    }
}

/// Moves the image by up to some whole pixels along each axis: DrQ's random shift (Kostrikov et al. 2020; 4 pixels of 84,
/// `Padding::Edge`), and the random translation of small images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RandomShift {
    pixels: u32,
    padding: Padding,
}

impl RandomShift {
    /// Every shift from `-pixels` to `pixels` is equally likely. Errs above [`MAX_SIDE`](crate::MAX_SIDE).
    pub fn new(pixels: u32, padding: Padding) -> Result<Self, Error> {
        check_within("RandomShift pixels", pixels.into(), 0.0..=crate::MAX_SIDE.into())?;
        Ok(Self { pixels, padding })
    }
}

impl Transform for RandomShift {
    fn draw(&self, view: &mut View, rng: &mut Rng) {
        let (width, height) = view.size();
        let most = self.pixels as i32;
        let (y, x) = (rng.random_range(-most..=most), rng.random_range(-most..=most));
        view.push(Op::Crop { x, y, width, height, padding: self.padding });
    }
}

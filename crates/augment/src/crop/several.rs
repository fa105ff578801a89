//! Several crops at fixed places: the four corners and the middle, as they are and mirrored.

use super::{center_crop, crop_padded};
use crate::error::check_side;
use crate::{Compose, Error, Op, Padding, Rng, Transform, View, flipped_horizontal, flipped_vertical};
use serde::{Deserialize, Serialize};
use visrep_decode::RgbImage;

/// Where a crop of fixed size lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CropPlace {
    /// The top-left corner.
    TopLeft,
    /// The top-right corner.
    TopRight,
    /// The bottom-left corner.
    BottomLeft,
    /// The bottom-right corner.
    BottomRight,
    /// The middle, as [`center_crop`] has it.
    Center,
}

impl CropPlace {
    /// All of them, in torchvision's order.
    pub const ALL: [Self; 5] =
        [Self::TopLeft, Self::TopRight, Self::BottomLeft, Self::BottomRight, Self::Center];

    /// The crop of `width` x `height` at this place of an image of `size`, as an operation.
    fn op(self, size: (u32, u32), width: u32, height: u32) -> Op {
        let (right, bottom) = (start(size.0, width), start(size.1, height));
        let (x, y) = match self {
            Self::TopLeft => (0, 0),
            Self::TopRight => (right, 0),
            Self::BottomLeft => (0, bottom),
            Self::BottomRight => (right, bottom),
            Self::Center => return Op::CenterCrop { width, height },
        };
        Op::Crop { x, y, width, height, padding: Padding::Constant([0; 3]) }
    }
}

/// Where the last `want` pixels of `have` begin; before the image where that many are not there.
fn start(have: u32, want: u32) -> i32 {
    (i64::from(have) - i64::from(want)).clamp(i32::MIN.into(), i32::MAX.into()) as i32
}

/// The crops of `width` x `height` at the top left, top right, bottom left, bottom right and in the middle:
/// `torchvision.transforms.FiveCrop`. Where the image is smaller, black lies beyond its edges (torchvision fails). Sides are held
/// within 1..=[`MAX_SIDE`](crate::MAX_SIDE).
pub fn five_crop(image: &RgbImage, width: u32, height: u32) -> [RgbImage; 5] {
    let [width, height] = [width, height].map(|side| side.clamp(1, crate::MAX_SIDE));
    CropPlace::ALL.map(|place| match place.op((image.width(), image.height()), width, height) {
        Op::Crop { x, y, padding, .. } => crop_padded(image, x, y, width, height, padding),
        _ => center_crop(image, width, height),
    })
}

/// [`five_crop`] of the image and of its mirror image, left for right or, if `vertical_flip`, top for bottom:
/// `torchvision.transforms.TenCrop`.
pub fn ten_crop(image: &RgbImage, width: u32, height: u32, vertical_flip: bool) -> [RgbImage; 10] {
    let mirrored = if vertical_flip { flipped_vertical(image) } else { flipped_horizontal(image) };
    let [a, b, c, d, e] = five_crop(image, width, height);
    let [f, g, h, i, j] = five_crop(&mirrored, width, height);
    [a, b, c, d, e, f, g, h, i, j]
}

/// Cuts a square out of a fixed place: one of the views of [`FiveCrop`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlacedCrop {
    size: u32,
    place: CropPlace,
}

impl PlacedCrop {
    /// A square of `size` pixels. Errs unless `size` is within 1..=[`MAX_SIDE`](crate::MAX_SIDE).
    pub fn new(size: u32, place: CropPlace) -> Result<Self, Error> {
        check_side("PlacedCrop size", size)?;
        Ok(Self { size, place })
    }
}

impl Transform for PlacedCrop {
    fn draw(&self, view: &mut View, _: &mut Rng) {
        view.push(self.place.op(view.size(), self.size, self.size));
    }
}

/// Five views of every image: the crops of [`five_crop`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FiveCrop {
    size: u32,
}

impl FiveCrop {
    /// Squares of `size` pixels. Errs unless `size` is within 1..=[`MAX_SIDE`](crate::MAX_SIDE).
    pub fn new(size: u32) -> Result<Self, Error> {
        check_side("FiveCrop size", size)?;
        Ok(Self { size })
    }

    /// One transform for each view.
    #[must_use]
    pub fn views(&self) -> [PlacedCrop; 5] {
        CropPlace::ALL.map(|place| PlacedCrop { size: self.size, place })
    }
}

/// Ten views of every image: the crops of [`ten_crop`].
#[derive(Clone, Debug, PartialEq)]
pub struct TenCrop {
    size: u32,
    flip: Op,
}

impl TenCrop {
    /// Squares of `size` pixels, mirrored left for right. Errs unless `size` is within 1..=[`MAX_SIDE`](crate::MAX_SIDE).
    pub fn new(size: u32) -> Result<Self, Error> {
        check_side("TenCrop size", size)?;
        Ok(Self { size, flip: Op::FlipHorizontal })
    }

    /// Mirrors top for bottom instead.
    #[must_use]
    pub fn vertical_flip(mut self) -> Self {
        self.flip = Op::FlipVertical;
        self
    }

    /// One transform for each view.
    #[must_use]
    pub fn views(&self) -> Vec<Compose> {
        let crops = CropPlace::ALL.map(|place| PlacedCrop { size: self.size, place });
        let plain = crops.iter().map(|&crop| Compose::new().then(crop));
        let mirrored = crops.iter().map(|&crop| Compose::new().then(self.flip.clone()).then(crop));
        plain.chain(mirrored).collect()
    }
}

//! Crops: the centre, the corners, random places with or without padding, and resized crops of random area and shape.

mod padded;
mod resized;
mod several;

pub use padded::{Padding, RandomCrop, RandomShift, crop_padded};
pub use resized::{CropSampling, RandomResizedCrop};
pub use several::{CropPlace, FiveCrop, PlacedCrop, TenCrop, five_crop, ten_crop};

use crate::error::check_side;
use crate::resize::resize_within;
use crate::{Error, Filter, Op, Rng, Transform, View};
use visrep_decode::{Region, RgbImage};

/// The middle `width` x `height` pixels, as torchvision's `center_crop`.
///
/// Where the image is smaller it is padded with black first, the odd pixel to the right and bottom.
/// Offsets of half a pixel are rounded to the even neighbour, as Python rounds.
pub fn center_crop(image: &RgbImage, width: u32, height: u32) -> RgbImage {
    let (x, width) = centre(image.width(), width);
    let (y, height) = centre(image.height(), height);
    let mut result = RgbImage::filled(width, height, [0; 3]);
    let stride = width as usize * 3;
    let copied = x.len as usize * 3;
    for row in 0..y.len {
        let to = (y.to + row) as usize * stride + x.to as usize * 3;
        let from = &image.row(y.from + row)[x.from as usize * 3..][..copied];
        result.data_mut()[to..to + copied].copy_from_slice(from);
    }
    result
}

/// [`resize_region`](crate::resize_region) of what `region` and the image have in common, at least a pixel.
pub(crate) fn resized_crop(
    image: &RgbImage,
    region: Region,
    width: u32,
    height: u32,
    filter: Filter,
) -> RgbImage {
    let cut = |start: u32, len: u32, have: u32| {
        let start = start.min(have - 1);
        (start, len.clamp(1, have - start))
    };
    let (x, cut_width) = cut(region.x, region.width, image.width());
    let (y, cut_height) = cut(region.y, region.height, image.height());
    let region = Region { x, y, width: cut_width, height: cut_height };
    resize_within(image, region, width, height, filter)
}

/// Where `len` pixels of one axis are read and written.
struct Span {
    from: u32,
    to: u32,
    len: u32,
}

fn centre(have: u32, want: u32) -> (Span, u32) {
    let want = want.max(1);
    let span = if want > have {
        Span { from: 0, to: (want - have) / 2, len: have }
    } else {
        let (half, odd) = ((have - want) / 2, (have - want) % 2);
        Span { from: half + (odd & (half % 2)), to: 0, len: want }
    };
    (span, want)
}

/// Cuts the centre out of every image; see [`center_crop`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CenterCrop {
    size: u32,
}

impl CenterCrop {
    /// A square of `size` pixels. Errs unless `size` is within 1..=[`MAX_SIDE`](crate::MAX_SIDE).
    pub fn new(size: u32) -> Result<Self, Error> {
        check_side("CenterCrop size", size)?;
        Ok(Self { size })
    }
}

impl Transform for CenterCrop {
    fn draw(&self, view: &mut View, _: &mut Rng) {
        view.push(Op::CenterCrop { width: self.size, height: self.size });
    }
}

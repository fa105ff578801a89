//! Crops: the centre, and the random resized crop of Inception as torchvision draws it.

use crate::error::{check_range, check_side};
use crate::resize::resize_within;
use crate::{Error, Filter, Op, Rng, Transform, View};
use rand::RngExt as _;
use std::ops::RangeInclusive;
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
    image: RgbImage,
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
    resize_within(&image, region, width, height, filter)
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

/// A crop of random area and shape, resized to a square: `torchvision.transforms.RandomResizedCrop`.
///
/// The area is uniform in `scale`, the logarithm of the ratio (width / height) uniform in `ratio`. After ten
/// draws that do not fit, the largest central crop with a ratio within the bounds is taken.
#[derive(Clone, Debug, PartialEq)]
pub struct RandomResizedCrop {
    size: u32,
    scale: RangeInclusive<f64>,
    ratio: RangeInclusive<f64>,
    filter: Filter,
}

impl RandomResizedCrop {
    /// Crops of 8 to 100 % of the area and ratios of 3/4 to 4/3, resized to `size` pixels (bilinear).
    ///
    /// Errs unless `size` is within 1..=[`MAX_SIDE`](crate::MAX_SIDE).
    pub fn new(size: u32) -> Result<Self, Error> {
        check_side("RandomResizedCrop size", size)?;
        Ok(Self { size, scale: 0.08..=1.0, ratio: 3.0 / 4.0..=4.0 / 3.0, filter: Filter::Bilinear })
    }

    /// Sets the crop's share of the area. Errs unless the range runs from low to high within 0..=1.
    pub fn scale(mut self, scale: RangeInclusive<f64>) -> Result<Self, Error> {
        check_range("RandomResizedCrop scale", &scale, 0.0..=1.0)?;
        self.scale = scale;
        Ok(self)
    }

    /// Sets the crop's width / height. Errs unless the range runs from low to high within 0.001..=1000.
    pub fn ratio(mut self, ratio: RangeInclusive<f64>) -> Result<Self, Error> {
        check_range("RandomResizedCrop ratio", &ratio, 1e-3..=1e3)?;
        self.ratio = ratio;
        Ok(self)
    }

    /// Sets the interpolation of the resize.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = filter;
        self
    }

    /// Draws the region for an image of `width` x `height`. Sides of zero count as one.
    fn region(&self, width: u32, height: u32, rng: &mut Rng) -> Region {
        let (width, height) = (width.max(1), height.max(1));
        let area = f64::from(width) * f64::from(height);
        let log_ratio = self.ratio.start().ln()..=self.ratio.end().ln();
        for _ in 0..10 {
            let target = area * rng.random_range(self.scale.clone());
            let ratio = rng.random_range(log_ratio.clone()).exp();
            let w = (target * ratio).sqrt().round_ties_even();
            let h = (target / ratio).sqrt().round_ties_even();
            if (1.0..=f64::from(width)).contains(&w) && (1.0..=f64::from(height)).contains(&h) {
                let (w, h) = (w as u32, h as u32);
                let y = rng.random_range(0..=height - h);
                let x = rng.random_range(0..=width - w);
                return Region { x, y, width: w, height: h };
            }
        }
        self.fallback(width, height)
    }

    fn fallback(&self, width: u32, height: u32) -> Region {
        let ratio = f64::from(width) / f64::from(height);
        let (mut w, mut h) = (width, height);
        if ratio < *self.ratio.start() {
            h = ((f64::from(w) / self.ratio.start()).round_ties_even() as u32).clamp(1, height);
        } else if ratio > *self.ratio.end() {
            w = ((f64::from(h) * self.ratio.end()).round_ties_even() as u32).clamp(1, width);
        }
        Region { x: (width - w) / 2, y: (height - h) / 2, width: w, height: h }
    }
}

impl Transform for RandomResizedCrop {
    fn draw(&self, view: &mut View, rng: &mut Rng) {
        let (width, height) = view.size();
        let region = self.region(width, height, rng);
        view.push(Op::ResizedCrop { region, width: self.size, height: self.size, filter: self.filter });
    }
}

//! Crops of random area and shape, resized to a square.

use crate::error::{check_range, check_side};
use crate::{Error, Filter, Op, Rng, Transform, View};
use rand::RngExt as _;
use std::ops::RangeInclusive;
use visrep_decode::Region;

/// How [`RandomResizedCrop`] draws its region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CropSampling {
    /// torchvision and timm: the area is uniform in `scale`, the logarithm of the ratio (width / height) uniform in `ratio`.
    /// After ten draws that do not fit, the largest central crop with a ratio within the bounds is taken.
    #[default]
    Torchvision,
    /// `tf.image.sample_distorted_bounding_box` without a box (`min_object_covered=0`), which big_vision crops with: the
    /// ratio is uniform in `ratio`, the *height* uniform between those of the smallest and the largest area; after 100 draws
    /// that do not fit, the whole image is taken. The last row and column of places is never drawn, as in the original.
    TensorFlow,
    /// The same with the whole image as the box and the default `min_object_covered=0.1`, as Inception and SimCLR have it: crops
    /// of less than a tenth of the area, which `scale` may allow, are drawn again.
    Inception,
    /// One draw as torchvision's, whose sides are cut to those of the image: MAE's linear evaluation
    /// (`util/crop.py`, after BYOL).
    OneShot,
}

/// A crop of random area and shape, resized to a square: `torchvision.transforms.RandomResizedCrop`, or with another
/// [`CropSampling`].
#[derive(Clone, Debug, PartialEq)]
pub struct RandomResizedCrop {
    size: u32,
    scale: RangeInclusive<f64>,
    ratio: RangeInclusive<f64>,
    filter: Filter,
    sampling: CropSampling,
}

impl RandomResizedCrop {
    /// Crops of 8 to 100 % of the area and ratios of 3/4 to 4/3, resized to `size` pixels (bilinear).
    ///
    /// Errs unless `size` is within 1..=[`MAX_SIDE`](crate::MAX_SIDE).
    pub fn new(size: u32) -> Result<Self, Error> {
        check_side("RandomResizedCrop size", size)?;
        Ok(Self {
            size,
            scale: 0.08..=1.0,
            ratio: 3.0 / 4.0..=4.0 / 3.0,
            filter: Filter::Bilinear,
            sampling: CropSampling::Torchvision,
        })
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

    /// Sets how the region is drawn.
    #[must_use]
    pub fn sampling(mut self, sampling: CropSampling) -> Self {
        self.sampling = sampling;
        self
    }

    /// Draws the region for an image of `width` x `height`. Sides of zero count as one.
    fn region(&self, width: u32, height: u32, rng: &mut Rng) -> Region {
        let (width, height) = (width.max(1), height.max(1));
        match self.sampling {
            CropSampling::Torchvision => (0..10)
                .map(|_| self.sides(width, height, rng))
                .find(|&(w, h)| (1..=width).contains(&w) && (1..=height).contains(&h))
                .map_or_else(|| self.fallback(width, height), |(w, h)| place(width, height, w, h, rng)),
            CropSampling::OneShot => {
                let (w, h) = self.sides(width, height, rng);
                place(width, height, w.clamp(1, width), h.clamp(1, height), rng)
            }
            CropSampling::TensorFlow | CropSampling::Inception => {
                let all = width as f32 * height as f32;
                let least = if self.sampling == CropSampling::Inception { 0.1 } else { 0.0 };
                (0..100)
                    .filter_map(|_| self.tensorflow(width, height, rng))
                    .find(|crop| crop.width as f32 * crop.height as f32 / all >= least)
                    .unwrap_or(Region { x: 0, y: 0, width, height })
            }
        }
    }

    /// Draws a width and a height, which may be 0 or exceed the image.
    fn sides(&self, width: u32, height: u32, rng: &mut Rng) -> (u32, u32) {
        let target = f64::from(width) * f64::from(height) * rng.random_range(self.scale.clone());
        let ratio = rng.random_range(self.ratio.start().ln()..=self.ratio.end().ln()).exp();
        let side = |square: f64| square.sqrt().round_ties_even() as u32;
        (side(target * ratio), side(target / ratio))
    }

    /// One attempt of `GenerateRandomCrop` (`sample_distorted_bounding_box_op.cc`), in its single precision.
    fn tensorflow(&self, width: u32, height: u32, rng: &mut Rng) -> Option<Region> {
        let ratio = rng.random_range(*self.ratio.start() as f32..=*self.ratio.end() as f32);
        let total = |share: f64| share as f32 * width as f32 * height as f32;
        let (least, most) = (total(*self.scale.start()), total(*self.scale.end()));
        let round = |value: f32| value.round_ties_even() as u32;
        let wide = |h: u32| round(h as f32 * ratio);
        let mut highest = round((most / ratio).sqrt());
        if wide(highest) > width {
            highest = ((f64::from(width) + 0.5 - 1e-7) / f64::from(ratio)) as u32;
            if wide(highest) > width {
                highest -= 1;
            }
        }
        let highest = highest.min(height);
        let lowest = round((least / ratio).sqrt()).min(highest);
        let mut h = rng.random_range(lowest..=highest);
        // Rounding may have left the bounds by a little.
        let area = |h: u32| wide(h) as f32 * h as f32;
        if area(h) < least {
            h += 1;
        }
        if area(h) > most {
            h = h.saturating_sub(1);
        }
        let w = wide(h);
        let fits = (1..=width).contains(&w) && (1..=height).contains(&h);
        if !fits || area(h) < least || area(h) > most {
            return None;
        }
        let mut start = |free: u32| if free > 0 { rng.random_range(0..free) } else { 0 };
        let y = start(height - h);
        Some(Region { x: start(width - w), y, width: w, height: h })
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

/// A place for `w` x `h` within `width` x `height`, all equally likely.
fn place(width: u32, height: u32, w: u32, h: u32, rng: &mut Rng) -> Region {
    let y = rng.random_range(0..=height - h);
    Region { x: rng.random_range(0..=width - w), y, width: w, height: h }
}

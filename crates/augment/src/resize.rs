//! Resizing with Pillow's antialiased filters.
//!
//! As in Pillow (`src/libImaging/Resample.c`) the filter's support grows with the scale when an image
//! shrinks, and pixels are rounded to 8 bits between the two passes, whose order is that of Pillow 13.

use crate::error::{MAX_SIDE, check_side};
use crate::{Error, Op, Rng, Transform, View};
use fast_image_resize::images::{CroppedImage, Image, ImageRef};
use fast_image_resize::{FilterType, IntoImageView, PixelType, ResizeAlg, ResizeOptions, Resizer};
use serde::{Deserialize, Serialize};
use visrep_decode::{Region, RgbImage};

/// The interpolation of a resize, named as in Pillow's `Image.Resampling`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// The pixel under the centre of the output pixel; the only one that does not antialias.
    Nearest,
    /// The mean of the pixels covered.
    Box,
    /// A triangle of support 1.
    Bilinear,
    /// The Keys cubic with a = -0.5, of support 2.
    Bicubic,
    /// A sinc windowed by a sinc, of support 3.
    Lanczos,
}

impl Filter {
    /// The antialiasing kernel; none for `Nearest`.
    fn kernel(self) -> Option<FilterType> {
        match self {
            Filter::Nearest => None,
            Filter::Box => Some(FilterType::Box),
            Filter::Bilinear => Some(FilterType::Bilinear),
            Filter::Bicubic => Some(FilterType::CatmullRom),
            Filter::Lanczos => Some(FilterType::Lanczos3),
        }
    }
}

/// Resizes to `width` x `height`, as Pillow's `Image.resize` does. Sides are held within 1..=[`MAX_SIDE`].
pub fn resize(image: &RgbImage, width: u32, height: u32, filter: Filter) -> RgbImage {
    let whole = Region { x: 0, y: 0, width: image.width(), height: image.height() };
    resize_within(image, whole, width, height, filter)
}

/// Cuts `region` out and resizes it to `width` x `height`: torchvision's `resized_crop`.
///
/// Pixels outside the region have no influence. Sides are held within 1..=[`MAX_SIDE`]. Errs when the
/// region is empty or reaches outside the image.
pub fn resize_region(
    image: &RgbImage,
    region: Region,
    width: u32,
    height: u32,
    filter: Filter,
) -> Result<RgbImage, Error> {
    region.check(image.width(), image.height())?;
    Ok(resize_within(image, region, width, height, filter))
}

/// [`resize_region`] for a region known to lie inside the image.
pub(crate) fn resize_within(
    image: &RgbImage,
    region: Region,
    width: u32,
    height: u32,
    filter: Filter,
) -> RgbImage {
    let (width, height) = (width.clamp(1, MAX_SIDE), height.clamp(1, MAX_SIDE));
    let Some(kernel) = filter.kernel() else { return nearest(image, region, width, height) };
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(kernel));
    let source = ImageRef::new(image.width(), image.height(), image.data(), PixelType::U8x3)
        .expect("an image's buffer fits its size");
    let source = CroppedImage::new(&source, region.x, region.y, region.width, region.height)
        .expect("the caller has checked the region");
    if width == region.width || height == region.height || vertical_first(region, width, height) {
        return pass(&source, width, height, &options);
    }
    // Two calls, because by itself the resizer runs the vertical pass first.
    let wide = pass(&source, width, region.height, &options);
    let wide = ImageRef::new(wide.width(), wide.height(), wide.data(), PixelType::U8x3)
        .expect("an image's buffer fits its size");
    pass(&wide, width, height, &options)
}

/// Whether Pillow runs the vertical pass first: when the height shrinks by more than twice what the width does.
///
/// The order shows where a filter with negative weights clips between the passes, by tens of levels.
fn vertical_first(region: Region, width: u32, height: u32) -> bool {
    let shrink = |from: u32, to: u32| i64::from(from) - i64::from(to);
    shrink(region.height, height) > 2 * shrink(region.width, width).max(0)
}

fn pass(source: &impl IntoImageView, width: u32, height: u32, options: &ResizeOptions) -> RgbImage {
    let mut result = RgbImage::filled(width, height, [0; 3]);
    let mut target = Image::from_slice_u8(width, height, result.data_mut(), PixelType::U8x3)
        .expect("an image's buffer fits its size");
    Resizer::new().resize(source, &mut target, options).expect("both sides hold 8-bit RGB");
    result
}

fn nearest(image: &RgbImage, region: Region, width: u32, height: u32) -> RgbImage {
    let columns = nearest_indices(region.x, region.width, width);
    let mut data = Vec::with_capacity(width as usize * height as usize * 3);
    for y in nearest_indices(region.y, region.height, height) {
        let row = image.row(y as u32).as_chunks::<3>().0;
        data.extend(columns.iter().flat_map(|&x| row[x]));
    }
    RgbImage::new(width, height, data).expect("every row has the same number of pixels")
}

/// The source index of each of `count` output pixels, `len` source pixels from `start` on.
///
/// The position is a running sum, as in Pillow (`Geometry.c`), because its rounding decides which pixel is taken
/// where an output pixel's centre falls between two.
fn nearest_indices(start: u32, len: u32, count: u32) -> Vec<usize> {
    let step = f64::from(len) / f64::from(count);
    let last = start + len - 1;
    let centres = std::iter::successors(Some(step * 0.5), |centre| Some(centre + step));
    centres.take(count as usize).map(|centre| (start + centre as u32).min(last) as usize).collect()
}

/// Resizes every image, to a fixed size or by its shorter edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resize {
    target: Target,
    filter: Filter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Exact { width: u32, height: u32 },
    ShortestEdge(u32),
}

impl Resize {
    /// Resizes to `width` x `height` whatever the shape. Errs unless both are within 1..=[`MAX_SIDE`].
    pub fn exact(width: u32, height: u32, filter: Filter) -> Result<Self, Error> {
        check_side("Resize width", width)?;
        check_side("Resize height", height)?;
        Ok(Self { target: Target::Exact { width, height }, filter })
    }

    /// Makes the shorter edge `size` pixels long and keeps the shape, as `torchvision.transforms.Resize(size)`.
    ///
    /// The longer edge is `size * long / short` rounded down, and at most [`MAX_SIDE`]. Errs unless
    /// `size` is within 1..=[`MAX_SIDE`].
    pub fn shortest_edge(size: u32, filter: Filter) -> Result<Self, Error> {
        check_side("Resize size", size)?;
        Ok(Self { target: Target::ShortestEdge(size), filter })
    }

    /// The width and height that an image of `width` x `height` gets.
    pub fn output_size(&self, width: u32, height: u32) -> (u32, u32) {
        match self.target {
            Target::Exact { width, height } => (width, height),
            Target::ShortestEdge(size) => {
                let (short, long) = (width.min(height).max(1), width.max(height));
                let longer = u64::from(size) * u64::from(long) / u64::from(short);
                let longer = longer.clamp(1, u64::from(MAX_SIDE)) as u32;
                if width <= height { (size, longer) } else { (longer, size) }
            }
        }
    }
}

impl Transform for Resize {
    fn draw(&self, view: &mut View, _: &mut Rng) {
        let (width, height) = view.size();
        let (width, height) = self.output_size(width, height);
        view.push(Op::Resize { width, height, filter: self.filter });
    }
}

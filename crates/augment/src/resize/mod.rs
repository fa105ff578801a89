//! Resizing with Pillow's antialiased filters, equal to Pillow 13 to the bit.
//!
//! As in Pillow (`src/libImaging/Resample.c`) the filter's support grows with the scale when an image
//! shrinks, weights have 22 bits, and pixels are rounded to 8 bits between the two passes, whose order is that of
//! Pillow 13. torchvision's resize of uint8 *tensors* (`antialias=True`) has the same kernels but weights of as many bits
//! as fit 16 with the sign, and always the horizontal pass first: it differs from this by 1 level (2 when a
//! bicubic enlarges noise) in under 1 % of the values, and by tens of levels where Pillow swaps the passes.

mod bands;
mod float;
mod passes;
mod weights;

use crate::error::{MAX_SIDE, check_side, check_within};
use crate::simd::with_scratch;
use crate::{Error, Op, Rng, Transform, View};
use bands::{horizontal, scratch_len};
pub use float::resize_float;
use passes::{Rows, vertical};
use serde::{Deserialize, Serialize};
use visrep_decode::{Region, RgbImage};
use weights::Weights;

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
    /// A sinc of support 1 under a Hamming window.
    Hamming,
    /// The Keys cubic with a = -0.5, of support 2.
    Bicubic,
    /// A sinc windowed by a sinc, of support 3.
    Lanczos,
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

/// Resizes the part of the image between `region` = `[left, top, right, bottom]`, in pixels, which need not be whole:
/// Pillow's `Image.resize(size, resample, box)`.
///
/// Pixels outside the region have an influence, as far as the filter reaches. Sides are held within 1..=[`MAX_SIDE`].
/// Errs unless the region lies in the image and has an extent in both directions.
pub fn resize_box(
    image: &RgbImage,
    region: [f64; 4],
    width: u32,
    height: u32,
    filter: Filter,
) -> Result<RgbImage, Error> {
    let [left, top, right, bottom] = region.map(|side| side as f32);
    check_within("resize_box left", left.into(), 0.0..=f64::from(right).next_down())?;
    check_within("resize_box top", top.into(), 0.0..=f64::from(bottom).next_down())?;
    check_within("resize_box right", right.into(), f64::from(left)..=image.width().into())?;
    check_within("resize_box bottom", bottom.into(), f64::from(top)..=image.height().into())?;
    let (width, height) = (width.clamp(1, MAX_SIDE), height.clamp(1, MAX_SIDE));
    let row = image.width() as usize;
    let source = Rows { data: image.data(), stride: row * 3, width: row };
    let span = Span { x: (left, right), y: (top, bottom) };
    Ok(resample(&source, image.height(), &span, (width, height), filter))
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
    let left = region.y as usize * image.width() as usize + region.x as usize;
    let stride = image.width() as usize * 3;
    let source = Rows { data: &image.data()[left * 3..], stride, width: region.width as usize };
    let all = Span { x: (0.0, region.width as f32), y: (0.0, region.height as f32) };
    resample(&source, region.height, &all, (width, height), filter)
}

/// The part of an image that is resized, in pixels from its corner, of single precision as in Pillow.
struct Span {
    x: (f32, f32),
    y: (f32, f32),
}

/// Both passes, of which those that would change nothing are left out, as in Pillow.
fn resample(
    source: &Rows<'_>,
    height: u32,
    span: &Span,
    (to_width, to_height): (u32, u32),
    filter: Filter,
) -> RgbImage {
    let width = source.width as u32;
    if filter == Filter::Nearest {
        return nearest(source, height, span, (to_width, to_height));
    }
    let whole = |(from, to): (f32, f32), len: u32, to_len: u32| {
        len == to_len && from == 0.0 && f64::from(to) == f64::from(to_len)
    };
    let columns = (!whole(span.x, width, to_width)).then(|| Weights::new(width, span.x, to_width, filter));
    let rows = (!whole(span.y, height, to_height)).then(|| Weights::new(height, span.y, to_height, filter));
    let mut data = vec![0; to_width as usize * to_height as usize * 3];
    let row_len = to_width as usize * 3;
    match (&columns, &rows) {
        (None, None) => {
            let rows = data.chunks_exact_mut(row_len).enumerate();
            rows.for_each(|(y, row)| row.copy_from_slice(source.row(y)));
        }
        (None, Some(rows)) => vertical(source, 0, rows, &mut data),
        (Some(columns), None) => with_scratch(scratch_len(columns), |scratch| {
            horizontal(source, (0, height as usize), columns, &mut data, scratch);
        }),
        (Some(columns), Some(rows)) => {
            let swapped = vertical_first((width, height), (to_width, to_height));
            let used = rows.source();
            let len =
                if swapped { source.width * 3 * to_height as usize } else { row_len * (used.1 - used.0) };
            with_scratch(len + scratch_len(columns), |scratch| {
                let (between, scratch) = scratch.split_at_mut(len);
                if swapped {
                    vertical(source, 0, rows, between);
                    let between = Rows { data: between, stride: source.width * 3, width: source.width };
                    horizontal(&between, (0, to_height as usize), columns, &mut data, scratch);
                } else {
                    horizontal(source, used, columns, between, scratch);
                    let between = Rows { data: between, stride: row_len, width: to_width as usize };
                    vertical(&between, used.0, rows, &mut data);
                }
            });
        }
    }
    RgbImage::new(to_width, to_height, data).expect("the passes make rows of this size")
}

/// Whether the vertical pass is first: when the height shrinks by more than twice what the width does (Pillow 13).
///
/// The order shows where a filter with negative weights clips between the passes, by tens of levels.
fn vertical_first(from: (u32, u32), to: (u32, u32)) -> bool {
    let shrink = |from: u32, to: u32| i64::from(from) - i64::from(to);
    shrink(from.1, to.1) > 2 * shrink(from.0, to.0).max(0)
}

fn nearest(source: &Rows<'_>, height: u32, span: &Span, (to_width, to_height): (u32, u32)) -> RgbImage {
    let columns = nearest_indices(source.width as u32, span.x, to_width);
    let mut data = Vec::with_capacity(to_width as usize * to_height as usize * 3);
    for y in nearest_indices(height, span.y, to_height) {
        let row = source.row(y).as_chunks::<3>().0;
        data.extend(columns.iter().flat_map(|&x| row[x]));
    }
    RgbImage::new(to_width, to_height, data).expect("every row has the same number of pixels")
}

/// The source index, of `len`, of each of `count` output pixels that span `from..to`.
///
/// The position is a running sum, as in Pillow (`Geometry.c`), because its rounding decides which pixel is taken
/// where an output pixel's centre falls between two.
fn nearest_indices(len: u32, (from, to): (f32, f32), count: u32) -> Vec<usize> {
    let step = f64::from(to - from) / f64::from(count);
    let centres = std::iter::successors(Some(f64::from(from) + step * 0.5), |centre| Some(centre + step));
    centres.take(count as usize).map(|centre| (centre as u32).min(len - 1) as usize).collect()
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
    LongestEdge(u32),
    MultipleOf(u32),
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

    /// Makes the longer edge `size` pixels long and keeps the shape; the shorter edge is `size * short / long` rounded down, at
    /// least 1. Errs unless `size` is within 1..=[`MAX_SIDE`].
    pub fn longest_edge(size: u32, filter: Filter) -> Result<Self, Error> {
        check_side("Resize size", size)?;
        Ok(Self { target: Target::LongestEdge(size), filter })
    }

    /// Makes both sides the nearest multiple of `patch` pixels (a half goes up), at least one: what a ViT of free size
    /// needs. Errs unless `patch` is within 1..=[`MAX_SIDE`].
    pub fn multiple_of(patch: u32, filter: Filter) -> Result<Self, Error> {
        check_side("Resize patch", patch)?;
        Ok(Self { target: Target::MultipleOf(patch), filter })
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
            Target::LongestEdge(size) => {
                let (short, long) = (width.min(height), width.max(height).max(1));
                let shorter = (u64::from(size) * u64::from(short) / u64::from(long)).max(1) as u32;
                if width <= height { (shorter, size) } else { (size, shorter) }
            }
            Target::MultipleOf(patch) => {
                let most = MAX_SIDE / patch;
                let side = |len: u32| (len.saturating_add(patch / 2) / patch).clamp(1, most) * patch;
                (side(width), side(height))
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

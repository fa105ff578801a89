//! The same resize with weights of 15 bits, in two thirds of the time.

use super::{Filter, resize_within, vertical_first};
use crate::Error;
use crate::error::MAX_SIDE;
use fast_image_resize::images::{CroppedImage, Image, ImageRef};
use fast_image_resize::{FilterType, IntoImageView, PixelType, ResizeAlg, ResizeOptions, Resizer};
use visrep_decode::{Region, RgbImage};

/// [`resize_region`](crate::resize_region) by `fast_image_resize`, whose weights have fewer bits than Pillow's: it takes about
/// two thirds of the time and differs by up to 1 level with `Box`, `Bilinear` and `Hamming`, up to 2 with `Bicubic` and `Lanczos`.
pub fn resize_region_fast(
    image: &RgbImage,
    region: Region,
    width: u32,
    height: u32,
    filter: Filter,
) -> Result<RgbImage, Error> {
    region.check(image.width(), image.height())?;
    Ok(resize_within_fast(image, region, width, height, filter))
}

/// [`resize_region_fast`] for a region known to lie inside the image.
pub(crate) fn resize_within_fast(
    image: &RgbImage,
    region: Region,
    width: u32,
    height: u32,
    filter: Filter,
) -> RgbImage {
    let (width, height) = (width.clamp(1, MAX_SIDE), height.clamp(1, MAX_SIDE));
    let kernel = match filter {
        Filter::Nearest => return resize_within(image, region, width, height, filter),
        Filter::Box => FilterType::Box,
        Filter::Bilinear => FilterType::Bilinear,
        Filter::Hamming => FilterType::Hamming,
        Filter::Bicubic => FilterType::CatmullRom,
        Filter::Lanczos => FilterType::Lanczos3,
    };
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(kernel));
    let source = ImageRef::new(image.width(), image.height(), image.data(), PixelType::U8x3)
        .expect("an image's buffer fits its size");
    let source = CroppedImage::new(&source, region.x, region.y, region.width, region.height)
        .expect("the caller has checked the region");
    let one_pass = width == region.width || height == region.height;
    if one_pass || vertical_first((region.width, region.height), (width, height)) {
        return pass(&source, width, height, &options);
    }
    // Two calls, because by itself the resizer runs the vertical pass first.
    let wide = pass(&source, width, region.height, &options);
    let wide = ImageRef::new(wide.width(), wide.height(), wide.data(), PixelType::U8x3)
        .expect("an image's buffer fits its size");
    pass(&wide, width, height, &options)
}

fn pass(source: &impl IntoImageView, width: u32, height: u32, options: &ResizeOptions) -> RgbImage {
    let mut result = RgbImage::filled(width, height, [0; 3]);
    let mut target = Image::from_slice_u8(width, height, result.data_mut(), PixelType::U8x3)
        .expect("an image's buffer fits its size");
    Resizer::new().resize(source, &mut target, options).expect("both sides hold 8-bit RGB");
    result
}

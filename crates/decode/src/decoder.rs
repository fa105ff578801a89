//! The decoder that keeps its memory, and what it makes of regions and scales.

use crate::{DecodeOptions, Error, Format, Header, Orientation, OrientationPolicy, Region, RgbImage};
use crate::{bmp, gif, guarded, jpeg, png, read_header, tiff, webp};

/// Decodes image after image without asking for memory each time: one for each worker.
///
/// It holds on to as much as the largest JPEG so far took: up to about 12 bytes per pixel of its decoded part for
/// progressive files, 3 for others.
///
/// ```
/// use visrep_decode::{DecodeOptions, Decoder, Region, RgbImage, encode_png, read_header};
///
/// let bytes = encode_png(&RgbImage::filled(400, 300, [200, 30, 90]))?;
/// let (mut decoder, options) = (Decoder::new(), DecodeOptions::default());
/// let (width, height) = read_header(&bytes)?.oriented_size();
/// let crop = Region { x: width / 4, y: height / 4, width: width / 2, height: height / 2 };
/// let image = decoder.decode_region(&bytes, crop, &options)?;
/// assert_eq!((image.width(), image.height()), (200, 150));
/// decoder.recycle(image);
/// # Ok::<(), visrep_decode::Error>(())
/// ```
#[derive(Default)]
pub struct Decoder {
    jpeg: jpeg::Scratch,
    /// The memory of an image that was given back.
    spare: Vec<u8>,
}

/// A region of an image, decoded at the scale that an output size needs; see [`Decoder::decode_scaled`].
#[derive(Clone, Debug, PartialEq)]
pub struct ScaledRegion {
    /// The pixels: the region, up to whole pixels of the scaled image.
    pub image: RgbImage,
    /// Where in `image` the region lies. Only that part is to be resized.
    pub area: Area,
    /// How many pixels of the whole image one pixel stands for, along both sides: 1, 2, 4 or 8.
    pub reduction: u32,
}

/// A rectangle whose edges may lie between pixels; a pixel is a square of side 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    /// Distance of the left edge from the image's left edge.
    pub x: f64,
    /// Distance of the top edge from the image's top edge.
    pub y: f64,
    /// Width in pixels.
    pub width: f64,
    /// Height in pixels.
    pub height: f64,
}

impl Decoder {
    /// A decoder that holds no memory yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// [`decode`](crate::decode), in this decoder's memory.
    pub fn decode(&mut self, bytes: &[u8], options: &DecodeOptions) -> Result<RgbImage, Error> {
        let header = read_header(bytes)?;
        options.limits.check(&header)?;
        let whole = Region { x: 0, y: 0, width: header.width, height: header.height };
        Ok(orientation(&header, options).apply(self.stored(bytes, &header, whole, 1, options)?))
    }

    /// [`decode_region`](crate::decode_region), in this decoder's memory.
    pub fn decode_region(
        &mut self,
        bytes: &[u8],
        region: Region,
        options: &DecodeOptions,
    ) -> Result<RgbImage, Error> {
        let header = read_header(bytes)?;
        let orientation = orientation(&header, options);
        let stored = stored_region(&header, orientation, region)?;
        options.limits.check(&header)?;
        Ok(orientation.apply(self.stored(bytes, &header, stored, 1, options)?))
    }

    /// Decodes the pixels of `region` at the smallest of the scales 1/1, 1/2, 1/4 and 1/8 at which the region still has
    /// `wanted.0` x `wanted.1` pixels, or at 1/1 when it has fewer at all of them.
    ///
    /// A JPEG is scaled within its inverse DCT, to the very pixels of libjpeg-turbo's `scale_denom` (Pillow's `draft`),
    /// which are close to the means of 2x2, 4x4 or 8x8 pixels; other formats are not scaled. The region is in the
    /// coordinates of [`decode`](crate::decode)'s image, and is checked before any pixel is decoded.
    pub fn decode_scaled(
        &mut self,
        bytes: &[u8],
        region: Region,
        wanted: (u32, u32),
        options: &DecodeOptions,
    ) -> Result<ScaledRegion, Error> {
        let header = read_header(bytes)?;
        let orientation = orientation(&header, options);
        let stored = stored_region(&header, orientation, region)?;
        options.limits.check(&header)?;
        let enough = |reduction: u32| {
            let enough = |side: u32, wanted: u32| u64::from(side) >= u64::from(wanted) * u64::from(reduction);
            enough(region.width, wanted.0) && enough(region.height, wanted.1)
        };
        let reduction = match header.format {
            Format::Jpeg => [8, 4, 2].into_iter().find(|&reduction| enough(reduction)).unwrap_or(1),
            _ => 1,
        };
        let (right, bottom) = (stored.x + stored.width, stored.y + stored.height);
        let (x, y) = (stored.x / reduction, stored.y / reduction);
        let (width, height) = (right.div_ceil(reduction) - x, bottom.div_ceil(reduction) - y);
        let image = self.stored(bytes, &header, Region { x, y, width, height }, reduction, options)?;
        let scaled = |side: u32| f64::from(side) / f64::from(reduction);
        let area = Area {
            x: scaled(stored.x) - f64::from(x),
            y: scaled(stored.y) - f64::from(y),
            width: scaled(stored.width),
            height: scaled(stored.height),
        };
        let area = orientation.apply_to_area(area, f64::from(width), f64::from(height));
        Ok(ScaledRegion { image: orientation.apply(image), area, reduction })
    }

    /// Takes an image's memory for the next one.
    pub fn recycle(&mut self, image: RgbImage) {
        let data = image.into_data();
        if data.capacity() > self.spare.capacity() {
            self.spare = data;
        }
    }

    /// `region` of the image as it is stored, scaled down `reduction` times; only a JPEG can be.
    fn stored(
        &mut self,
        bytes: &[u8],
        header: &Header,
        region: Region,
        reduction: u32,
        options: &DecodeOptions,
    ) -> Result<RgbImage, Error> {
        let image = guarded(header.format, || match header.format {
            Format::Jpeg => {
                let plan = jpeg::Plan { eighths: (8 / reduction) as usize, region };
                jpeg::decode(bytes, &plan, &mut self.jpeg, std::mem::take(&mut self.spare))
            }
            Format::Png => png::decode(bytes, header),
            Format::WebP => webp::decode(bytes),
            Format::Gif => gif::decode(bytes, header, &options.limits),
            Format::Bmp => bmp::decode(bytes),
            Format::Tiff => tiff::decode(bytes),
        })?;
        if (image.width(), image.height()) == (region.width, region.height) {
            return Ok(image);
        }
        image.crop(region)
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").finish_non_exhaustive()
    }
}

/// The orientation to apply.
fn orientation(header: &Header, options: &DecodeOptions) -> Orientation {
    match options.orientation {
        OrientationPolicy::AsStored => Orientation::Normal,
        OrientationPolicy::Apply => header.orientation,
    }
}

/// `region` of the upright image, in the coordinates of the stored one.
fn stored_region(header: &Header, orientation: Orientation, region: Region) -> Result<Region, Error> {
    let (width, height) = (header.width, header.height);
    if orientation.swaps_sides() {
        region.check(height, width)?
    } else {
        region.check(width, height)?
    }
    Ok(orientation.region_before(region, width, height))
}

//! What a file says about itself before any pixel is decoded.

use crate::{Error, Format, Orientation, bmp, gif, guarded, jpeg, png, tiff, webp};

/// What the header says about an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// The format, told from the bytes.
    pub format: Format,
    /// Width in pixels of what [`decode`](crate::decode) returns by default.
    pub width: u32,
    /// Height in pixels of what [`decode`](crate::decode) returns by default.
    pub height: u32,
    /// What a stored pixel is made of.
    pub color: Color,
    /// Bits per stored sample: 1, 2, 4, 8, 16, 32 …
    pub bits: u8,
    /// The orientation that [`OrientationPolicy::Apply`](crate::OrientationPolicy::Apply) would apply. A TIFF's is
    /// always applied, and so is `Normal` here.
    pub orientation: Orientation,
}

/// What a stored pixel is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Color {
    /// One grey sample.
    Gray,
    /// Grey and alpha.
    GrayAlpha,
    /// Red, green and blue, or what JPEG and lossy WebP store in their place (YCbCr).
    Rgb,
    /// Red, green, blue and alpha.
    Rgba,
    /// An index into a table of colours.
    Palette,
    /// Cyan, magenta, yellow and black.
    Cmyk,
    /// Anything else; decoding such a file fails.
    Other,
}

impl Color {
    /// Samples per stored pixel; 0 for [`Color::Other`].
    pub fn channels(self) -> u8 {
        match self {
            Self::Other => 0,
            Self::Gray | Self::Palette => 1,
            Self::GrayAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba | Self::Cmyk => 4,
        }
    }
}

impl Header {
    /// Width and height after the orientation is applied.
    pub fn oriented_size(&self) -> (u32, u32) {
        if self.orientation.swaps_sides() { (self.height, self.width) } else { (self.width, self.height) }
    }
}

/// Reads the header alone. No pixel is decoded, and no limit applies: the caller sees the size and decides.
///
/// Errors: bytes of no known format, and a header that is truncated, corrupt or states a side of zero.
pub fn read_header(bytes: &[u8]) -> Result<Header, Error> {
    if bytes.is_empty() {
        return Err(Error::Empty);
    }
    let format = Format::sniff(bytes)
        .ok_or_else(|| Error::UnknownFormat { start: bytes[..bytes.len().min(8)].to_vec() })?;
    let header = guarded(format, || match format {
        Format::Jpeg => jpeg::header(bytes),
        Format::Png => png::header(bytes),
        Format::WebP => webp::header(bytes),
        Format::Gif => gif::header(bytes),
        Format::Bmp => bmp::header(bytes),
        Format::Tiff => tiff::header(bytes),
    })?;
    if header.width == 0 || header.height == 0 {
        return Err(Error::corrupt(format, format!("a size of {}x{}", header.width, header.height)));
    }
    Ok(header)
}

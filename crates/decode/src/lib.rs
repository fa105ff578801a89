//! Bytes to RGB: headers, whole images, or just the region that a crop needs.
//!
//! [`decode`] gives the pixels that Pillow's `Image.open(file).convert("RGB")` gives, for JPEG, PNG, WebP, GIF
//! (first frame), BMP and TIFF (first page). The format is told from the bytes, never from a name.
//!
//! ```
//! use visrep_decode::{DecodeOptions, RgbImage, decode, encode_png, read_header};
//!
//! let bytes = encode_png(&RgbImage::filled(4, 3, [200, 30, 90]))?;
//! let header = read_header(&bytes)?;
//! assert_eq!((header.width, header.height), (4, 3));
//! let image = decode(&bytes, &DecodeOptions::default())?;
//! assert_eq!(image.pixel(3, 2), [200, 30, 90]);
//! # Ok::<(), visrep_decode::Error>(())
//! ```
//!
//! A loader reads the header, draws its crop from the size, and decodes that: [`read_header`], then a [`Decoder`]'s
//! [`decode_region`](Decoder::decode_region), or [`decode_scaled`](Decoder::decode_scaled) when the crop is to be resized
//! to something much smaller.
//!
//! # What Pillow does, and so this crate does
//!
//! - Alpha, and a transparent colour, are dropped: neither is composited onto a background.
//! - 16 bits per channel keep their high byte, except 16-bit grey alone, which is *clipped* to 255; so are 32-bit
//!   integers and floats, which are clipped to 0..=255.
//! - CMYK becomes RGB by `(255 - C) * (255 - K) / 255`; a CMYK JPEG is taken as inverted.
//! - EXIF orientation stays as stored unless [`OrientationPolicy::Apply`] asks for it; but a TIFF's orientation
//!   tag is always applied.
//! - A truncated file is an error, not a half-grey image.
//!
//! A decoder that panics on a hostile file is stopped, and the panic becomes [`Error::Corrupt`]; the process's panic
//! hook still sees it first.
#![forbid(unsafe_code)]

mod bmp;
mod convert;
mod decoder;
mod error;
mod exif;
mod format;
mod gif;
mod header;
mod jpeg;
mod options;
mod orient;
mod png;
mod rgb;
mod tiff;
mod webp;

pub use decoder::{Area, Decoder, ScaledRegion};
pub use error::Error;
pub use format::Format;
pub use header::{Color, Header, read_header};
pub use options::{DecodeOptions, Limits, OrientationPolicy};
pub use orient::Orientation;
pub use png::encode_png;
pub use rgb::{Region, RgbImage};

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Decodes a whole image, as [the crate's documentation](crate) says.
///
/// Errors: bytes of no known format, an image over the limits (found before anything is allocated), truncated or
/// corrupt data, and kinds of image that Pillow does not turn into RGB either.
pub fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<RgbImage, Error> {
    Decoder::new().decode(bytes, options)
}

/// How much each pixel covers what is below it, 0 to 255, row by row: the alpha channel that [`decode`] drops. `None` for an image
/// without one, and for formats other than PNG. Of 16 bits the high byte counts; orientation stays as stored.
///
/// ```
/// assert_eq!(visrep_decode::decode_alpha(&visrep_decode::encode_png(
///     &visrep_decode::RgbImage::filled(2, 2, [9; 3]))?, &Default::default())?, None);
/// # Ok::<(), visrep_decode::Error>(())
/// ```
///
/// # Errors
/// As [`decode`].
pub fn decode_alpha(bytes: &[u8], options: &DecodeOptions) -> Result<Option<Vec<u8>>, Error> {
    let header = read_header(bytes)?;
    options.limits.check(&header)?;
    match header.format {
        Format::Png => guarded(Format::Png, || png::alpha(bytes, &header)),
        _ => Ok(None),
    }
}

/// Runs a decoder; a panic inside it, or inside the crate that it stands on, is the file's error.
fn guarded<T>(format: Format, read: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|payload| {
        let message = match payload.downcast_ref::<String>() {
            Some(message) => message,
            None => payload.downcast_ref::<&str>().copied().unwrap_or("no message"),
        };
        Err(Error::corrupt(format, format!("its decoder panicked: {message}")))
    })
}

/// Decodes the pixels of `region`: equal to [`decode`] and then [`RgbImage::crop`], errors included.
///
/// Of a JPEG, only what the region needs is decoded; images of other formats are decoded whole and cut.
/// The region is in the coordinates of the image that [`decode`] would return under the same options, and is checked
/// before any pixel is decoded.
pub fn decode_region(bytes: &[u8], region: Region, options: &DecodeOptions) -> Result<RgbImage, Error> {
    Decoder::new().decode_region(bytes, region, options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_in_a_decoder_is_an_error_of_the_file() {
        let error = guarded(Format::WebP, || -> Result<(), Error> { panic!("index {} is outside", 7) });
        let text = error.err().map(|error| error.to_string());
        let expected = "the WebP image is corrupt: its decoder panicked: index 7 is outside";
        assert_eq!(text.as_deref(), Some(expected));
    }
}

//! WebP, on the `image-webp` crate.

use crate::{Color, Error, Format, Header, Orientation, RgbImage, exif};
use image_webp::{DecodingError, WebPDecoder};
use std::io::Cursor;

const FORMAT: Format = Format::WebP;

fn open(bytes: &[u8]) -> Result<WebPDecoder<Cursor<&[u8]>>, Error> {
    WebPDecoder::new(Cursor::new(bytes)).map_err(error_of)
}

pub(crate) fn header(bytes: &[u8]) -> Result<Header, Error> {
    let mut decoder = open(bytes)?;
    let (width, height) = decoder.dimensions();
    let color = if decoder.has_alpha() { Color::Rgba } else { Color::Rgb };
    let exif = decoder.exif_metadata().ok().flatten();
    let orientation = exif.map_or(Orientation::Normal, |block| exif::orientation(&block));
    Ok(Header { format: FORMAT, width, height, color, bits: 8, orientation })
}

pub(crate) fn decode(bytes: &[u8]) -> Result<RgbImage, Error> {
    decode_whole(bytes).map_err(|error| match claimed_length(bytes) {
        Some(claimed) if claimed > bytes.len() => {
            Error::truncated(FORMAT, format!("{} of {claimed} bytes are there", bytes.len()))
        }
        _ => error,
    })
}

/// The length that the RIFF header gives the file. The decoder takes what is cut off for damage.
fn claimed_length(bytes: &[u8]) -> Option<usize> {
    let size = u32::from_le_bytes(*bytes.get(4..)?.first_chunk()?);
    usize::try_from(size).ok()?.checked_add(8)
}

fn decode_whole(bytes: &[u8]) -> Result<RgbImage, Error> {
    let mut decoder = open(bytes)?;
    let (width, height) = decoder.dimensions();
    let channels = if decoder.has_alpha() { 4 } else { 3 };
    let mut data = vec![0; width as usize * height as usize * channels];
    if decoder.is_animated() {
        // Pillow starts from a canvas of transparent black.
        decoder.set_background_color([0; 4]).map_err(error_of)?;
        decoder.read_frame(&mut data).map_err(error_of)?;
    } else {
        decoder.read_image(&mut data).map_err(error_of)?;
    }
    if channels == 4 {
        data = data.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect();
    }
    RgbImage::new(width, height, data)
}

fn error_of(error: DecodingError) -> Error {
    match error {
        DecodingError::IoError(error) => Error::io(FORMAT, &error),
        error => Error::corrupt(FORMAT, error.to_string()),
    }
}

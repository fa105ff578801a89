//! WebP, on the `image-webp` crate.

use crate::{Color, Error, Format, Header, Orientation, RgbImage, exif};
use image_webp::{DecodingError, WebPDecoder};
use std::io::Cursor;

const FORMAT: Format = Format::WebP;

fn open(bytes: &[u8]) -> Result<WebPDecoder<Cursor<&[u8]>>, Error> {
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(error_of)?;
    // What is read as it stands, such as EXIF, cannot be longer than the file, whatever its length field says.
    decoder.set_memory_limit(bytes.len());
    Ok(decoder)
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

/// Errs when the first lossy frame's own size differs from that of its container: the frame's in an animation,
/// else the canvas's. The decoder would decode it all the same, past the limits, and may then panic.
fn check_frame_size(bytes: &[u8], animated: bool, canvas: (u32, u32)) -> Result<(), Error> {
    let mut top = chunks(bytes.get(12..).unwrap_or_default());
    let (frame, expected) = if animated {
        let Some((_, [_, _, _, _, _, _, w0, w1, w2, h0, h1, h2, _, _, _, _, parts @ ..])) =
            top.find(|(kind, _)| *kind == b"ANMF")
        else {
            return Ok(());
        };
        let side = |bytes: [&u8; 3]| bytes.iter().rev().fold(0, |sum, &&byte| sum << 8 | u32::from(byte)) + 1;
        let mut parts = chunks(parts);
        let frame = match parts.next() {
            // The decoder takes what follows for a lossy frame without looking at its name.
            Some((b"ALPH", _)) => parts.next(),
            first => first.filter(|(kind, _)| *kind == b"VP8 "),
        };
        (frame, (side([w0, w1, w2]), side([h0, h1, h2])))
    } else {
        (top.find(|(kind, _)| *kind == b"VP8 "), canvas)
    };
    if let Some((_, [_, _, _, 0x9D, 0x01, 0x2A, w0, w1, h0, h1, ..])) = frame {
        // The upper two bits of each are a scale that nobody applies.
        let found = [[*w0, *w1], [*h0, *h1]].map(|side| u32::from(u16::from_le_bytes(side) & 0x3FFF));
        if found != [expected.0, expected.1] {
            let reason = format!(
                "a frame of {}x{} holds an image of {}x{}",
                expected.0, expected.1, found[0], found[1]
            );
            return Err(Error::corrupt(FORMAT, reason));
        }
    }
    Ok(())
}

/// The chunks of a RIFF list: name and body, the last of them as far as it is there.
fn chunks(mut rest: &[u8]) -> impl Iterator<Item = (&[u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let kind = rest.first_chunk::<4>()?;
        let size = u32::from_le_bytes(*rest.get(4..)?.first_chunk()?) as usize;
        let body = &rest[8..];
        let end = size.min(body.len());
        rest = body.get(size.saturating_add(size % 2)..).unwrap_or_default();
        Some((kind, &body[..end]))
    })
}

fn decode_whole(bytes: &[u8]) -> Result<RgbImage, Error> {
    let mut decoder = open(bytes)?;
    let (width, height) = decoder.dimensions();
    check_frame_size(bytes, decoder.is_animated(), (width, height))?;
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

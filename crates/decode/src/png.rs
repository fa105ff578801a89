//! PNG in and out, on the `png` crate.

use crate::convert::{clip_16, push_gray, push_indexed, stretch, unpack};
use crate::{Color, Error, Format, Header, Orientation, RgbImage, exif};
use std::io::Cursor;

const FORMAT: Format = Format::Png;
const SIGNATURE: usize = 8;
/// Deflate cannot do better than this many bytes out of one, so a file this much smaller than its image is cut short.
const MAX_DEFLATE_RATIO: u64 = 1032;

/// The chunks from the start of the file, until one is cut off: kind and body.
fn chunks(bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = &bytes[SIGNATURE..];
    std::iter::from_fn(move || {
        let length = u32::from_be_bytes(rest.get(..4)?.try_into().ok()?) as usize;
        let chunk = (rest.get(4..8)?, rest.get(8..length.checked_add(8)?)?);
        rest = rest.get(length + 12..).unwrap_or_default();
        Some(chunk)
    })
}

pub(crate) fn header(bytes: &[u8]) -> Result<Header, Error> {
    let head = match chunks(bytes).next() {
        Some((b"IHDR", body)) => body
            .first_chunk::<13>()
            .ok_or_else(|| Error::corrupt(FORMAT, format!("an IHDR chunk of {} bytes", body.len())))?,
        Some((kind, _)) => {
            return Err(Error::corrupt(FORMAT, format!("it starts with {}", kind.escape_ascii())));
        }
        None => return Err(Error::truncated(FORMAT, "the file ends within its header")),
    };
    let color = match head[9] {
        0 => Color::Gray,
        2 => Color::Rgb,
        3 => Color::Palette,
        4 => Color::GrayAlpha,
        6 => Color::Rgba,
        other => return Err(Error::corrupt(FORMAT, format!("colour type {other} does not exist"))),
    };
    let orientation = chunks(bytes)
        .find(|(kind, _)| *kind == b"eXIf")
        .map_or(Orientation::Normal, |(_, block)| exif::orientation(block));
    let [width, height] =
        [0, 4].map(|at| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]));
    Ok(Header { format: FORMAT, width, height, color, bits: head[8], orientation })
}

pub(crate) fn decode(bytes: &[u8], header: &Header) -> Result<RgbImage, Error> {
    RgbImage::new(header.width, header.height, samples(bytes, header, Wanted::Rgb)?)
}

/// One byte for each pixel, 255 where it covers what is below; none where the image has no channel of them.
pub(crate) fn alpha(bytes: &[u8], header: &Header) -> Result<Option<Vec<u8>>, Error> {
    match header.color {
        Color::GrayAlpha | Color::Rgba => samples(bytes, header, Wanted::Alpha).map(Some),
        _ => Ok(None),
    }
}

/// What is taken of each pixel.
#[derive(Clone, Copy)]
enum Wanted {
    Rgb,
    Alpha,
}

fn samples(bytes: &[u8], header: &Header, wanted: Wanted) -> Result<Vec<u8>, Error> {
    let pixels = u64::from(header.width) * u64::from(header.height);
    let raw = pixels * u64::from(header.color.channels()) * u64::from(header.bits) / 8;
    if raw > (bytes.len() as u64).saturating_mul(MAX_DEFLATE_RATIO) {
        return Err(Error::truncated(FORMAT, format!("{} bytes cannot hold {pixels} pixels", bytes.len())));
    }
    let mut decoder =
        png::Decoder::new_with_limits(Cursor::new(bytes), png::Limits { bytes: raw as usize + (64 << 20) });
    decoder.set_transformations(png::Transformations::IDENTITY);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let mut reader = decoder.read_info().map_err(|error| error_of(error, "no row of pixels decoded"))?;
    let rows = Rows::new(reader.info(), wanted);

    let mut out = Vec::with_capacity(pixels as usize * 3);
    if reader.info().interlaced {
        let size = reader
            .output_buffer_size()
            .ok_or_else(|| Error::unsupported(FORMAT, "an image too large for this machine"))?;
        let mut packed = vec![0; size];
        reader
            .next_frame(&mut packed)
            .map_err(|error| error_of(error, "the interlaced passes are not complete"))?;
        let stride = size / header.height as usize;
        packed.chunks_exact(stride).for_each(|row| rows.push(&mut out, row));
    } else {
        for y in 0..header.height {
            let progress = || format!("{y} of {} rows decoded", header.height);
            match reader.next_row() {
                Ok(Some(row)) => rows.push(&mut out, row.data()),
                Ok(None) => return Err(Error::truncated(FORMAT, progress())),
                Err(error) => return Err(error_of(error, &progress())),
            }
        }
    }
    Ok(out)
}

fn error_of(error: png::DecodingError, progress: &str) -> Error {
    match error {
        png::DecodingError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Error::truncated(FORMAT, progress)
        }
        png::DecodingError::LimitsExceeded => Error::unsupported(FORMAT, "chunks beyond the memory limit"),
        error => Error::corrupt(FORMAT, format!("{error} ({progress})")),
    }
}

/// How a stored row becomes RGB, or its alpha.
struct Rows {
    wanted: Wanted,
    width: u32,
    color: png::ColorType,
    bits: u8,
    palette: Vec<[u8; 3]>,
}

impl Rows {
    fn new(info: &png::Info<'_>, wanted: Wanted) -> Self {
        let palette = info.palette.as_deref().unwrap_or_default();
        Self {
            wanted,
            width: info.width,
            color: info.color_type,
            bits: info.bit_depth as u8,
            palette: palette.chunks_exact(3).map(|c| [c[0], c[1], c[2]]).collect(),
        }
    }

    /// Appends `row`. Of 16-bit samples the high byte counts, but grey alone is clipped.
    fn push(&self, out: &mut Vec<u8>, row: &[u8]) {
        use png::ColorType::{Grayscale, GrayscaleAlpha, Indexed, Rgb, Rgba};
        if let Wanted::Alpha = self.wanted {
            // The last channel, of 16 bits the high byte.
            let channels = if self.color == Rgba { 4 } else { 2 };
            let size = usize::from(self.bits / 8);
            out.extend(row.chunks_exact(channels * size).map(|pixel| pixel[(channels - 1) * size]));
            return;
        }
        match (self.color, self.bits) {
            (Rgb, 8) => out.extend_from_slice(row),
            (Rgb, _) => row.chunks_exact(6).for_each(|p| out.extend_from_slice(&[p[0], p[2], p[4]])),
            (Rgba, 8) => row.chunks_exact(4).for_each(|p| out.extend_from_slice(&p[..3])),
            (Rgba, _) => row.chunks_exact(8).for_each(|p| out.extend_from_slice(&[p[0], p[2], p[4]])),
            (GrayscaleAlpha, 8) => row.chunks_exact(2).for_each(|p| push_gray(out, p[0])),
            (GrayscaleAlpha, _) => row.chunks_exact(4).for_each(|p| push_gray(out, p[0])),
            (Grayscale, 16) => {
                row.chunks_exact(2).for_each(|p| push_gray(out, clip_16(u16::from_be_bytes([p[0], p[1]]))));
            }
            (Grayscale, bits) => unpack(row, bits, self.width).for_each(|v| push_gray(out, stretch(v, bits))),
            (Indexed, bits) => push_indexed(out, unpack(row, bits, self.width), &self.palette),
        }
    }
}

/// Encodes `image` as an 8-bit RGB PNG.
pub fn encode_png(image: &RgbImage) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, image.width(), image.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(image.data()))
        .map_err(|error| Error::Encode(error.to_string()))?;
    Ok(out)
}

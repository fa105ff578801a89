//! TIFF's first page, on the `tiff` crate.

use crate::convert::{clip_16, cmyk_to_rgb, push_gray, push_indexed, stretch, unpack};
use crate::{Color, Error, Format, Header, Orientation, RgbImage, exif};
use std::borrow::Cow;
use std::io::Cursor;
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::Tag;
use tiff::{ColorType, TiffError};

const FORMAT: Format = Format::Tiff;

/// Values of the tag `ExtraSamples` and `PhotometricInterpretation` that matter here.
const PREMULTIPLIED_ALPHA: u16 = 1;
const WHITE_IS_ZERO: u16 = 0;
const BLACK_IS_ZERO: u16 = 1;
const PALETTE: u16 = 3;

type Reader<'a> = Decoder<Cursor<Cow<'a, [u8]>>>;

/// Opens the file; the flag says that its samples are indices into a colour map. The `tiff` crate refuses such
/// files, so it is shown a copy that claims to hold grey of as many bits.
fn open(bytes: &[u8]) -> Result<(Reader<'_>, bool), Error> {
    let tag = Tag::PhotometricInterpretation.to_u16();
    let indexed = exif::short_entry(bytes, tag).filter(|&(_, value)| value == PALETTE);
    let mut bytes = Cow::Borrowed(bytes);
    if let Some((at, _)) = indexed {
        let value = if bytes[0] == b'I' { BLACK_IS_ZERO.to_le_bytes() } else { BLACK_IS_ZERO.to_be_bytes() };
        bytes.to_mut()[at..at + 2].copy_from_slice(&value);
    }
    Ok((Decoder::new(Cursor::new(bytes)).map_err(error_of)?, indexed.is_some()))
}

fn short_tag(reader: &mut Reader<'_>, tag: Tag) -> Result<Option<u16>, Error> {
    let values = reader.find_tag_unsigned_vec::<u16>(tag).map_err(error_of)?;
    Ok(values.and_then(|values| values.first().copied()))
}

fn orientation(reader: &mut Reader<'_>) -> Orientation {
    let value = short_tag(reader, Tag::Orientation).ok().flatten();
    value.and_then(Orientation::from_exif).unwrap_or_default()
}

pub(crate) fn header(bytes: &[u8]) -> Result<Header, Error> {
    let (mut reader, indexed) = open(bytes)?;
    let (mut width, mut height) = reader.dimensions().map_err(error_of)?;
    let (color, bits) = match reader.colortype().map_err(error_of)? {
        ColorType::Gray(bits) if indexed => (Color::Palette, bits),
        ColorType::Gray(bits) => (Color::Gray, bits),
        ColorType::GrayA(bits) => (Color::GrayAlpha, bits),
        ColorType::RGB(bits) => (Color::Rgb, bits),
        ColorType::RGBA(bits) => (Color::Rgba, bits),
        ColorType::CMYK(bits) => (Color::Cmyk, bits),
        ColorType::Multiband { bit_depth, num_samples: 2 } => (Color::GrayAlpha, bit_depth),
        _ => (Color::Other, 8),
    };
    // Pillow always applies a TIFF's orientation, so that its size is the turned one.
    if orientation(&mut reader).swaps_sides() {
        (width, height) = (height, width);
    }
    Ok(Header { format: FORMAT, width, height, color, bits, orientation: Orientation::Normal })
}

pub(crate) fn decode(bytes: &[u8]) -> Result<RgbImage, Error> {
    let (mut reader, indexed) = open(bytes)?;
    let (width, height) = reader.dimensions().map_err(error_of)?;
    let pixels = width as usize * height as usize;
    let mut limits = Limits::default();
    // The pixels, and room for the tags, which count too.
    limits.decoding_buffer_size = pixels.saturating_mul(16).saturating_add(1 << 20);
    reader = reader.with_limits(limits);

    let color = reader.colortype().map_err(error_of)?;
    if short_tag(&mut reader, Tag::PlanarConfiguration)?.unwrap_or(1) != 1 && color.num_samples() > 1 {
        return Err(Error::unsupported(FORMAT, "one plane per channel"));
    }
    let orientation = orientation(&mut reader);
    let samples = reader.read_image().map_err(error_of)?;
    let mut out = Vec::with_capacity(pixels * 3);
    match (color, samples) {
        (ColorType::Gray(bits @ (1 | 2 | 4 | 8)), DecodingResult::U8(data)) if indexed => {
            let table = palette(&mut reader)?;
            for row in packed_rows(&data, width, bits) {
                push_indexed(&mut out, unpack(row, bits, width), &table);
            }
        }
        (ColorType::Gray(bits @ (1 | 2 | 4 | 8)), DecodingResult::U8(data)) => {
            for row in packed_rows(&data, width, bits) {
                unpack(row, bits, width).for_each(|v| push_gray(&mut out, stretch(v, bits)));
            }
        }
        (ColorType::Gray(_), DecodingResult::U16(data)) => {
            // Pillow does not invert 16-bit grey that counts down from white; the reader below did.
            let inverted = short_tag(&mut reader, Tag::PhotometricInterpretation)? == Some(WHITE_IS_ZERO);
            let mask = if inverted { u16::MAX } else { 0 };
            data.into_iter().for_each(|v| push_gray(&mut out, clip_16(v ^ mask)));
        }
        (ColorType::Gray(_), DecodingResult::I16(data)) => {
            data.into_iter().for_each(|v| push_gray(&mut out, v.clamp(0, 255) as u8));
        }
        (ColorType::Gray(_), DecodingResult::U32(data)) => {
            // Pillow reads these as signed.
            data.into_iter().for_each(|v| push_gray(&mut out, v.cast_signed().clamp(0, 255) as u8));
        }
        (ColorType::Gray(_), DecodingResult::I32(data)) => {
            data.into_iter().for_each(|v| push_gray(&mut out, v.clamp(0, 255) as u8));
        }
        (ColorType::Gray(_), DecodingResult::F32(data)) => {
            data.into_iter().for_each(|v| push_gray(&mut out, v.clamp(0.0, 255.0) as u8));
        }
        (
            ColorType::GrayA(8) | ColorType::Multiband { bit_depth: 8, num_samples: 2 },
            DecodingResult::U8(data),
        ) => {
            data.chunks_exact(2).for_each(|p| push_gray(&mut out, p[0]));
        }
        (ColorType::RGB(8), DecodingResult::U8(data)) => out = data,
        (
            ColorType::RGBA(8) | ColorType::Multiband { bit_depth: 8, num_samples: 4 },
            DecodingResult::U8(data),
        ) => {
            let premultiplied = short_tag(&mut reader, Tag::ExtraSamples)? == Some(PREMULTIPLIED_ALPHA);
            for p in data.chunks_exact(4) {
                out.extend_from_slice(&if premultiplied { divide_by_alpha(p) } else { [p[0], p[1], p[2]] });
            }
        }
        (ColorType::RGB(16), DecodingResult::U16(data)) => {
            out.extend(data.into_iter().map(|v| (v >> 8) as u8))
        }
        (ColorType::RGBA(16), DecodingResult::U16(data)) => {
            data.chunks_exact(4).for_each(|p| out.extend(p[..3].iter().map(|v| (v >> 8) as u8)));
        }
        (ColorType::CMYK(8), DecodingResult::U8(data)) => {
            data.chunks_exact(4).for_each(|p| out.extend_from_slice(&cmyk_to_rgb([p[0], p[1], p[2], p[3]])));
        }
        (ColorType::CMYK(16), DecodingResult::U16(data)) => {
            for p in data.chunks_exact(4) {
                out.extend_from_slice(&cmyk_to_rgb([p[0], p[1], p[2], p[3]].map(|v| (v >> 8) as u8)));
            }
        }
        (color, _) => return Err(Error::unsupported(FORMAT, format!("{color:?}"))),
    }
    if out.len() != pixels * 3 {
        return Err(Error::truncated(FORMAT, format!("{} of {pixels} pixels are there", out.len() / 3)));
    }
    Ok(orientation.apply(RgbImage::new(width, height, out)?))
}

/// Rows of samples that are packed within bytes; each starts on a byte.
fn packed_rows(data: &[u8], width: u32, bits: u8) -> std::slice::ChunksExact<'_, u8> {
    data.chunks_exact((width as usize * usize::from(bits)).div_ceil(8).max(1))
}

/// The colour map: all reds, then all greens, then all blues, 16 bits each, of which the high byte counts.
fn palette(reader: &mut Reader<'_>) -> Result<Vec<[u8; 3]>, Error> {
    let map = reader.get_tag_u16_vec(Tag::ColorMap).map_err(error_of)?;
    let n = map.len() / 3;
    Ok((0..n).map(|i| [map[i], map[n + i], map[2 * n + i]].map(|v| (v >> 8) as u8)).collect())
}

fn divide_by_alpha(p: &[u8]) -> [u8; 3] {
    let alpha = u32::from(p[3]);
    [p[0], p[1], p[2]].map(|v| (u32::from(v) * 255).checked_div(alpha).map_or(0, |v| v.min(255) as u8))
}

fn error_of(error: TiffError) -> Error {
    match error {
        TiffError::IoError(error) => Error::io(FORMAT, &error),
        TiffError::UnsupportedError(kind) => Error::unsupported(FORMAT, kind.to_string()),
        TiffError::LimitsExceeded => {
            Error::unsupported(FORMAT, "one that needs more memory than its pixels do")
        }
        error => Error::corrupt(FORMAT, error.to_string()),
    }
}

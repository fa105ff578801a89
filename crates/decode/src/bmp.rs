//! Windows bitmaps: 1, 4, 8 bits with a palette, run-length coded or not, and 16, 24 and 32 bits.

use crate::convert::{push_indexed, unpack};
use crate::{Color, Error, Format, Header, Orientation, RgbImage};

const FORMAT: Format = Format::Bmp;

/// Compression methods of the header that are read here.
const RAW: u32 = 0;
const RLE8: u32 = 1;
const RLE4: u32 = 2;
const BITFIELDS: u32 = 3;

/// The two headers, read.
struct Info {
    width: u32,
    height: u32,
    top_down: bool,
    bits: u16,
    compression: u32,
    /// Red, green, blue; only with `BITFIELDS`.
    masks: [u32; 3],
    palette: Vec<[u8; 3]>,
    /// Where the pixels start.
    offset: usize,
}

impl Info {
    fn read(bytes: &[u8]) -> Result<Self, Error> {
        let cut = || Error::truncated(FORMAT, "the file ends within its header");
        let short =
            |at: usize| bytes.get(at..at + 2).map(|b| u16::from_le_bytes([b[0], b[1]])).ok_or_else(cut);
        let long = |at: usize| {
            bytes.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).ok_or_else(cut)
        };

        let header_size = long(14)?;
        let mut after = 14 + header_size as usize;
        let core = header_size == 12;
        if !core && ![40, 52, 56, 64, 108, 124].contains(&header_size) {
            return Err(Error::unsupported(FORMAT, format!("a header of {header_size} bytes")));
        }
        let (width, height, bits, compression, colors) = if core {
            (u32::from(short(18)?), i32::from(short(20)?), short(24)?, RAW, 0)
        } else {
            (long(18)?, long(22)?.cast_signed(), short(28)?, long(30)?, long(46)?)
        };
        let mut masks = [0; 3];
        if compression == BITFIELDS {
            // Version 2 headers hold the masks; after version 1 headers they follow.
            masks = [long(54)?, long(58)?, long(62)?];
            if header_size == 40 {
                after += 12;
            }
        }
        let mut palette = Vec::new();
        let entry = if core { 3 } else { 4 };
        if bits <= 8 {
            let colors = if colors == 0 { 1 << bits } else { colors };
            if colors > 65536 {
                return Err(Error::corrupt(FORMAT, format!("a palette of {colors} colours")));
            }
            let table = bytes.get(after..after + entry * colors as usize).ok_or_else(cut)?;
            palette = table.chunks_exact(entry).map(|c| [c[2], c[1], c[0]]).collect();
            after += table.len();
        }
        let stated = long(10)? as usize;
        let in_palette = stated == 14 + header_size as usize;
        let offset = if stated == 0 || in_palette { after } else { stated };
        let top_down = height < 0;
        Ok(Self { width, height: height.unsigned_abs(), top_down, bits, compression, masks, palette, offset })
    }
}

pub(crate) fn header(bytes: &[u8]) -> Result<Header, Error> {
    let Info { width, height, bits, .. } = Info::read(bytes)?;
    let (color, bits) = match bits {
        1 | 4 | 8 => (Color::Palette, bits as u8),
        16 => (Color::Rgb, 5),
        24 | 32 => (Color::Rgb, 8),
        other => return Err(Error::unsupported(FORMAT, format!("{other} bits per pixel"))),
    };
    Ok(Header { format: FORMAT, width, height, color, bits, orientation: Orientation::Normal })
}

pub(crate) fn decode(bytes: &[u8]) -> Result<RgbImage, Error> {
    let info = Info::read(bytes)?;
    let pixels = bytes.get(info.offset..).unwrap_or_default();
    let indices;
    let (data, row_bytes, stride) = match info.compression {
        RAW | BITFIELDS => {
            let row_bits = u64::from(info.width) * u64::from(info.bits);
            (pixels, row_bits.div_ceil(8) as usize, (row_bits.div_ceil(32) * 4) as usize)
        }
        RLE8 | RLE4 if matches!(info.bits, 4 | 8) => {
            indices =
                unpack_runs(pixels, info.compression == RLE4, info.width as usize, info.height as usize);
            (indices.as_slice(), info.width as usize, info.width as usize)
        }
        other => return Err(Error::unsupported(FORMAT, format!("compression method {other}"))),
    };
    // The last row needs no padding.
    let full_rows = (data.len() + stride - row_bytes) / stride;
    if full_rows < info.height as usize {
        return Err(Error::truncated(FORMAT, format!("{full_rows} of {} rows are there", info.height)));
    }
    let push = row_reader(&info)?;
    let mut out = Vec::with_capacity(info.width as usize * info.height as usize * 3);
    for y in 0..info.height as usize {
        let stored = if info.top_down { y } else { info.height as usize - 1 - y };
        push(&info, &data[stored * stride..][..row_bytes], &mut out);
    }
    RgbImage::new(info.width, info.height, out)
}

type RowReader = fn(&Info, &[u8], &mut Vec<u8>);

/// How a stored row becomes RGB.
fn row_reader(info: &Info) -> Result<RowReader, Error> {
    let masked = info.compression == BITFIELDS;
    Ok(match (info.bits, info.compression, info.masks) {
        (4 | 8, RLE8 | RLE4, _) => |info, row, out| push_indexed(out, row.iter().copied(), &info.palette),
        (1 | 4 | 8, RAW, _) => {
            |info, row, out| push_indexed(out, unpack(row, info.bits as u8, info.width), &info.palette)
        }
        (16, _, masks) if !masked || masks == [0x7C00, 0x3E0, 0x1F] => |_, row, out| {
            push_16(row, out, |v| [scale(v >> 10, 31), scale(v >> 5, 31), scale(v, 31)]);
        },
        (16, _, [0xF800, 0x7E0, 0x1F]) => |_, row, out| {
            push_16(row, out, |v| [scale(v >> 11, 31), scale(v >> 5, 63), scale(v, 31)]);
        },
        (24, _, masks) if !masked || masks == [0xFF_0000, 0xFF00, 0xFF] => {
            |_, row, out| row.chunks_exact(3).for_each(|p| out.extend_from_slice(&[p[2], p[1], p[0]]))
        }
        (32, _, masks) if !masked || masks == [0xFF_0000, 0xFF00, 0xFF] || masks == [0; 3] => {
            |_, row, out| row.chunks_exact(4).for_each(|p| out.extend_from_slice(&[p[2], p[1], p[0]]))
        }
        (32, _, [0xFF, 0xFF00, 0xFF_0000]) => {
            |_, row, out| row.chunks_exact(4).for_each(|p| out.extend_from_slice(&p[..3]))
        }
        (32, _, [0xFF00_0000, 0xFF_0000, 0xFF00]) => {
            |_, row, out| row.chunks_exact(4).for_each(|p| out.extend_from_slice(&[p[3], p[2], p[1]]))
        }
        (32, _, [0xFF00_0000, 0xFF00, 0xFF]) => {
            |_, row, out| row.chunks_exact(4).for_each(|p| out.extend_from_slice(&[p[3], p[1], p[0]]))
        }
        (bits, _, masks) => {
            return Err(Error::unsupported(FORMAT, format!("{bits} bits with the colour masks {masks:x?}")));
        }
    })
}

fn push_16(row: &[u8], out: &mut Vec<u8>, rgb: impl Fn(u16) -> [u8; 3]) {
    row.chunks_exact(2).for_each(|p| out.extend_from_slice(&rgb(u16::from_le_bytes([p[0], p[1]]))));
}

/// The low bits of `value` under `max`, from 0..=max to 0..=255.
fn scale(value: u16, max: u16) -> u8 {
    ((value & max) * 255 / max) as u8
}

/// Indices out of run-length code, one byte each, in the order stored; short when the code ends early.
fn unpack_runs(mut code: &[u8], nibbles: bool, width: usize, height: usize) -> Vec<u8> {
    let wanted = width * height;
    let mut out = Vec::new();
    let end_of_row = |length: usize| length.next_multiple_of(width).min(wanted);
    while let [count, value, rest @ ..] = code {
        code = rest;
        let room = width - out.len() % width;
        let (count, value) = (usize::from(*count), *value);
        match (count, value) {
            (0, 0) => {
                if out.len() % width != 0 {
                    out.resize(end_of_row(out.len()), 0);
                }
            }
            (0, 1) => break,
            (0, 2) => {
                let [right, up, rest @ ..] = code else { break };
                code = rest;
                let length = out.len() + usize::from(*right) + usize::from(*up) * width;
                out.resize(length.min(wanted), 0);
            }
            (0, pixels) => {
                let pixels = usize::from(pixels);
                let length = if nibbles { pixels.div_ceil(2) } else { pixels };
                let Some(literal) = code.get(..length) else { break };
                code = code.get(length + length % 2..).unwrap_or_default();
                let bits = if nibbles { 4 } else { 8 };
                out.extend(unpack(literal, bits, pixels as u32));
            }
            (count, value) => {
                let [even, odd] = if nibbles { [value >> 4, value & 15] } else { [value; 2] };
                out.extend((0..count.min(room)).map(|i| if i % 2 == 0 { even } else { odd }));
            }
        }
        if out.len() >= wanted {
            out.truncate(wanted);
            break;
        }
    }
    out
}

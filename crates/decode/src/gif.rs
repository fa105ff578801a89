//! GIF's first frame, on the `gif` crate.

use crate::convert::push_indexed;
use crate::{Color, Error, Format, Header, Limits, Orientation, RgbImage};

const FORMAT: Format = Format::Gif;

pub(crate) fn header(bytes: &[u8]) -> Result<Header, Error> {
    let screen =
        bytes.get(6..13).ok_or_else(|| Error::truncated(FORMAT, "the file ends within its header"))?;
    let mut width = u32::from(u16::from_le_bytes([screen[0], screen[1]]));
    let mut height = u32::from(u16::from_le_bytes([screen[2], screen[3]]));
    // Pillow widens the canvas to hold a first frame that reaches beyond it.
    if let Some((right, bottom)) = first_frame_end(bytes, screen[4]) {
        width = width.max(right);
        height = height.max(bottom);
    }
    let orientation = Orientation::Normal;
    Ok(Header { format: FORMAT, width, height, color: Color::Palette, bits: 8, orientation })
}

/// Where the first frame ends on the canvas: right and bottom. `flags` are the screen descriptor's.
fn first_frame_end(bytes: &[u8], flags: u8) -> Option<(u32, u32)> {
    let mut at = 13 + if flags & 0x80 != 0 { 3 << ((flags & 7) + 1) } else { 0 };
    loop {
        match bytes.get(at)? {
            b',' => {
                let frame = bytes.get(at + 1..at + 9)?;
                let number = |i: usize| u32::from(u16::from_le_bytes([frame[i], frame[i + 1]]));
                return Some((number(0) + number(4), number(2) + number(6)));
            }
            b'!' => {
                at += 2;
                loop {
                    let length = usize::from(*bytes.get(at)?);
                    at += 1 + length;
                    if length == 0 {
                        break;
                    }
                }
            }
            b';' => return None,
            _ => at += 1,
        }
    }
}

pub(crate) fn decode(bytes: &[u8], header: &Header, limits: &Limits) -> Result<RgbImage, Error> {
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::Indexed);
    options.check_frame_consistency(false);
    options.set_memory_limit(match std::num::NonZeroU64::new(limits.max_pixels) {
        Some(bytes) => gif::MemoryLimit::Bytes(bytes),
        None => gif::MemoryLimit::Unlimited,
    });
    let mut decoder = options.read_info(bytes).map_err(error_of)?;
    let global = decoder.global_palette().map(<[u8]>::to_vec);
    let frame = decoder
        .read_next_frame()
        .map_err(error_of)?
        .ok_or_else(|| Error::truncated(FORMAT, "the file ends before its first frame"))?;

    let table: Vec<[u8; 3]> = match frame.palette.as_ref().or(global.as_ref()) {
        Some(palette) => palette.chunks_exact(3).map(|c| [c[0], c[1], c[2]]).collect(),
        None => (0..=255).map(|v| [v; 3]).collect(),
    };
    let (width, height) = (header.width as usize, header.height as usize);
    let (left, top) = (usize::from(frame.left), usize::from(frame.top));
    // What the frame does not cover is the transparent index, or 0.
    let mut canvas = vec![frame.transparent.unwrap_or(0); width * height];
    let frame_width = usize::from(frame.width);
    if frame_width > 0 {
        for (y, row) in frame.buffer.chunks_exact(frame_width).enumerate() {
            let at = (top + y) * width + left;
            if let Some(target) = canvas.get_mut(at..at + frame_width) {
                target.copy_from_slice(row);
            }
        }
    }
    let mut out = Vec::with_capacity(width * height * 3);
    push_indexed(&mut out, canvas.into_iter(), &table);
    RgbImage::new(header.width, header.height, out)
}

fn error_of(error: gif::DecodingError) -> Error {
    match error {
        gif::DecodingError::Io(error) => Error::io(FORMAT, &error),
        gif::DecodingError::UnexpectedEof => Error::truncated(FORMAT, "the file ends within its first frame"),
        error => Error::corrupt(FORMAT, error.to_string()),
    }
}

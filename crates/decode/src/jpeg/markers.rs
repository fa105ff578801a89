//! The marker segments of a JPEG file, one after the other.

use super::FORMAT;
use super::huffman::Class;
use crate::Error;

/// A segment's content; kinds that do not matter for the pixels are skipped.
pub(super) enum Segment<'a> {
    /// Start of frame.
    Frame(Frame),
    /// Quantisation tables, by slot, in natural (row by row) order.
    Quantization(Vec<(usize, [u16; 64])>),
    /// Huffman tables.
    Huffman(Vec<HuffmanTable<'a>>),
    /// MCUs between restart markers; 0 for none.
    RestartInterval(u32),
    /// The file is JFIF, whose colours are YCbCr.
    Jfif,
    /// Adobe's colour transform: 0 none, 1 YCbCr, 2 YCCK.
    Adobe(u8),
    /// An EXIF block.
    Exif(&'a [u8]),
    /// Start of scan; the entropy-coded data follow.
    Scan(ScanHeader),
    /// End of image.
    End,
}

/// A Huffman table as the file has it.
pub(super) struct HuffmanTable<'a> {
    pub(super) class: Class,
    /// 0..=3.
    pub(super) slot: usize,
    /// How many codes there are of each length.
    pub(super) counts: &'a [u8; 16],
    /// In the codes' order.
    pub(super) symbols: &'a [u8],
}

/// Start of frame (SOF0, SOF1 or SOF2).
pub(super) struct Frame {
    pub(super) progressive: bool,
    pub(super) width: u16,
    pub(super) height: u16,
    pub(super) components: Vec<FrameComponent>,
}

/// One component of a frame.
#[derive(Clone, Copy)]
pub(super) struct FrameComponent {
    pub(super) id: u8,
    /// Sampling factors, 1..=4.
    pub(super) h: usize,
    pub(super) v: usize,
    /// Slot of the quantisation table, 0..=3.
    pub(super) quantization: usize,
}

/// Start of scan.
pub(super) struct ScanHeader {
    pub(super) components: Vec<ScanComponent>,
    /// First and last coefficient, in zigzag order.
    pub(super) spectral: (usize, usize),
    /// Successive approximation: the bit position of the scan before (0 for the first), and of this one.
    pub(super) approximation: (u32, u32),
}

/// One component of a scan.
pub(super) struct ScanComponent {
    pub(super) id: u8,
    /// Slots of the Huffman tables, 0..=3.
    pub(super) dc: usize,
    pub(super) ac: usize,
}

/// Natural order (row by row) of the k-th coefficient in zigzag order.
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
    14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39,
    46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// A reader over the segments of a file.
pub(super) struct Segments<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Segments<'a> {
    /// Starts after the file's start-of-image marker.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 2 }
    }

    /// What follows the segment last read.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Moves on by `count` bytes, over entropy-coded data.
    pub(super) fn skip(&mut self, count: usize) {
        self.at += count;
    }

    /// The next segment that matters. Bytes between segments are skipped, as libjpeg does.
    pub(super) fn next(&mut self) -> Result<Segment<'a>, Error> {
        loop {
            let code = self.marker()?;
            match code {
                0xD9 => return Ok(Segment::End),
                0x01 | 0xD0..=0xD8 => continue,
                _ => {}
            }
            let body = self.body()?;
            return Ok(match code {
                0xC0..=0xC2 => Segment::Frame(frame(code == 0xC2, body)?),
                0xC3 | 0xC5..=0xC7 | 0xCB | 0xCD..=0xCF => {
                    return Err(Error::unsupported(FORMAT, "lossless or hierarchical coding"));
                }
                0xC9 | 0xCA | 0xCC => return Err(Error::unsupported(FORMAT, "arithmetic coding")),
                0xC4 => Segment::Huffman(huffman_tables(body)?),
                0xDA => Segment::Scan(scan(body)?),
                0xDB => Segment::Quantization(quantization_tables(body)?),
                0xDD => match body {
                    [high, low] => Segment::RestartInterval(u32::from(u16::from_be_bytes([*high, *low]))),
                    _ => return Err(wrong("restart interval")),
                },
                0xE0 if body.starts_with(b"JFIF\0") && body.len() >= 14 => Segment::Jfif,
                0xE1 if body.starts_with(b"Exif\0") => Segment::Exif(body),
                0xEE if body.starts_with(b"Adobe") && body.len() >= 12 => Segment::Adobe(body[11]),
                _ => continue,
            });
        }
    }

    /// Passes the next marker and gives its code.
    pub(super) fn marker(&mut self) -> Result<u8, Error> {
        let rest = self.rest();
        let at = rest.windows(2).position(|pair| pair[0] == 0xFF && !matches!(pair[1], 0 | 0xFF));
        let at = at.ok_or_else(|| Error::truncated(FORMAT, "the file ends where a marker should follow"))?;
        self.skip(at + 2);
        Ok(rest[at + 1])
    }

    fn body(&mut self) -> Result<&'a [u8], Error> {
        let rest = self.rest();
        let cut = || Error::truncated(FORMAT, "the file ends within its headers");
        let length =
            rest.first_chunk().map(|bytes| usize::from(u16::from_be_bytes(*bytes))).ok_or_else(cut)?;
        if length < 2 {
            return Err(wrong("segment length"));
        }
        let body = rest.get(2..length).ok_or_else(cut)?;
        self.skip(length);
        Ok(body)
    }
}

pub(super) fn wrong(what: &str) -> Error {
    Error::corrupt(FORMAT, format!("a wrong {what}"))
}

fn frame(progressive: bool, body: &[u8]) -> Result<Frame, Error> {
    let [precision, h1, h0, w1, w0, count, parts @ ..] = body else { return Err(wrong("frame header")) };
    if *precision != 8 {
        return Err(Error::unsupported(FORMAT, format!("{precision} bits per sample")));
    }
    if parts.len() != usize::from(*count) * 3 || *count == 0 {
        return Err(wrong("frame header"));
    }
    if !matches!(count, 1 | 3 | 4) {
        return Err(Error::unsupported(FORMAT, format!("{count} components")));
    }
    let components = parts
        .chunks_exact(3)
        .map(|p| {
            let (h, v, quantization) = (usize::from(p[1] >> 4), usize::from(p[1] & 15), usize::from(p[2]));
            if !(1..=4).contains(&h) || !(1..=4).contains(&v) {
                return Err(wrong("sampling factor"));
            }
            if quantization > 3 {
                return Err(wrong("quantisation table number"));
            }
            Ok(FrameComponent { id: p[0], h, v, quantization })
        })
        .collect::<Result<_, _>>()?;
    let [width, height] = [[*w1, *w0], [*h1, *h0]].map(u16::from_be_bytes);
    Ok(Frame { progressive, width, height, components })
}

fn quantization_tables(mut body: &[u8]) -> Result<Vec<(usize, [u16; 64])>, Error> {
    let mut tables = Vec::new();
    while let [head, rest @ ..] = body {
        let (wide, slot) = (usize::from(head >> 4), usize::from(head & 15));
        let size = 64 * (wide + 1);
        if wide > 1 || slot > 3 || rest.len() < size {
            return Err(wrong("quantisation table"));
        }
        let mut table = [0; 64];
        for (k, value) in rest[..size].chunks_exact(wide + 1).enumerate() {
            table[usize::from(ZIGZAG[k])] = value.iter().fold(0, |sum, &byte| sum << 8 | u16::from(byte));
        }
        tables.push((slot, table));
        body = &rest[size..];
    }
    Ok(tables)
}

fn huffman_tables(mut body: &[u8]) -> Result<Vec<HuffmanTable<'_>>, Error> {
    let mut tables = Vec::new();
    while let [head, rest @ ..] = body {
        let slot = usize::from(head & 15);
        let class = match head >> 4 {
            0 => Class::Dc,
            1 => Class::Ac,
            _ => return Err(wrong("Huffman table")),
        };
        let counts = rest.first_chunk::<16>().ok_or_else(|| wrong("Huffman table"))?;
        let total = counts.iter().map(|&count| usize::from(count)).sum::<usize>();
        let symbols = rest.get(16..16 + total).ok_or_else(|| wrong("Huffman table"))?;
        if slot > 3 {
            return Err(wrong("Huffman table"));
        }
        tables.push(HuffmanTable { class, slot, counts, symbols });
        body = &rest[16 + total..];
    }
    Ok(tables)
}

fn scan(body: &[u8]) -> Result<ScanHeader, Error> {
    let [count, rest @ ..] = body else { return Err(wrong("scan header")) };
    let count = usize::from(*count);
    if !(1..=4).contains(&count) || rest.len() != 2 * count + 3 {
        return Err(wrong("scan header"));
    }
    let (parts, tail) = rest.split_at(2 * count);
    let components = parts
        .chunks_exact(2)
        .map(|p| ScanComponent { id: p[0], dc: usize::from(p[1] >> 4 & 3), ac: usize::from(p[1] & 3) })
        .collect();
    let spectral = (usize::from(tail[0]), usize::from(tail[1]));
    let approximation = (u32::from(tail[2] >> 4), u32::from(tail[2] & 15));
    Ok(ScanHeader { components, spectral, approximation })
}

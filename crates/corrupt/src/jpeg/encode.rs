//! JPEG files, the same to the last byte as libjpeg-turbo's.

use visrep_decode::RgbImage;

use super::dct::{self, Blocks, LANES};
use super::huffman::{self, Bits, CODES, Tables};
use super::plane::Plane;
use super::quantize::Quantizer;
use super::{check, components};
use crate::Error;
use crate::simd::vectorised;

/// The place in row order of each coefficient in the order of a file.
#[rustfmt::skip]
const ZIGZAG: [usize; 64] = [
     0,  1,  8, 16,  9,  2,  3, 10, 17, 24, 32, 25, 18, 11,  4,  5,
    12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13,  6,  7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
    58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// The bytes of the JPEG file that Pillow's `save(quality=quality)` with libjpeg-turbo writes by default: baseline,
/// 4:2:0, JFIF, the codes of the standard. ImageNet-C is stored so at 85. Opened again it gives what
/// [`jpeg_round_trip`](crate::jpeg_round_trip) gives.
///
/// `quality` is 1..=100; neither side may exceed 65,535 pixels.
///
/// ```
/// use visrep_corrupt::encode_jpeg;
/// use visrep_decode::RgbImage;
///
/// let image = RgbImage::from_fn(40, 30, |x, y| [(x * 6) as u8, (y * 8) as u8, 90]);
/// let bytes = encode_jpeg(&image, 85)?;
/// assert_eq!(bytes[..2], [0xFF, 0xD8]);
/// # Ok::<(), visrep_corrupt::Error>(())
/// ```
pub fn encode_jpeg(image: &RgbImage, quality: u8) -> Result<Vec<u8>, Error> {
    check(quality)?;
    let side = |side: u32| {
        u16::try_from(side).map_err(|_| Error::JpegSize { width: image.width(), height: image.height() })
    };
    let (width, height) = (side(image.width())?, side(image.height())?);
    let (luma, chroma) = (Quantizer::luma(quality), Quantizer::chroma(quality));
    let mut bits = Bits::after(header(width, height, &luma, &chroma));
    vectorised(
        #[inline(always)]
        || {
            let [y, cb, cr] = components(image);
            let levels = [Levels::of(&y, &luma), Levels::of(&cb, &chroma), Levels::of(&cr, &chroma)];
            scan(&mut bits, &levels);
        },
    );
    let mut bytes = bits.finish();
    bytes.extend([0xFF, 0xD9]);
    Ok(bytes)
}

/// The quantised coefficients of a plane, block by block in zigzag order.
struct Levels {
    across: usize,
    down: usize,
    blocks: Vec<[i16; 64]>,
}

impl Levels {
    #[inline(always)]
    fn of(plane: &Plane, quantizer: &Quantizer) -> Self {
        let (across, down) = (plane.blocks_across(), plane.blocks_down());
        let mut blocks = vec![[0; 64]; plane.groups() * LANES];
        let mut values: Blocks = [[0; LANES]; 64];
        for (group, blocks) in blocks.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            plane.load(group, &mut values);
            dct::forward(&mut values);
            quantizer.quantize(&mut values);
            for (at, &from) in ZIGZAG.iter().enumerate() {
                for (block, value) in blocks.iter_mut().zip(values[from]) {
                    block[at] = value as i16;
                }
            }
        }
        blocks.truncate(across * down);
        Self { across, down, blocks }
    }

    /// The block at (`x`, `y`); beyond the edge, a flat one at the level of the block coded `before`.
    #[inline(always)]
    fn block(&self, x: usize, y: usize, before: i16) -> [i16; 64] {
        if x < self.across && y < self.down {
            return self.blocks[y * self.across + x];
        }
        let mut flat = [0; 64];
        flat[0] = before;
        flat
    }
}

/// Four blocks of brightness and one of each colour for every 16 x 16 pixels.
#[inline(always)]
fn scan(bits: &mut Bits, [luma, blue, red]: &[Levels; 3]) {
    let mut previous = [0_i16; 3];
    for y in 0..blue.down {
        for x in 0..blue.across {
            for (dy, dx) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                put(bits, &huffman::LUMA, luma.block(2 * x + dx, 2 * y + dy, previous[0]), &mut previous[0]);
            }
            put(bits, &huffman::CHROMA, blue.block(x, y, previous[1]), &mut previous[1]);
            put(bits, &huffman::CHROMA, red.block(x, y, previous[2]), &mut previous[2]);
        }
    }
}

#[inline(always)]
fn put(bits: &mut Bits, tables: &Tables, block: [i16; 64], previous: &mut i16) {
    bits.block(tables, &block, *previous);
    *previous = block[0];
}

/// Everything before the entropy-coded data.
fn header(width: u16, height: u16, luma: &Quantizer, chroma: &Quantizer) -> Vec<u8> {
    let mut bytes = vec![0xFF, 0xD8];
    let mut segment = |marker: u8, parts: &[&[u8]]| {
        let len = 2 + parts.iter().map(|part| part.len()).sum::<usize>() as u16;
        bytes.extend([0xFF, marker]);
        bytes.extend(len.to_be_bytes());
        bytes.extend(parts.concat());
    };
    // Version 1.1, pixels as high as wide, no thumbnail.
    segment(0xE0, &[b"JFIF\0", &[1, 1, 0, 0, 1, 0, 1, 0, 0]]);
    for (number, quantizer) in [(0, luma), (1, chroma)] {
        segment(0xDB, &[&[number], &ZIGZAG.map(|at| quantizer.steps[at] as u8)]);
    }
    // Three components with their sampling factors and tables.
    let components = [3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1];
    segment(0xC0, &[&[8], &height.to_be_bytes(), &width.to_be_bytes(), &components]);
    for (name, code) in CODES {
        segment(0xC4, &[&[name], &code.lengths, code.symbols]);
    }
    segment(0xDA, &[&[3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0]]);
    bytes
}

//! JPEG, decoded to the very pixels of libjpeg-turbo (Pillow's decoder) with its default settings: the accurate
//! integer inverse DCT, "fancy" chroma upsampling, and 16-bit fixed-point colour conversion.
//!
//! A file passes through these stages, one module each: [`markers`] reads the segments around the scans; [`run`] goes
//! through a scan, where [`cursor`] knows the place and [`scan`] or [`progressive`] turns entropy-coded data ([`bits`],
//! [`huffman`]) into coefficients; [`idct`] turns those into the samples of each component, of which [`frame`] knows what is wanted;
//! [`output`] brings the components to full size ([`upsample`]) and to RGB ([`color`]).
//!
//! Only what a region needs is computed. In a file of one sequential scan, blocks before it are passed symbol by symbol
//! without a coefficient being stored (whole restart intervals are jumped over), and nothing after its last row is
//! read. In other files every coefficient is read, as later scans build on earlier ones, and the rest is done for the
//! region alone.
//!
//! The standard is ITU-T T.81 (1992); arithmetic coding, 12-bit and lossless files are not read.

mod bits;
mod color;
mod cursor;
mod decoder;
mod frame;
mod huffman;
mod idct;
mod markers;
mod output;
mod progressive;
mod run;
mod scan;
mod simd;
mod upsample;

use crate::{Color, Error, Format, Header, Orientation, RgbImage, exif};
use markers::{Segment, Segments};

const FORMAT: Format = Format::Jpeg;

pub(crate) fn header(bytes: &[u8]) -> Result<Header, Error> {
    let mut orientation = None;
    let mut segments = Segments::new(bytes);
    loop {
        match segments.next()? {
            Segment::Exif(block) => orientation = orientation.or(Some(exif::orientation(block))),
            Segment::Frame(frame) => {
                let color = match frame.components.len() {
                    1 => Color::Gray,
                    3 => Color::Rgb,
                    4 => Color::Cmyk,
                    _ => Color::Other,
                };
                let (width, height) = (frame.width.into(), frame.height.into());
                let orientation = orientation.unwrap_or(Orientation::Normal);
                return Ok(Header { format: FORMAT, width, height, color, bits: 8, orientation });
            }
            Segment::Scan(_) | Segment::End => {
                return Err(Error::corrupt(FORMAT, "no frame header before the image"));
            }
            _ => {}
        }
    }
}

pub(crate) use decoder::Scratch;
pub(crate) use frame::Plan;

/// Decodes what `plan` says; `buffer` becomes the image's.
pub(crate) fn decode(
    bytes: &[u8],
    plan: &Plan,
    scratch: &mut Scratch,
    buffer: Vec<u8>,
) -> Result<RgbImage, Error> {
    decoder::Decoder::new(bytes, scratch).run(plan, buffer)
}

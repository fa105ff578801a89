//! The decoder: reads the segments, runs the scans, and puts the image together.

use super::bits::Intervals;
use super::color::Space;
use super::frame::{Buffers, Image, Plan};
use super::huffman::{Class, Table};
use super::markers::{self, HuffmanTable, ScanHeader, Segment, Segments};
use super::run::Run;
use super::simd::Simd;
use super::{FORMAT, output};
use crate::{Error, RgbImage};

/// Encoders write about ten; a file of scans that say nothing would keep the decoder busy for hours.
const MAX_SCANS: usize = 500;

/// What is kept from image to image, so that a worker does not ask for memory again and again.
pub(crate) struct Scratch {
    intervals: Intervals,
    buffers: [Buffers; 4],
    rows: [output::Rows; 4],
    dc: [Slot; 4],
    ac: [Slot; 4],
    simd: Simd,
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            intervals: Intervals::default(),
            buffers: Default::default(),
            rows: Default::default(),
            dc: Default::default(),
            ac: Default::default(),
            simd: Simd::detect(),
        }
    }
}

/// A place for a Huffman table, which is empty at the start of each file.
#[derive(Default)]
struct Slot {
    table: Option<Table>,
    defined: bool,
}

impl Slot {
    fn set(&mut self, definition: &HuffmanTable<'_>) -> Option<()> {
        let table = self.table.get_or_insert_with(Table::empty);
        table.set(definition.class, definition.counts, definition.symbols)?;
        self.defined = true;
        Some(())
    }

    fn get(&self) -> Option<&Table> {
        self.table.as_ref().filter(|_| self.defined)
    }
}

/// The tables in force, and the file.
pub(super) struct Decoder<'a, 's> {
    segments: Segments<'a>,
    file_size: usize,
    quantization: [Option<[u16; 64]>; 4],
    restart_interval: u32,
    scratch: &'s mut Scratch,
}

impl<'a, 's> Decoder<'a, 's> {
    pub(super) fn new(bytes: &'a [u8], scratch: &'s mut Scratch) -> Self {
        for slot in scratch.dc.iter_mut().chain(&mut scratch.ac) {
            slot.defined = false;
        }
        Self {
            segments: Segments::new(bytes),
            file_size: bytes.len(),
            quantization: [None; 4],
            restart_interval: 0,
            scratch,
        }
    }

    /// Decodes what `plan` says. `buffer` becomes the image's.
    pub(super) fn run(mut self, plan: &Plan, buffer: Vec<u8>) -> Result<RgbImage, Error> {
        let (mut image, mut jfif, mut adobe) = (None, false, None);
        loop {
            match self.segments.next()? {
                Segment::Frame(_) if image.is_some() => {
                    return Err(Error::corrupt(FORMAT, "two frame headers"));
                }
                Segment::Frame(frame) => image = Some(Image::new(&frame, plan, self.file_size)?),
                Segment::Quantization(tables) => {
                    for (slot, table) in tables {
                        self.quantization[slot] = Some(table);
                    }
                }
                Segment::Huffman(tables) => {
                    for table in tables {
                        let slots = match table.class {
                            Class::Dc => &mut self.scratch.dc,
                            Class::Ac => &mut self.scratch.ac,
                        };
                        slots[table.slot].set(&table).ok_or_else(|| markers::wrong("Huffman table"))?;
                    }
                }
                Segment::RestartInterval(interval) => self.restart_interval = interval,
                Segment::Jfif => jfif = true,
                Segment::Adobe(transform) => adobe = Some(transform),
                Segment::Exif(_) => {}
                Segment::Scan(header) => {
                    let image = image
                        .as_mut()
                        .ok_or_else(|| Error::corrupt(FORMAT, "a scan before the frame header"))?;
                    self.scan(image, &header)?;
                    if image.streamed {
                        // Nothing later matters; but like Pillow, take a colour image for whole only when a marker follows.
                        if image.components.len() > 1 {
                            self.segments.marker()?;
                        }
                        break;
                    }
                }
                Segment::End => break,
            }
        }
        let image = image.filter(|image| image.scans > 0);
        let image = image.ok_or_else(|| Error::corrupt(FORMAT, "it has no image data"))?;
        self.finish(image, jfif, adobe, buffer)
    }

    fn scan(&mut self, image: &mut Image, header: &ScanHeader) -> Result<(), Error> {
        if image.scans == MAX_SCANS {
            return Err(Error::corrupt(FORMAT, format!("more than {MAX_SCANS} scans")));
        }
        let find = |id: u8| image.components.iter().position(|c| c.frame.id == id);
        let members: Option<Vec<usize>> = header.components.iter().map(|c| find(c.id)).collect();
        let members =
            members.ok_or_else(|| Error::corrupt(FORMAT, "a scan of a component that does not exist"))?;
        if (1..members.len()).any(|i| members[..i].contains(&members[i])) {
            return Err(Error::corrupt(FORMAT, "a scan with one component twice"));
        }
        let Scratch { intervals, buffers, dc, ac, simd, .. } = &mut *self.scratch;
        if image.scans == 0 {
            image.streamed = !image.progressive && members.len() == image.components.len();
            image.allocate(buffers);
        }
        for &member in &members {
            let component = &mut image.components[member];
            let slot = component.frame.quantization;
            component.quantization = component.quantization.or(self.quantization[slot]);
            if component.quantization.is_none() {
                return Err(Error::corrupt(FORMAT, format!("quantisation table {slot} is missing")));
            }
        }
        intervals.read(self.segments.rest(), self.restart_interval > 0);
        if image.streamed && !image.wants_all() {
            for table in ac.iter_mut().filter_map(|slot| slot.table.as_mut().filter(|_| slot.defined)) {
                table.prepare_skipping();
            }
        }
        let tables = header.components.iter().map(|c| (dc[c.dc].get(), ac[c.ac].get()));
        let mut run = Run::new(image, header, &members, tables, intervals, self.restart_interval)?;
        if image.progressive {
            run.progressive(image, *simd)?;
        } else if image.streamed {
            run.streamed(image, *simd)?;
        } else {
            run.sequential(image)?;
        }
        self.segments.skip(run.length());
        image.scans += 1;
        Ok(())
    }

    fn finish(
        self,
        mut image: Image,
        jfif: bool,
        adobe: Option<u8>,
        mut out: Vec<u8>,
    ) -> Result<RgbImage, Error> {
        let Scratch { buffers, rows, simd, .. } = self.scratch;
        let ids: Vec<u8> = image.components.iter().map(|c| c.frame.id).collect();
        let space = Space::guess(&ids, jfif, adobe);
        let region = image.region;
        out.resize(region.width as usize * region.height as usize * 3, 0);
        simd.run(
            #[inline(always)]
            || {
                if !image.streamed {
                    for component in &mut image.components {
                        component.transform_all(*simd);
                    }
                }
                output::rows(*simd, &image.components, space, &region, rows, &mut out);
            },
        );
        image.release(buffers);
        RgbImage::new(region.width, region.height, out)
    }
}

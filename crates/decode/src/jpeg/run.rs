//! One scan, from its entropy-coded data to coefficients, and to samples where nothing more will follow.

use super::FORMAT;
use super::bits::Intervals;
use super::cursor::{Cursor, Cut};
use super::frame::Image;
use super::huffman::Table;
use super::markers::ScanHeader;
use super::progressive::{Coding, Progression};
use super::scan;
use super::simd::Simd;
use crate::Error;

/// One scan on its way through the entropy-coded data.
pub(super) struct Run<'a> {
    cursor: Cursor<'a>,
    /// The scan's components: index into the image's, and tables.
    members: Vec<(usize, Coding<'a>)>,
    progression: Progression,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        image: &Image,
        header: &ScanHeader,
        members: &[usize],
        tables: impl Iterator<Item = (Option<&'a Table>, Option<&'a Table>)>,
        intervals: &'a Intervals,
        restart_interval: u32,
    ) -> Result<Self, Error> {
        let (start, end) = header.spectral;
        let (high, low) = header.approximation;
        if image.progressive {
            let valid = start <= end
                && end < 64
                && low <= 13
                && if start == 0 { end == 0 } else { members.len() == 1 };
            if !valid {
                return Err(Error::corrupt(FORMAT, "progressive parameters that do not exist"));
            }
        }
        let codings = tables.map(|(dc, ac)| Coding { dc, ac });
        Ok(Self {
            cursor: Cursor::new(intervals, restart_interval as usize),
            members: members.iter().copied().zip(codings).collect(),
            progression: Progression { spectral: (start, end), refines: high > 0, low },
        })
    }

    /// How many bytes of the file were read, or jumped over.
    pub(super) fn length(&self) -> usize {
        self.cursor.length()
    }

    /// The size of the scan in MCUs: those of the image, or for one component its own blocks.
    fn size(&self, image: &Image) -> (usize, usize) {
        match self.members.as_slice() {
            [(member, _)] => image.components[*member].scan_size,
            _ => (image.mcus_across, image.mcus_down),
        }
    }

    /// The scan's components with both tables of each, which a sequential scan must have.
    fn sequential_members(&self) -> Result<Vec<(usize, &'a Table, &'a Table)>, Error> {
        let members = self.members.iter().map(|(member, c)| Some((*member, c.dc?, c.ac?)));
        members.collect::<Option<_>>().ok_or_else(no_table)
    }

    /// The one scan of a sequential image: only the wanted MCUs are decoded, and turned into samples at once.
    pub(super) fn streamed(&mut self, image: &mut Image, simd: Simd) -> Result<(), Error> {
        let members = self.sequential_members()?;
        let (cursor, image_height) = (&mut self.cursor, image.height);
        let (across, down) = (image.mcus_across, image.mcus_down);
        let result = simd.run(
            #[inline(always)]
            || stream(cursor, image, &members, simd),
        );
        result.map_err(|Cut| {
            let height = 8 * image_height.div_ceil(8).div_ceil(down);
            let rows = (self.cursor.mcu() / across * height).min(image_height);
            Error::truncated(FORMAT, format!("{rows} of {image_height} rows decoded"))
        })
    }

    /// One of several sequential scans.
    pub(super) fn sequential(&mut self, image: &mut Image) -> Result<(), Error> {
        let members = self.sequential_members()?;
        let (across, down) = self.size(image);
        let single = members.len() == 1;
        for row in 0..down {
            let cut = |Cut| {
                let height = if single { 8 } else { 8 * image.height.div_ceil(8).div_ceil(down) };
                let progress =
                    format!("{} of {} rows decoded", (row * height).min(image.height), image.height);
                Error::truncated(FORMAT, progress)
            };
            for column in 0..across {
                self.cursor.before_mcu().map_err(cut)?;
                if !self.cursor.starved {
                    for (&(member, dc, ac), predicted) in members.iter().zip(&mut self.cursor.predicted) {
                        let component = &mut image.components[member];
                        let (h, v) = if single { (1, 1) } else { (component.frame.h, component.frame.v) };
                        for (y, x) in (0..v).flat_map(|y| (0..h).map(move |x| (y, x))) {
                            let at = (row * v + y) * component.stride + column * h + x;
                            let buffers = &mut component.buffers;
                            let Some(block) = buffers.coefficients.as_chunks_mut::<64>().0.get_mut(at) else {
                                continue;
                            };
                            let last = scan::sequential(&mut self.cursor.bits, dc, ac, predicted, block);
                            buffers.lasts[at] = buffers.lasts[at].max(last);
                        }
                    }
                }
                self.cursor.after_mcu().map_err(cut)?;
            }
        }
        Ok(())
    }

    /// One of several progressive scans.
    pub(super) fn progressive(&mut self, image: &mut Image, simd: Simd) -> Result<(), Error> {
        let scan = image.scans + 1;
        let (size, Self { cursor, members, progression }) = (self.size(image), self);
        let result = simd.run(
            #[inline(always)]
            || advance(cursor, image, members, progression, size),
        );
        match result {
            Ok(Some(())) => Ok(()),
            Ok(None) => Err(no_table()),
            Err(Cut) => Err(Error::truncated(FORMAT, format!("it ends within scan {scan}"))),
        }
    }
}

/// [`Run::progressive`], as it is compiled for each instruction set. `None` when a table is missing.
#[inline(always)]
fn advance(
    cursor: &mut Cursor<'_>,
    image: &mut Image,
    members: &[(usize, Coding<'_>)],
    progression: &Progression,
    (across, down): (usize, usize),
) -> Result<Option<()>, Cut> {
    let single = members.len() == 1;
    for row in 0..down {
        for column in 0..across {
            cursor.before_mcu()?;
            if !cursor.starved {
                for (index, (member, coding)) in members.iter().enumerate() {
                    let component = &mut image.components[*member];
                    let (h, v) = if single { (1, 1) } else { (component.frame.h, component.frame.v) };
                    for y in 0..v {
                        let first = (row * v + y) * component.stride + column * h;
                        let blocks = component.buffers.coefficients.as_chunks_mut::<64>().0;
                        let lasts = &mut component.buffers.lasts[first..first + h];
                        for (block, last) in blocks[first..first + h].iter_mut().zip(lasts) {
                            if progression.block(cursor, index, coding, block, last).is_none() {
                                return Ok(None);
                            }
                        }
                    }
                }
            }
            cursor.after_mcu()?;
        }
    }
    Ok(Some(()))
}

/// [`Run::streamed`], as it is compiled for each instruction set.
#[inline(always)]
fn stream(
    cursor: &mut Cursor<'_>,
    image: &mut Image,
    members: &[(usize, &Table, &Table)],
    simd: Simd,
) -> Result<(), Cut> {
    let (across, down) = (image.mcus_across, image.mcus_down);
    let blocks: Vec<usize> =
        members.iter().map(|m| image.components[m.0].frame.h * image.components[m.0].frame.v).collect();
    for row in image.rows.clone() {
        seek(cursor, row * across + image.columns.start, members, &blocks)?;
        for component in &mut image.components {
            component.buffers.coefficients.fill(0);
            component.buffers.lasts.fill(0);
        }
        for column in 0..image.columns.len() {
            cursor.before_mcu()?;
            if !cursor.starved {
                for (&(member, dc, ac), predicted) in members.iter().zip(&mut cursor.predicted) {
                    let component = &mut image.components[member];
                    let (h, v) = (component.frame.h, component.frame.v);
                    for y in 0..v {
                        let first = y * component.stride + column * h;
                        let blocks = component.buffers.coefficients.as_chunks_mut::<64>().0[first..first + h]
                            .iter_mut();
                        for (block, last) in blocks.zip(&mut component.buffers.lasts[first..first + h]) {
                            *last = scan::sequential(&mut cursor.bits, dc, ac, predicted, block);
                        }
                    }
                }
            }
            cursor.after_mcu()?;
        }
        for component in &mut image.components {
            let v = component.frame.v;
            for y in 0..v {
                component.transform(simd, y, row * v + y);
            }
        }
    }
    if cursor.is_cut() {
        // Whether the rest is there.
        seek(cursor, across * down, members, &blocks)?;
    }
    Ok(())
}

/// Passes the MCUs before `target`.
#[inline(always)]
fn seek(
    cursor: &mut Cursor<'_>,
    target: usize,
    members: &[(usize, &Table, &Table)],
    blocks: &[usize],
) -> Result<(), Cut> {
    cursor.seek(
        target,
        #[inline(always)]
        |bits, predicted| {
            for ((&(_, dc, ac), &blocks), predicted) in members.iter().zip(blocks).zip(predicted) {
                for _ in 0..blocks {
                    scan::pass(bits, dc, ac, predicted);
                }
            }
        },
    )
}

fn no_table() -> Error {
    Error::corrupt(FORMAT, "a Huffman table is missing")
}

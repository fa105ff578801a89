//! The image being decoded: its components, which of their blocks are wanted, and the memory that they take.

use super::markers::{Frame, FrameComponent};
use super::simd::Simd;
use super::upsample::{Method, sources};
use super::{FORMAT, idct};
use crate::{Error, Region};
use std::ops::Range;

/// What to decode.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Pixels per eight stored ones, along both sides: 8, 4, 2 or 1.
    pub(crate) eighths: usize,
    /// The part wanted, in pixels of the scaled image.
    pub(crate) region: Region,
}

/// A component's memory, kept from image to image.
#[derive(Default)]
pub(super) struct Buffers {
    /// Blocks of coefficients: one row of MCUs, or all of them when several scans add to them.
    pub(super) coefficients: Vec<i16>,
    /// For each of those blocks, the zigzag index of the last coefficient that may differ from 0.
    pub(super) lasts: Vec<u8>,
    /// The samples of the wanted blocks, row by row.
    plane: Vec<u8>,
}

/// One component of the image being decoded.
pub(super) struct Component {
    pub(super) frame: FrameComponent,
    /// Samples along a side of a block: 8 at full scale.
    size: usize,
    /// How many rows of samples there are.
    pub(super) height: usize,
    /// Size of the stored image in blocks, as scans of this component alone count them.
    pub(super) scan_size: (usize, usize),
    /// Width of the stored image in blocks, up to whole MCUs.
    blocks_across: usize,
    blocks_down: usize,
    /// The blocks whose samples are wanted.
    columns: Range<usize>,
    rows: Range<usize>,
    /// The samples that upsampling is to see.
    pub(super) window: Range<usize>,
    /// How it is brought to the image's size.
    pub(super) method: Method,
    /// Latched when the first scan of the component starts, as libjpeg does.
    pub(super) quantization: Option<[u16; 64]>,
    /// The first column of blocks in the buffers, and how many there are.
    pub(super) origin: usize,
    pub(super) stride: usize,
    pub(super) buffers: Buffers,
}

impl Component {
    /// The samples of row `y` that lie in the window.
    #[inline(always)]
    pub(super) fn row(&self, y: usize) -> &[u8] {
        let stride = self.columns.len() * self.size;
        let start =
            (y - self.rows.start * self.size) * stride + self.window.start - self.columns.start * self.size;
        &self.buffers.plane[start..][..self.window.len()]
    }

    /// Inverse DCT of row `row` of the blocks, which lies in row `from` of the buffer.
    #[inline(always)]
    pub(super) fn transform(&mut self, simd: Simd, from: usize, row: usize) {
        let Some(quantization) = &self.quantization else { return };
        if !self.rows.contains(&row) {
            return;
        }
        let first = from * self.stride + self.columns.start - self.origin;
        let blocks = first..first + self.columns.len();
        let stride = self.columns.len() * self.size;
        let plane =
            &mut self.buffers.plane[(row - self.rows.start) * self.size * stride..][..self.size * stride];
        let coefficients = &self.buffers.coefficients.as_chunks::<64>().0[blocks.clone()];
        idct::row_of_blocks(
            simd,
            self.size,
            coefficients,
            &self.buffers.lasts[blocks],
            quantization,
            plane,
            stride,
        );
    }

    /// All wanted rows of blocks, from buffers that hold the whole image.
    #[inline(always)]
    pub(super) fn transform_all(&mut self, simd: Simd) {
        for row in self.rows.clone() {
            self.transform(simd, row, row);
        }
    }
}

/// A frame with its components set up.
pub(super) struct Image {
    pub(super) progressive: bool,
    /// The stored image's height in pixels.
    pub(super) height: usize,
    /// What is to be decoded.
    pub(super) region: Region,
    /// Size in MCUs.
    pub(super) mcus_across: usize,
    pub(super) mcus_down: usize,
    /// The MCUs that hold the wanted blocks of all components.
    pub(super) columns: Range<usize>,
    pub(super) rows: Range<usize>,
    pub(super) components: Vec<Component>,
    /// Scans decoded so far.
    pub(super) scans: usize,
    /// One sequential scan holds every component, so that each row of MCUs is transformed as it is read.
    pub(super) streamed: bool,
}

impl Image {
    pub(super) fn new(frame: &Frame, plan: &Plan, file_size: usize) -> Result<Self, Error> {
        let (width, height) = (usize::from(frame.width), usize::from(frame.height));
        if width == 0 || height == 0 {
            return Err(Error::corrupt(FORMAT, format!("a size of {width}x{height}")));
        }
        let scaled = |side: usize| (side * plan.eighths).div_ceil(8) as u32;
        plan.region.check(scaled(width), scaled(height))?;
        let mut parts = frame.components.clone();
        if let [alone] = parts.as_mut_slice() {
            // Its blocks come one by one, whatever its sampling factors.
            (alone.h, alone.v) = (1, 1);
        }
        let most = |f: fn(&FrameComponent) -> usize| parts.iter().map(f).max().unwrap_or(1);
        let largest = (most(|c| c.h), most(|c| c.v));
        let (mcus_across, mcus_down) = (width.div_ceil(8 * largest.0), height.div_ceil(8 * largest.1));
        let per_mcu: usize = parts.iter().map(|c| c.h * c.v).sum();
        // A block takes at least one bit.
        if mcus_across * mcus_down * per_mcu / 8 > file_size {
            let progress = format!("{file_size} bytes cannot hold {width}x{height} pixels");
            return Err(Error::truncated(FORMAT, progress));
        }
        let components: Vec<Component> = parts
            .iter()
            .map(|part| component(part, largest, (width, height), (mcus_across, mcus_down), plan))
            .collect::<Result<_, _>>()?;
        let columns = hull(components.iter().map(|c| (&c.columns, c.frame.h)));
        let rows = hull(components.iter().map(|c| (&c.rows, c.frame.v)));
        Ok(Self {
            progressive: frame.progressive,
            height,
            region: plan.region,
            mcus_across,
            mcus_down,
            columns,
            rows,
            components,
            scans: 0,
            streamed: false,
        })
    }

    /// Whether no MCU is left out.
    pub(super) fn wants_all(&self) -> bool {
        self.columns == (0..self.mcus_across) && self.rows == (0..self.mcus_down)
    }

    /// Makes room, in the memory of `kept`: for one row of wanted MCUs when streamed, else for all.
    pub(super) fn allocate(&mut self, kept: &mut [Buffers; 4]) {
        for (component, kept) in self.components.iter_mut().zip(kept) {
            let (h, v) = (component.frame.h, component.frame.v);
            let rows;
            if self.streamed {
                (component.origin, component.stride, rows) =
                    (self.columns.start * h, self.columns.len() * h, v);
            } else {
                (component.origin, component.stride, rows) =
                    (0, component.blocks_across, component.blocks_down);
            }
            let mut buffers = std::mem::take(kept);
            let blocks = component.stride * rows;
            // A streamed row is cleared before it is read.
            if !self.streamed {
                buffers.coefficients.clear();
                buffers.lasts.clear();
            }
            buffers.coefficients.resize(blocks * 64, 0);
            buffers.lasts.resize(blocks, 0);
            // Every sample of it is written before it is read, unless the component has no scan.
            if !self.streamed {
                buffers.plane.clear();
            }
            let samples = component.columns.len() * component.rows.len() * component.size * component.size;
            buffers.plane.resize(samples, 128);
            component.buffers = buffers;
        }
    }

    /// Gives the memory back.
    pub(super) fn release(self, kept: &mut [Buffers; 4]) {
        for (component, kept) in self.components.into_iter().zip(kept) {
            *kept = component.buffers;
        }
    }
}

/// The MCUs that hold all these ranges of blocks, each with how many of its blocks an MCU has.
fn hull<'a>(ranges: impl Iterator<Item = (&'a Range<usize>, usize)>) -> Range<usize> {
    let mcus = ranges.map(|(range, per_mcu)| range.start / per_mcu..range.end.div_ceil(per_mcu));
    mcus.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end)).unwrap_or_default()
}

/// Sets a component up; `largest` are the largest sampling factors of all, `mcus` the image's size in MCUs.
fn component(
    part: &FrameComponent,
    largest: (usize, usize),
    (width, height): (usize, usize),
    mcus: (usize, usize),
    plan: &Plan,
) -> Result<Component, Error> {
    let (h_max, v_max) = largest;
    if h_max % part.h != 0 || v_max % part.v != 0 {
        return Err(Error::unsupported(FORMAT, "sampling factors that do not divide each other"));
    }
    // A component with fewer samples is scaled down less, as far as both sides allow.
    let mut size = plan.eighths;
    while size < 8
        && (h_max * plan.eighths).is_multiple_of(part.h * size * 2)
        && (v_max * plan.eighths).is_multiple_of(part.v * size * 2)
    {
        size *= 2;
    }
    let samples = |side: usize, factor: usize, most: usize| (side * factor * size).div_ceil(most * 8);
    let (samples_across, samples_down) = (samples(width, part.h, h_max), samples(height, part.v, v_max));
    let (across, down) = (h_max * plan.eighths / (part.h * size), v_max * plan.eighths / (part.v * size));
    let method = Method::choose(across, down, samples_across, plan.eighths > 1);
    let Region { x, y, width: region_width, height: region_height } = plan.region;
    let pixels = |start: u32, count: u32| start as usize..(start + count) as usize;
    let window = sources(pixels(x, region_width), across, method.mixes_columns(), samples_across);
    let lines = sources(pixels(y, region_height), down, method.mixes_rows(), samples_down);
    let blocks = |samples: &Range<usize>| samples.start / size..samples.end.div_ceil(size);
    Ok(Component {
        frame: *part,
        size,
        height: samples_down,
        scan_size: ((width * part.h).div_ceil(h_max * 8), (height * part.v).div_ceil(v_max * 8)),
        blocks_across: mcus.0 * part.h,
        blocks_down: mcus.1 * part.v,
        columns: blocks(&window),
        rows: blocks(&lines),
        window,
        method,
        quantization: None,
        origin: 0,
        stride: 0,
        buffers: Buffers::default(),
    })
}

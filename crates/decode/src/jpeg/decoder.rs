//! The decoder: reads the segments, runs the scans, and puts the image together.

use super::FORMAT;
use super::bits::Bits;
use super::color::Space;
use super::huffman::Table;
use super::markers::{Frame, FrameComponent, ScanHeader, Segment, Segments};
use super::scan::{self, Coding, Progression};
use super::upsample::Method;
use super::{idct, output};
use crate::{Error, RgbImage};
use pulp::Arch;

/// Encoders write about ten; a file of scans that say nothing would keep the decoder busy for hours.
const MAX_SCANS: usize = 500;

/// One component of the image being decoded.
pub(super) struct Component {
    frame: FrameComponent,
    /// Size in samples.
    pub(super) width: usize,
    pub(super) height: usize,
    /// Size in blocks, up to whole MCUs.
    blocks_across: usize,
    blocks_down: usize,
    /// How it is brought to the image's size.
    pub(super) method: Method,
    /// Latched when the first scan of the component starts, as libjpeg does.
    quantization: Option<[u16; 64]>,
    /// One row of MCUs, or all of them when several scans add to them.
    coefficients: Vec<i16>,
    /// For each of those blocks, the zigzag index of the last coefficient that may differ from 0.
    lasts: Vec<u8>,
    /// The samples, `blocks_across * 8` to a row.
    plane: Vec<u8>,
}

impl Component {
    /// Row `y` of the samples, without padding.
    #[inline(always)]
    pub(super) fn row(&self, y: usize) -> &[u8] {
        &self.plane[y * self.blocks_across * 8..][..self.width]
    }

    /// Inverse DCT of the row of blocks at `from` in the buffer, into the row of blocks `to` of the plane.
    #[inline(always)]
    fn transform(&mut self, from: usize, to: usize, quantization: &[u16; 64]) {
        let (across, stride) = (self.blocks_across, self.blocks_across * 8);
        let blocks = from * across..(from + 1) * across;
        idct::row_of_blocks(
            &self.coefficients[blocks.start * 64..blocks.end * 64],
            &self.lasts[blocks],
            quantization,
            &mut self.plane[to * 8 * stride..][..8 * stride],
            stride,
        );
    }
}

/// A frame with its components set up.
struct Image {
    progressive: bool,
    width: usize,
    height: usize,
    /// Size in MCUs.
    mcus_across: usize,
    mcus_down: usize,
    components: Vec<Component>,
    /// Scans decoded so far.
    scans: usize,
    /// One sequential scan holds every component, so that each row of MCUs is transformed as it is read.
    streamed: bool,
}

impl Image {
    fn new(frame: &Frame, file_size: usize) -> Result<Self, Error> {
        let (width, height) = (usize::from(frame.width), usize::from(frame.height));
        if width == 0 || height == 0 {
            return Err(Error::corrupt(FORMAT, format!("a size of {width}x{height}")));
        }
        let most = |f: fn(&FrameComponent) -> usize| frame.components.iter().map(f).max().unwrap_or(1);
        let (h_max, v_max) = (most(|c| c.h), most(|c| c.v));
        let (mcus_across, mcus_down) = (width.div_ceil(8 * h_max), height.div_ceil(8 * v_max));
        let per_mcu: usize = frame.components.iter().map(|c| c.h * c.v).sum();
        // A block takes at least one bit.
        if mcus_across * mcus_down * per_mcu / 8 > file_size {
            let progress = format!("{file_size} bytes cannot hold {width}x{height} pixels");
            return Err(Error::truncated(FORMAT, progress));
        }
        let component = |c: &FrameComponent| {
            if h_max % c.h != 0 || v_max % c.v != 0 {
                return Err(Error::unsupported(FORMAT, "sampling factors that do not divide each other"));
            }
            let (component_width, component_height) =
                ((width * c.h).div_ceil(h_max), (height * c.v).div_ceil(v_max));
            Ok(Component {
                frame: *c,
                width: component_width,
                height: component_height,
                blocks_across: mcus_across * c.h,
                blocks_down: mcus_down * c.v,
                method: Method::choose(h_max / c.h, v_max / c.v, component_width),
                quantization: None,
                coefficients: Vec::new(),
                lasts: Vec::new(),
                plane: Vec::new(),
            })
        };
        let components = frame.components.iter().map(component).collect::<Result<_, _>>()?;
        Ok(Self {
            progressive: frame.progressive,
            width,
            height,
            mcus_across,
            mcus_down,
            components,
            scans: 0,
            streamed: false,
        })
    }

    /// Makes room for `rows` rows of MCUs.
    fn allocate(&mut self, rows: usize) {
        for component in &mut self.components {
            let blocks = component.blocks_across * component.frame.v * rows;
            component.coefficients = vec![0; blocks * 64];
            component.lasts = vec![0; blocks];
            component.plane = vec![128; component.blocks_across * component.blocks_down * 64];
        }
    }
}

/// The tables in force, and the file.
pub(super) struct Decoder<'a> {
    segments: Segments<'a>,
    file_size: usize,
    quantization: [Option<[u16; 64]>; 4],
    dc: [Option<Table>; 4],
    ac: [Option<Table>; 4],
    restart_interval: u32,
    arch: Arch,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            segments: Segments::new(bytes),
            file_size: bytes.len(),
            quantization: [None; 4],
            dc: [const { None }; 4],
            ac: [const { None }; 4],
            restart_interval: 0,
            arch: Arch::new(),
        }
    }

    pub(super) fn run(mut self) -> Result<RgbImage, Error> {
        let (mut image, mut jfif, mut adobe) = (None, false, None);
        loop {
            match self.segments.next()? {
                Segment::Frame(_) if image.is_some() => {
                    return Err(Error::corrupt(FORMAT, "two frame headers"));
                }
                Segment::Frame(frame) => image = Some(Image::new(&frame, self.file_size)?),
                Segment::Quantization(tables) => {
                    tables.into_iter().for_each(|(slot, table)| self.quantization[slot] = Some(table));
                }
                Segment::Huffman(tables) => {
                    for (ac, slot, table) in tables {
                        let tables = if ac { &mut self.ac } else { &mut self.dc };
                        tables[slot] = Some(table);
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
        self.finish(image, jfif, adobe)
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
        if image.scans == 0 {
            image.streamed = !image.progressive && members.len() == image.components.len();
            image.allocate(if image.streamed { 1 } else { image.mcus_down });
        }
        for &member in &members {
            let component = &mut image.components[member];
            let slot = component.frame.quantization;
            component.quantization = component.quantization.or(self.quantization[slot]);
            if component.quantization.is_none() {
                return Err(Error::corrupt(FORMAT, format!("quantisation table {slot} is missing")));
            }
        }
        let mut run = ScanRun::new(self, image, header, members)?;
        if image.progressive {
            run.progressive(image)?;
        } else {
            run.sequential(image)?;
        }
        let used = run.bits.position();
        self.segments.skip(used);
        image.scans += 1;
        Ok(())
    }

    fn finish(&self, mut image: Image, jfif: bool, adobe: Option<u8>) -> Result<RgbImage, Error> {
        let ids: Vec<u8> = image.components.iter().map(|c| c.frame.id).collect();
        let space = Space::guess(&ids, jfif, adobe);
        let mut out = vec![0; image.width * image.height * 3];
        self.arch.dispatch(Inlined(
            #[inline(always)]
            || {
                if !image.streamed {
                    for component in &mut image.components {
                        if let Some(quantization) = component.quantization {
                            for row in 0..component.blocks_down {
                                component.transform(row, row, &quantization);
                            }
                        }
                    }
                }
                output::rows(&image.components, space, image.width, &mut out);
            },
        ));
        RgbImage::new(image.width as u32, image.height as u32, out)
    }
}

/// What `Arch::dispatch` compiles for each instruction set.
///
/// A closure handed over as it is goes through `FnOnce::call_once`, which is compiled once, for the baseline, and
/// not inlined; `FnMut` calls the closure's own body, which is. Within, too, only loops are sure to be inlined:
/// `for_each` is not.
struct Inlined<F>(F);

impl<F: FnMut()> pulp::NullaryFnOnce for Inlined<F> {
    type Output = ();

    #[inline(always)]
    fn call(mut self) {
        (self.0)();
    }
}

/// One scan on its way through the entropy-coded data.
struct ScanRun<'a, 't> {
    bits: Bits<'a>,
    /// The scan's components: index into the image's, and tables.
    members: Vec<(usize, Coding<'t>)>,
    /// The last DC coefficient of each.
    predicted: Vec<i32>,
    progression: Progression,
    restart_interval: u32,
    /// MCUs until the next restart marker.
    until_restart: u32,
    /// The interval's data have ended early, at a marker: the rest of its blocks stays zero.
    starved: bool,
    arch: Arch,
}

impl<'a, 't> ScanRun<'a, 't> {
    fn new(
        decoder: &'t Decoder<'a>,
        image: &Image,
        header: &ScanHeader,
        members: Vec<usize>,
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
        let codings = header
            .components
            .iter()
            .map(|c| Coding { dc: decoder.dc[c.dc].as_ref(), ac: decoder.ac[c.ac].as_ref() });
        Ok(Self {
            bits: Bits::new(decoder.segments.rest()),
            predicted: vec![0; members.len()],
            members: members.into_iter().zip(codings).collect(),
            progression: Progression { spectral: (start, end), refines: high > 0, low, end_run: 0 },
            restart_interval: decoder.restart_interval,
            until_restart: decoder.restart_interval,
            starved: false,
            arch: decoder.arch,
        })
    }

    /// To be called before each MCU. Whether the file is cut off where a restart marker should be.
    #[inline(always)]
    fn before_mcu(&mut self) -> bool {
        if self.restart_interval > 0 {
            if self.until_restart == 0 {
                self.starved = !self.bits.restart();
                self.predicted.fill(0);
                self.progression.end_run = 0;
                self.until_restart = self.restart_interval;
                if self.starved && self.bits.is_cut() {
                    return true;
                }
            }
            self.until_restart -= 1;
        }
        false
    }

    /// To be called after each MCU. Whether the file is cut off here.
    #[inline(always)]
    fn is_cut(&mut self) -> bool {
        if self.bits.is_exhausted() {
            self.starved = true;
            return self.bits.is_cut();
        }
        false
    }

    /// The size of the scan in MCUs: those of the image, or for one component its own blocks.
    fn size(&self, image: &Image) -> (usize, usize) {
        match self.members.as_slice() {
            [(member, _)] => {
                let component = &image.components[*member];
                (component.width.div_ceil(8), component.height.div_ceil(8))
            }
            _ => (image.mcus_across, image.mcus_down),
        }
    }

    /// A sequential scan.
    fn sequential(&mut self, image: &mut Image) -> Result<(), Error> {
        let (across, down) = self.size(image);
        let tables: Option<Vec<_>> =
            self.members.iter().map(|(member, c)| Some((*member, c.dc?, c.ac?))).collect();
        let tables = tables.ok_or_else(no_table)?;
        let single = tables.len() == 1;
        // A lone component's rows of blocks are taken one by one, whatever its sampling factor.
        let rows_buffered = if single { image.components[tables[0].0].frame.v } else { 1 };
        let image_height = image.height;
        for row in 0..down {
            if image.streamed {
                for component in &mut image.components {
                    component.coefficients.fill(0);
                    component.lasts.fill(0);
                }
            }
            let cut = || {
                let height = if single { 8 } else { 8 * image_height.div_ceil(8).div_ceil(down) };
                let progress = format!("{} of {image_height} rows decoded", (row * height).min(image_height));
                Error::truncated(FORMAT, progress)
            };
            for column in 0..across {
                if self.before_mcu() {
                    return Err(cut());
                }
                if self.starved {
                    continue;
                }
                for (&(member, dc, ac), predicted) in tables.iter().zip(&mut self.predicted) {
                    let component = &mut image.components[member];
                    let (h, v) = if single { (1, 1) } else { (component.frame.h, component.frame.v) };
                    let top = if image.streamed { row % rows_buffered } else { row * v };
                    for y in 0..v {
                        for x in 0..h {
                            let at = (top + y) * component.blocks_across + column * h + x;
                            let Some(block) = component.coefficients.as_chunks_mut::<64>().0.get_mut(at)
                            else {
                                continue;
                            };
                            component.lasts[at] = scan::sequential(&mut self.bits, dc, ac, predicted, block);
                        }
                    }
                }
                if self.is_cut() {
                    return Err(cut());
                }
            }
            if image.streamed {
                self.transform(image, row, single);
            }
        }
        Ok(())
    }

    /// Inverse DCT of the row of MCUs just read; of a `single` component, the row of blocks.
    fn transform(&self, image: &mut Image, row: usize, single: bool) {
        self.arch.dispatch(Inlined(
            #[inline(always)]
            || {
                for component in &mut image.components {
                    let Some(quantization) = component.quantization else { continue };
                    let v = component.frame.v;
                    if single {
                        component.transform(row % v, row, &quantization);
                    } else {
                        for y in 0..v {
                            component.transform(y, row * v + y, &quantization);
                        }
                    }
                }
            },
        ));
    }

    fn progressive(&mut self, image: &mut Image) -> Result<(), Error> {
        let (across, down) = self.size(image);
        let single = self.members.len() == 1;
        let scan = image.scans + 1;
        let cut = || Error::truncated(FORMAT, format!("it ends within scan {scan}"));
        for row in 0..down {
            for column in 0..across {
                if self.before_mcu() {
                    return Err(cut());
                }
                if self.starved {
                    continue;
                }
                for ((member, coding), predicted) in self.members.iter().zip(&mut self.predicted) {
                    let component = &mut image.components[*member];
                    let (h, v) = if single { (1, 1) } else { (component.frame.h, component.frame.v) };
                    for y in 0..v {
                        for x in 0..h {
                            let at = (row * v + y) * component.blocks_across + column * h + x;
                            let Some(block) = component.coefficients.as_chunks_mut::<64>().0.get_mut(at)
                            else {
                                continue;
                            };
                            self.progression
                                .block(&mut self.bits, coding, predicted, block)
                                .ok_or_else(no_table)?;
                            component.lasts[at] = component.lasts[at].max(self.progression.spectral.1 as u8);
                        }
                    }
                }
                if self.is_cut() {
                    return Err(cut());
                }
            }
        }
        Ok(())
    }
}

fn no_table() -> Error {
    Error::corrupt(FORMAT, "a Huffman table is missing")
}

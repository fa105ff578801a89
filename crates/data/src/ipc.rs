//! Arrow IPC files and streams of images, as Hugging Face's `datasets` keeps them on disk.
//!
//! <https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc>. Opening
//! goes through the messages' headers, which say where each buffer of each record batch lies. A sample is then two
//! short reads, of its offsets and of its bytes: nothing is cached, and any order costs the same.

use crate::columns::{self, ColumnOptions, Columns};
use crate::error::guarded;
use crate::fingerprint::Fingerprint;
use crate::labels::{Labels, numbered_classes};
use crate::source::{Input, Source, Stamp};
use crate::{Dataset, Error, Sample, SampleImage, parallel};
use arrow_ipc::{MessageHeader, RecordBatch, convert::try_fb_to_schema, root_as_footer, root_as_message};
use arrow_schema::{DataType, Schema};
use bytes::Bytes;
use std::path::PathBuf;

const MAGIC: &[u8] = b"ARROW1";
/// A larger header or footer is refused.
const MAX_METADATA: u64 = 64 << 20;
/// A larger image is refused.
const MAX_IMAGE_BYTES: u64 = 1 << 30;
/// More rows are refused.
const MAX_ROWS: u64 = 1 << 30;
/// Bytes that a row needs at least, for its offset.
const MIN_ROW: u64 = 4;

/// Images and labels in one or more Arrow IPC files or streams, with the columns that [`Parquet`](crate::Parquet) reads.
///
/// Record batches must not be compressed, which those of Hugging Face's `datasets` never are. A sample's key is
/// `file.arrow:row`, the row counted from 0 within the file, with folders before it where files of several folders have
/// one name.
pub struct ArrowIpc {
    shards: Vec<Shard>,
    labels: Labels,
    classes: Vec<String>,
    len: usize,
}

struct Shard {
    name: String,
    source: Source,
    stamp: Option<Stamp>,
    /// Index in the dataset of the first row.
    start: usize,
    rows: usize,
    batches: Vec<Batch>,
}

/// Where the images of a record batch lie in their file.
struct Batch {
    /// Index in the shard of the first row.
    start: usize,
    rows: usize,
    /// Bitmaps that say which images are there; both must.
    present: Vec<Span>,
    offsets: Span,
    values: Span,
    /// Whether offsets have 64 bits.
    large: bool,
}

/// Bytes of a file.
#[derive(Clone, Copy, Debug)]
struct Span {
    at: u64,
    len: u64,
}

struct Opened {
    shard: Shard,
    labels: Labels,
    has_labels: bool,
    classes: Option<Vec<String>>,
}

impl ArrowIpc {
    /// Opens files as one dataset, in the order given, and reads their labels.
    pub fn open_files(files: &[PathBuf], options: &ColumnOptions) -> Result<Self, Error> {
        Self::build(files.iter().map(|file| Source::File(file.clone())).collect(), options)
    }

    pub(crate) fn build(sources: Vec<Source>, options: &ColumnOptions) -> Result<Self, Error> {
        let mut this = Self { shards: Vec::new(), labels: Labels::default(), classes: Vec::new(), len: 0 };
        let mut classes: Option<(Vec<String>, String)> = None;
        let mut has_labels = false;
        for opened in parallel::map(Source::named(sources), |(name, source)| open(name, source, options)) {
            let mut opened = opened?;
            let file = opened.shard.source.describe(&opened.shard.name);
            match (&classes, opened.classes) {
                (None, Some(names)) => classes = Some((names, file)),
                (Some((known, other)), Some(names)) if *known != names => {
                    let problem = format!("its class names differ from those of {other}");
                    return Err(Error::Layout { path: file.into(), problem });
                }
                _ => {}
            }
            has_labels |= opened.has_labels;
            opened.shard.start = this.len;
            this.len += opened.shard.rows;
            this.labels.extend(opened.labels.iter());
            this.shards.push(opened.shard);
        }
        let first = this.shards.first().map(|shard| shard.source.describe(&shard.name)).unwrap_or_default();
        let fail = |problem| Error::Layout { path: first.clone().into(), problem };
        this.classes = match classes {
            Some((names, _)) => names,
            None => numbered_classes(this.labels.max()).map_err(fail)?,
        };
        if let Some(label) = this.labels.max().filter(|label| *label as usize >= this.classes.len()) {
            return Err(fail(format!("label {label} is outside the {} classes", this.classes.len())));
        }
        if !has_labels {
            this.labels = Labels::default();
        }
        Ok(this)
    }

    fn locate(&self, index: usize) -> Result<(&Shard, usize), Error> {
        if index >= self.len {
            return Err(Error::Index { index, len: self.len });
        }
        let shard = &self.shards[self.shards.partition_point(|shard| shard.start + shard.rows <= index)];
        Ok((shard, index - shard.start))
    }
}

fn open(name: String, source: Source, options: &ColumnOptions) -> Result<Opened, Error> {
    let file = source.describe(&name);
    let io = |source| Error::Io { path: file.clone().into(), source };
    let layout = |problem: String| Error::Layout { path: file.clone().into(), problem };
    let input = source.open().map_err(io)?;
    let (stamp, len) = (input.stamp().map_err(io)?, input.len().map_err(io)?);
    let messages = guarded(|| Messages::find(&input)).map_err(layout)?;
    let hugging_face = messages.schema.metadata().get("huggingface").map(String::as_str);
    let columns = columns::find(&file, messages.schema.fields(), hugging_face, options)?;
    let (mut batches, mut labels, mut rows) = (Vec::new(), Labels::default(), 0_usize);
    for message in &messages.batches {
        let read = || {
            let batch = Layout::read(&input, *message, &messages.schema, &columns)?;
            match batch.label {
                Some(label) => label.read(&input, batch.rows, &mut labels)?,
                None => labels.extend(std::iter::repeat_n(None, batch.rows)),
            }
            Ok(Batch {
                start: rows,
                rows: batch.rows,
                present: batch.present,
                offsets: batch.offsets,
                values: batch.values,
                large: batch.large,
            })
        };
        let batch = guarded(read).map_err(layout)?;
        rows += batch.rows;
        if rows as u64 > MAX_ROWS.min(len / MIN_ROW) {
            return Err(layout(format!("claims over {rows} rows in {len} bytes")));
        }
        batches.push(batch);
    }
    let shard = Shard { name, source, stamp, start: 0, rows, batches };
    Ok(Opened { shard, labels, has_labels: columns.label.is_some(), classes: columns.classes })
}

/// A message's header in the file, and where its body begins.
#[derive(Clone, Copy)]
struct Message {
    header: Span,
    body: u64,
}

/// A file's schema and record batches.
struct Messages {
    schema: Schema,
    batches: Vec<Message>,
}

impl Messages {
    fn find(input: &Input) -> Result<Self, String> {
        let len = input.len().map_err(|error| error.to_string())?;
        let head = read(input, 0, len.min(6))?;
        if head == MAGIC { Self::of_file(input, len) } else { Self::of_stream(input, len) }
    }

    fn of_file(input: &Input, len: u64) -> Result<Self, String> {
        let cut = || "is cut short: an Arrow file ends in ARROW1".to_owned();
        let tail = read(input, len.checked_sub(10).ok_or_else(cut)?, 10)?;
        let size =
            u64::try_from(i32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]])).map_err(|_| cut())?;
        if tail[4..] != *MAGIC || size > MAX_METADATA || size > len - 10 {
            return Err(cut());
        }
        let footer = read(input, len - 10 - size, size)?;
        let footer = root_as_footer(&footer).map_err(|error| format!("has a damaged footer: {error}"))?;
        let schema = try_fb_to_schema(footer.schema().ok_or("has no schema")?);
        let schema = schema.map_err(|error| error.to_string())?;
        let mut batches = Vec::new();
        for block in footer.recordBatches().iter().flatten() {
            let at = u64::try_from(block.offset()).map_err(|_| "has a damaged footer")?;
            let (header, body) = header_at(input, at)?.ok_or("ends early")?;
            batches.push(Message { header, body });
        }
        Ok(Self { schema, batches })
    }

    fn of_stream(input: &Input, len: u64) -> Result<Self, String> {
        let (mut schema, mut batches, mut at) = (None, Vec::new(), 0);
        while at < len {
            let Some((header, body)) = header_at(input, at)? else { break };
            let bytes = read(input, header.at, header.len)?;
            let message =
                root_as_message(&bytes).map_err(|error| format!("has a damaged message: {error}"))?;
            match message.header_type() {
                MessageHeader::Schema if schema.is_none() => {
                    let found = message.header_as_schema().map(try_fb_to_schema).transpose();
                    schema = found.map_err(|error| error.to_string())?;
                }
                MessageHeader::RecordBatch => batches.push(Message { header, body }),
                _ => {}
            }
            let size = u64::try_from(message.bodyLength()).map_err(|_| "has a damaged message")?;
            at = body.checked_add(size).filter(|end| *end <= len).ok_or("is cut short")?;
        }
        Ok(Self { schema: schema.ok_or("is no Arrow file: it has no schema")?, batches })
    }
}

/// The header of the message at `at`, and where its body begins; none at the end of a stream.
fn header_at(input: &Input, at: u64) -> Result<Option<(Span, u64)>, String> {
    let word = |at| read(input, at, 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    // Before version 0.15 there was no marker before the length.
    let (len, begin) = match word(at)? {
        u32::MAX => (word(at + 4)?, at + 8),
        len => (len, at + 4),
    };
    match u64::from(len) {
        0 => Ok(None),
        len if len > MAX_METADATA => Err(format!("has a header of {len} bytes at byte {at}")),
        len => Ok(Some((Span { at: begin, len }, begin + len))),
    }
}

fn read(input: &Input, at: u64, len: u64) -> Result<Bytes, String> {
    input.read_at(at, len as usize).map_err(|error| error.to_string())
}

/// Where the columns of one record batch lie.
struct Layout {
    rows: usize,
    present: Vec<Span>,
    offsets: Span,
    values: Span,
    large: bool,
    label: Option<LabelSpan>,
}

/// A column of integers.
struct LabelSpan {
    present: Option<Span>,
    values: Span,
    bytes: usize,
    signed: bool,
}

impl Layout {
    fn read(input: &Input, message: Message, schema: &Schema, columns: &Columns) -> Result<Self, String> {
        let bytes = read(input, message.header.at, message.header.len)?;
        let header = root_as_message(&bytes).map_err(|error| format!("has a damaged message: {error}"))?;
        let batch = header.header_as_record_batch().ok_or("has a message that is no record batch")?;
        if batch.compression().is_some() {
            return Err("is compressed, which is not read: write it uncompressed, or as Parquet".into());
        }
        let rows =
            u64::try_from(batch.length()).ok().filter(|rows| *rows <= MAX_ROWS).ok_or("has absurd rows")?;
        let file = input.len().map_err(|error| error.to_string())?;
        let mut cursor = Cursor { batch, buffer: 0, body: message.body, file };
        let (mut image, mut label) = (None, None);
        for field in schema.fields() {
            if *field.name() == *columns.image.name() {
                image = Some(cursor.image(field.data_type(), rows)?);
            } else if columns.label.as_ref().is_some_and(|label| label.name() == field.name()) {
                let present = cursor.bitmap(rows)?;
                let bytes =
                    field.data_type().primitive_width().ok_or("has a label column of no known width")?;
                let values = cursor.span(rows * bytes as u64)?;
                label =
                    Some(LabelSpan { present, values, bytes, signed: field.data_type().is_signed_integer() });
            } else {
                cursor.skip(field.data_type())?;
            }
        }
        let (present, offsets, values, large) = image.ok_or("has no column of images")?;
        Ok(Self { rows: rows as usize, present, offsets, values, large, label })
    }
}

/// Goes through the buffers of a record batch, which lie in the order of the schema.
struct Cursor<'a> {
    batch: RecordBatch<'a>,
    buffer: usize,
    body: u64,
    file: u64,
}

impl Cursor<'_> {
    /// The next buffer, which must have `needed` bytes.
    fn span(&mut self, needed: u64) -> Result<Span, String> {
        let buffers = self.batch.buffers().ok_or("has a batch without buffers")?;
        if self.buffer >= buffers.len() {
            return Err("has a batch with too few buffers".into());
        }
        let buffer = buffers.get(self.buffer);
        self.buffer += 1;
        let at = u64::try_from(buffer.offset()).ok().and_then(|offset| self.body.checked_add(offset));
        let span = at.zip(u64::try_from(buffer.length()).ok()).map(|(at, len)| Span { at, len });
        let inside = |span: &Span| span.at.checked_add(span.len).is_some_and(|end| end <= self.file);
        let span = span.filter(inside).ok_or("is cut short: a buffer lies beyond its end")?;
        if span.len < needed {
            Err(format!("has a buffer of {} bytes for {needed}", span.len))
        } else {
            Ok(span)
        }
    }

    /// A bitmap of what is there; none when everything is.
    fn bitmap(&mut self, rows: u64) -> Result<Option<Span>, String> {
        let span = self.span(0)?;
        match span.len {
            0 => Ok(None),
            len if len < rows.div_ceil(8) => Err(format!("has a bitmap of {len} bytes for {rows} rows")),
            _ => Ok(Some(span)),
        }
    }

    /// Bitmaps, offsets and values of the column of images, and whether offsets are large.
    fn image(&mut self, kind: &DataType, rows: u64) -> Result<(Vec<Span>, Span, Span, bool), String> {
        let mut present: Vec<Span> = self.bitmap(rows)?.into_iter().collect();
        let DataType::Struct(fields) = kind else {
            let large = *kind == DataType::LargeBinary;
            let width = if large { 8 } else { 4 };
            let offsets = self.span(if rows == 0 { 0 } else { (rows + 1) * width })?;
            return Ok((present, offsets, self.span(0)?, large));
        };
        let mut found = None;
        for field in fields {
            if field.name() == "bytes" {
                found = Some(self.image(field.data_type(), rows)?);
            } else {
                self.skip(field.data_type())?;
            }
        }
        let (inner, offsets, values, large) = found.ok_or("has no images")?;
        present.extend(inner);
        Ok((present, offsets, values, large))
    }

    /// Passes over the buffers of a column.
    fn skip(&mut self, kind: &DataType) -> Result<(), String> {
        use DataType::{
            Binary, Boolean, Dictionary, FixedSizeBinary, FixedSizeList, LargeBinary, LargeList, LargeUtf8,
            List, Map, Null, Struct, Utf8,
        };
        match kind {
            Null => {}
            Boolean | FixedSizeBinary(_) | Dictionary(..) => self.buffer += 2,
            Utf8 | Binary | LargeUtf8 | LargeBinary => self.buffer += 3,
            Struct(fields) => {
                self.buffer += 1;
                fields.iter().try_for_each(|field| self.skip(field.data_type()))?;
            }
            List(field) | LargeList(field) | Map(field, _) => {
                self.buffer += 2;
                self.skip(field.data_type())?;
            }
            FixedSizeList(field, _) => {
                self.buffer += 1;
                self.skip(field.data_type())?;
            }
            other if other.primitive_width().is_some() => self.buffer += 2,
            other => return Err(format!("has a column of type {other}, which is not read: leave it out")),
        }
        Ok(())
    }
}

impl LabelSpan {
    fn read(&self, input: &Input, rows: usize, labels: &mut Labels) -> Result<(), String> {
        let values = read(input, self.values.at, (rows * self.bytes) as u64)?;
        let present = match self.present {
            Some(span) => Some(read(input, span.at, span.len)?),
            None => None,
        };
        for (row, bytes) in values.chunks_exact(self.bytes).enumerate() {
            if present.as_ref().is_some_and(|bitmap| bitmap[row / 8] >> (row % 8) & 1 == 0) {
                labels.push(None);
                continue;
            }
            let negative = self.signed && bytes[self.bytes - 1] & 0x80 != 0;
            let mut wide = [if negative { 0xff } else { 0 }; 16];
            wide[..self.bytes].copy_from_slice(bytes);
            let value = i128::from_le_bytes(wide);
            labels.push(match u32::try_from(value) {
                Ok(label) if label < u32::MAX => Some(label),
                _ if value == -1 => None,
                _ => return Err(format!("label {value} is no class index")),
            });
        }
        Ok(())
    }
}

impl Shard {
    /// The bytes of row `row`; none where it has no image.
    fn image(&self, row: usize) -> Result<Option<Bytes>, String> {
        let input = self.source.open().map_err(|error| error.to_string())?;
        if input.stamp().map_err(|error| error.to_string())? != self.stamp {
            return Err("the file has changed since it was opened".into());
        }
        let at = self.batches.partition_point(|batch| batch.start + batch.rows <= row);
        let batch = &self.batches[at];
        let row = (row - batch.start) as u64;
        for bitmap in &batch.present {
            if read(&input, bitmap.at + row / 8, 1)?[0] >> (row % 8) & 1 == 0 {
                return Ok(None);
            }
        }
        let width = if batch.large { 8 } else { 4 };
        let offsets = read(&input, batch.offsets.at + row * width, 2 * width)?;
        let offset = |bytes: &[u8]| {
            let mut wide = [0; 8];
            wide[..bytes.len()].copy_from_slice(bytes);
            u64::from_le_bytes(wide)
        };
        let (from, to) = offsets.split_at(width as usize);
        let (from, to) = (offset(from), offset(to));
        if from > to || to > batch.values.len || to - from > MAX_IMAGE_BYTES {
            return Err(format!("has an image from byte {from} to {to}"));
        }
        read(&input, batch.values.at + from, to - from).map(Some)
    }
}

impl Dataset for ArrowIpc {
    fn len(&self) -> usize {
        self.len
    }

    fn get(&self, index: usize) -> Result<Sample, Error> {
        let (shard, row) = self.locate(index)?;
        let key = self.key(index);
        let bytes =
            shard.image(row).and_then(|bytes| bytes.ok_or_else(|| "has no image bytes in this row".into()));
        match bytes {
            Ok(bytes) => Ok(Sample { image: SampleImage::Encoded(bytes), label: self.label(index), key }),
            Err(problem) => Err(Error::Row { key, problem }),
        }
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.labels.get(index)
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn key(&self, index: usize) -> String {
        match self.locate(index) {
            Ok((shard, row)) => format!("{}:{row}", shard.name),
            Err(_) => format!("sample {index}"),
        }
    }

    fn fingerprint(&self) -> Result<u64, Error> {
        let files = self.shards.iter().map(|shard| (shard.name.as_str(), shard.stamp));
        Ok(Fingerprint::of_files(files, self.labels.iter(), &self.classes))
    }
}

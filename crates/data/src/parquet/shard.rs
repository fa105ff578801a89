//! One Parquet file: its footer when it is opened, its rows block by block afterwards.
//!
//! The `parquet` crate may panic on what a hostile file holds; every call that reads one is guarded, and a
//! panic becomes the file's or the row group's error.

use crate::Error;
use crate::cache::{Cache, Weighted};
use crate::columns::{self, ColumnOptions};
use crate::error::guarded;
use crate::labels::Labels;
use crate::source::{Input, Source, Stamp};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{Array, BinaryArray, RecordBatch};
use arrow_schema::DataType;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::file::statistics::Statistics;
use std::sync::{Arc, OnceLock};

/// A row group that decodes to more bytes is read in slices of about this size …
const BLOCK_BYTES: u64 = 16 << 20;
/// … and of at most this many rows.
const BLOCK_ROWS: u64 = 4096;
/// A block is given up when it turns out larger than this: its metadata lied.
const MAX_BLOCK_BYTES: usize = 1 << 30;
/// Rows that are decoded in one go.
const BATCH_ROWS: usize = 256;
/// A file that claims more rows is refused …
const MAX_ROWS: u64 = 1 << 28;
/// … and so is one that would make more blocks: honest ones are far from both.
const MAX_BLOCKS: usize = 1 << 20;

/// One file of a dataset. The file is opened anew for each block, so that a set of thousands of shards needs no
/// more than one handle per thread; a file that was replaced meanwhile is noticed. Footers grow with the
/// number of row groups, so that only those used last are kept.
pub(super) struct Shard {
    /// Stands for the file in keys.
    pub(super) name: String,
    pub(super) leaves: Leaves,
    /// Index in the dataset of the first row.
    pub(super) start: usize,
    /// Number of the file in the dataset.
    number: usize,
    rows: usize,
    source: Source,
    pub(super) stamp: Option<Stamp>,
    max_label: MaxLabel,
    /// Read when first asked for.
    labels: OnceLock<Result<Labels, LabelFault>>,
}

/// The leaves, among all of the file, that samples come from.
pub(super) struct Leaves {
    pub(super) image: Leaf,
    label: Option<Leaf>,
}

/// A column and the one of its leaves that is read.
pub(super) struct Leaf {
    pub(super) name: String,
    leaf: usize,
}

impl Leaves {
    fn find(
        file: &str,
        metadata: &ArrowReaderMetadata,
        options: &ColumnOptions,
    ) -> Result<(Self, Option<Vec<String>>), Error> {
        let entries = metadata.metadata().file_metadata().key_value_metadata();
        let hugging_face =
            entries.and_then(|all| all.iter().find(|entry| entry.key == "huggingface")?.value.as_deref());
        let columns = columns::find(file, metadata.schema().fields(), hugging_face, options)?;
        let leaf = |path: &[&str]| {
            let leaves = metadata.parquet_schema().columns();
            let found = leaves.iter().position(|leaf| leaf.path().parts().iter().eq(path.iter()));
            let leaf = found.ok_or_else(|| Error::Parquet {
                file: file.into(),
                problem: format!("column `{}` is nested in a way that is not read", path[0]),
            })?;
            Ok::<_, Error>(Leaf { name: path[0].into(), leaf })
        };
        let image = leaf(&columns.image_path())?;
        let label = columns.label.as_ref().map(|label| leaf(&[label.name()])).transpose()?;
        Ok((Self { image, label }, columns.classes))
    }
}

/// A file's footer, as the cache keeps it.
pub(super) struct Footer(ArrowReaderMetadata);

impl Weighted for Footer {
    fn size(&self) -> usize {
        self.0.metadata().memory_size()
    }
}

/// Why the labels of a file cannot be read: a row group, or a row with a value that is no label.
enum LabelFault {
    Group(usize, String),
    Row(usize, String),
}

/// What the footer says of the largest label.
enum MaxLabel {
    None,
    Known(i64),
    Unknown,
}

/// A slice of a row group: what is read and kept together.
pub(super) struct Block {
    /// Index of its file.
    pub(super) shard: usize,
    /// Row group within the file.
    pub(super) row_group: usize,
    /// Index in the dataset of the first row.
    pub(super) start: usize,
    /// Bytes it decodes to, by the metadata.
    pub(super) bytes: u64,
    /// Its first row within the row group.
    offset: usize,
    rows: usize,
    /// Rows of the whole row group.
    group_rows: usize,
}

impl Block {
    /// Index in the dataset of the row after the last.
    pub(super) fn end(&self) -> usize {
        self.start + self.rows
    }
}

/// An image, still encoded, and its label.
pub(super) struct Row {
    pub(super) bytes: Option<Bytes>,
    /// `i64::MIN` for null and for a file without labels.
    pub(super) label: i64,
}

impl Row {
    /// Roughly what it occupies.
    fn size(&self) -> usize {
        size_of::<Self>() + self.bytes.as_ref().map_or(0, Bytes::len)
    }
}

impl Weighted for Vec<Row> {
    fn size(&self) -> usize {
        self.iter().map(Row::size).sum()
    }
}

/// The footers used last, by the file's number.
pub(super) type Footers = Cache<Footer>;

/// A file that was just opened. Its place in the dataset is not known yet: blocks begin at row 0 of shard 0.
pub(super) struct Opened {
    pub(super) shard: Shard,
    pub(super) blocks: Vec<Block>,
    pub(super) classes: Option<Vec<String>>,
    /// Those, where they are held together with other files'.
    pub(super) shared_classes: Option<Arc<Vec<String>>>,
}

impl Opened {
    /// Makes it the dataset's file `number`, whose rows begin at `start`.
    pub(super) fn place(&mut self, number: usize, start: usize) {
        self.shard.number = number;
        self.shard.start = start;
        for block in &mut self.blocks {
            block.shard = number;
            block.start += start;
        }
    }
}

impl Shard {
    /// Reads a file's footer.
    pub(super) fn open(name: String, source: Source, options: &ColumnOptions) -> Result<Opened, Error> {
        let file = source.describe(&name);
        let fail = |problem: String| Error::Parquet { file: file.clone(), problem };
        let (input, stamp) = match source.open().and_then(|input| input.stamp().map(|stamp| (input, stamp))) {
            Ok(opened) => opened,
            Err(error) => match &source {
                Source::File(path) => return Err(Error::Io { path: path.clone(), source: error }),
                _ => return Err(fail(error.to_string())),
            },
        };
        let metadata = guarded(|| load_metadata(&input)).map_err(|problem| {
            fail(format!("cannot be read as Parquet (truncated or damaged?): {problem}"))
        })?;
        let (leaves, classes) = Leaves::find(&file, &metadata, options)?;

        let mut blocks = Vec::new();
        let mut max_label = if leaves.label.is_some() { MaxLabel::Known(-1) } else { MaxLabel::None };
        let mut next = 0_usize;
        let claimed =
            metadata.metadata().row_groups().iter().map(|group| group.num_rows().max(0).cast_unsigned());
        let claimed = claimed.fold(0, u64::saturating_add);
        if claimed > MAX_ROWS {
            return Err(fail(format!(
                "claims {claimed} rows, more than the {MAX_ROWS} that a file may have"
            )));
        }
        for (row_group, group) in metadata.metadata().row_groups().iter().enumerate() {
            let fail = |problem: String| Error::RowGroup { file: file.clone(), row_group, problem };
            let group_rows = u64::try_from(group.num_rows())
                .map_err(|_| fail(format!("claims {} rows", group.num_rows())))?;
            let bytes = u64::try_from(group.column(leaves.image.leaf).uncompressed_size()).unwrap_or(0);
            let slices = bytes.div_ceil(BLOCK_BYTES).max(1);
            let per_block = group_rows.div_ceil(slices).clamp(1, BLOCK_ROWS);
            if blocks.len() as u64 + group_rows.div_ceil(per_block) > MAX_BLOCKS as u64 {
                return Err(fail(format!("claims {group_rows} rows of {bytes} bytes together")));
            }
            for offset in (0..group_rows).step_by(per_block as usize) {
                let rows = per_block.min(group_rows - offset);
                blocks.push(Block {
                    shard: 0,
                    row_group,
                    start: next,
                    bytes: bytes / group_rows.div_ceil(per_block),
                    offset: offset as usize,
                    rows: rows as usize,
                    group_rows: group_rows as usize,
                });
                next = next.checked_add(rows as usize).ok_or_else(|| fail("too many rows".into()))?;
            }
            if let (Some(label), MaxLabel::Known(max)) = (&leaves.label, &max_label) {
                let of_group = match group.column(label.leaf).statistics() {
                    Some(Statistics::Int32(s)) => s.max_opt().map(|v| i64::from(*v)),
                    Some(Statistics::Int64(s)) => s.max_opt().copied(),
                    _ => None,
                };
                // Below zero may also be a large unsigned value: the labels themselves will tell.
                max_label = match of_group {
                    Some(value) if value >= 0 => MaxLabel::Known(value.max(*max)),
                    _ => MaxLabel::Unknown,
                };
            }
        }
        let shard = Self {
            name,
            leaves,
            start: 0,
            number: 0,
            rows: next,
            source,
            stamp,
            max_label,
            labels: OnceLock::new(),
        };
        Ok(Opened { shard, blocks, classes, shared_classes: None })
    }

    /// The file, for messages.
    pub(super) fn file(&self) -> String {
        self.source.describe(&self.name)
    }

    /// The rows of `block`, all of them or the reason why not.
    pub(super) fn read_block(&self, block: &Block, footers: &Footers) -> Result<Vec<Row>, String> {
        guarded(|| self.read_block_unguarded(block, footers))
    }

    fn read_block_unguarded(&self, block: &Block, footers: &Footers) -> Result<Vec<Row>, String> {
        let leaves = [Some(self.leaves.image.leaf), self.leaves.label.as_ref().map(|label| label.leaf)];
        let mut rows = Vec::with_capacity(block.rows);
        let mut size = 0;
        for batch in self.reader(leaves.into_iter().flatten(), block, block.offset, block.rows, footers)? {
            let batch = batch.map_err(|error| error.to_string())?;
            let images = self.images(&batch)?;
            let labels = match &self.leaves.label {
                Some(_) => self.label_values(&batch)?,
                None => vec![i64::MIN; images.len()],
            };
            rows.extend(images.into_iter().zip(labels).map(|(bytes, label)| {
                let row = Row { bytes, label };
                size += row.size();
                row
            }));
            if size > MAX_BLOCK_BYTES {
                return Err(format!("{} of its rows decode to over {MAX_BLOCK_BYTES} bytes", rows.len()));
            }
        }
        self.complete(rows, block, block.rows)
    }

    /// Every row's label, below `classes` where that is known; read on the first call and kept, in one to four bytes a row.
    pub(super) fn labels(
        &self,
        blocks: &[Block],
        footers: &Footers,
        classes: Option<usize>,
    ) -> Result<&Labels, Error> {
        let read = self.labels.get_or_init(|| self.read_labels(blocks, footers, classes));
        read.as_ref().map_err(|fault| match fault {
            LabelFault::Group(row_group, problem) => {
                Error::RowGroup { file: self.file(), row_group: *row_group, problem: problem.clone() }
            }
            LabelFault::Row(row, problem) => {
                Error::Row { key: format!("{}:{row}", self.name), problem: problem.clone() }
            }
        })
    }

    fn read_labels(
        &self,
        blocks: &[Block],
        footers: &Footers,
        classes: Option<usize>,
    ) -> Result<Labels, LabelFault> {
        let mut labels = Labels::default();
        let Some(column) = &self.leaves.label else {
            labels.extend(std::iter::repeat_n(None, self.rows));
            return Ok(labels);
        };
        let from = blocks.partition_point(|block| block.start < self.start);
        let own = blocks[from..].iter().take_while(|block| block.start < self.start + self.rows);
        for block in own.filter(|block| block.offset == 0) {
            let group = guarded(|| {
                let mut values = Vec::new();
                for batch in self.reader([column.leaf], block, 0, block.group_rows, footers)? {
                    values.extend(self.label_values(&batch.map_err(|error| error.to_string())?)?);
                }
                self.complete(values, block, block.group_rows)
            });
            for value in group.map_err(|problem| LabelFault::Group(block.row_group, problem))? {
                let label = columns::class_index(value, classes);
                labels.push(label.map_err(|problem| LabelFault::Row(labels.len(), problem))?);
            }
        }
        Ok(labels)
    }

    /// The largest label, from the footer's statistics where they are there.
    pub(super) fn max_label(&self, blocks: &[Block], footers: &Footers) -> Result<Option<u32>, Error> {
        match self.max_label {
            MaxLabel::None => Ok(None),
            MaxLabel::Known(max) if max < 0 => Ok(None),
            MaxLabel::Known(max) => Ok(Some(u32::try_from(max).unwrap_or(u32::MAX))),
            MaxLabel::Unknown => Ok(self.labels(blocks, footers, None)?.max()),
        }
    }

    /// A reader of `rows` rows from `offset` on of the row group that `block` is in.
    fn reader(
        &self,
        leaves: impl IntoIterator<Item = usize>,
        block: &Block,
        offset: usize,
        rows: usize,
        footers: &Footers,
    ) -> Result<ParquetRecordBatchReader, String> {
        let input = self.source.open().map_err(|error| error.to_string())?;
        if input.stamp().map_err(|error| error.to_string())? != self.stamp {
            return Err("the file has changed since it was opened".into());
        }
        let footer = footers.get(self.number as u64, || guarded(|| load_metadata(&input)).map(Footer));
        let Footer(metadata) = footer.as_ref().as_ref().map_err(String::clone)?;
        let mask = ProjectionMask::leaves(metadata.parquet_schema(), leaves);
        ParquetRecordBatchReaderBuilder::new_with_metadata(input, metadata.clone())
            .with_row_groups(vec![block.row_group])
            .with_projection(mask)
            .with_offset(offset)
            .with_limit(rows)
            .with_batch_size(BATCH_ROWS.min(rows.max(1)))
            .build()
            .map_err(|error| error.to_string())
    }

    fn complete<T>(&self, found: Vec<T>, block: &Block, expected: usize) -> Result<Vec<T>, String> {
        if found.len() == expected {
            return Ok(found);
        }
        let ends = if expected == block.group_rows { found.len() } else { block.offset + found.len() };
        Err(format!("ends early: {ends} rows found, the footer says {}", block.group_rows))
    }

    /// The images of a batch; each shares the batch's memory.
    fn images(&self, batch: &RecordBatch) -> Result<Vec<Option<Bytes>>, String> {
        let missing = || format!("column `{}` is missing", self.leaves.image.name);
        let column = batch.column_by_name(&self.leaves.image.name).ok_or_else(missing)?;
        let (parent, leaf) = match column.as_struct_opt() {
            Some(parent) => (Some(parent), parent.column_by_name("bytes").ok_or_else(missing)?),
            None => (None, column),
        };
        let array = leaf.as_binary_opt::<i32>().ok_or_else(missing)?;
        let values = Bytes::from_owner(Values(array.clone()));
        let offsets = array.value_offsets();
        let row = |at: usize| {
            let present = array.is_valid(at) && parent.is_none_or(|parent| parent.is_valid(at));
            present.then(|| values.slice(offsets[at] as usize..offsets[at + 1] as usize))
        };
        Ok((0..array.len()).map(row).collect())
    }

    fn label_values(&self, batch: &RecordBatch) -> Result<Vec<i64>, String> {
        let label = self.leaves.label.as_ref().and_then(|label| batch.column_by_name(&label.name));
        label.and_then(|array| integers(array)).ok_or_else(|| "the label column is missing".into())
    }
}

/// The memory of a binary array.
struct Values(BinaryArray);

impl AsRef<[u8]> for Values {
    fn as_ref(&self) -> &[u8] {
        self.0.values()
    }
}

/// The footer. Types are taken from the Parquet schema alone, so that an embedded Arrow schema cannot ask
/// for large or dictionary-encoded variants of them.
fn load_metadata(input: &Input) -> Result<ArrowReaderMetadata, String> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    ArrowReaderMetadata::load(input, options).map_err(|error| error.to_string())
}

/// The values of an array of any integer type, `i64::MIN` for null; those above `i64::MAX` become that.
fn integers(array: &dyn Array) -> Option<Vec<i64>> {
    fn of<T: ArrowPrimitiveType>(array: &dyn Array) -> Vec<i64>
    where
        T::Native: TryInto<i64>,
    {
        let wide = |value: T::Native| value.try_into().unwrap_or(i64::MAX);
        array.as_primitive::<T>().iter().map(|value| value.map_or(i64::MIN, wide)).collect()
    }
    Some(match array.data_type() {
        DataType::Int8 => of::<Int8Type>(array),
        DataType::Int16 => of::<Int16Type>(array),
        DataType::Int32 => of::<Int32Type>(array),
        DataType::Int64 => of::<Int64Type>(array),
        DataType::UInt8 => of::<UInt8Type>(array),
        DataType::UInt16 => of::<UInt16Type>(array),
        DataType::UInt32 => of::<UInt32Type>(array),
        DataType::UInt64 => of::<UInt64Type>(array),
        _ => return None,
    })
}

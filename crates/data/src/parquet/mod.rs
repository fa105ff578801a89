//! Parquet files of images: the Hugging Face schema, or a plain column of bytes.
//!
//! Opening reads each file's footer and nothing else. Rows are then read by *block*: a row group, or a slice
//! of one that is large. Blocks that were read are kept in a cache of bounded size which all threads share,
//! so that memory depends neither on the number of rows nor on the size of a file. The blocks are the
//! dataset's [`groups`](Dataset::groups), and a reader that keeps to
//! [`groups_at_once`](Dataset::groups_at_once) of them finds what it needs in the cache.

mod input;
mod shard;

use crate::cache::Cache;
use crate::columns::{self, ColumnOptions};
use crate::fingerprint::Fingerprint;
use crate::labels;
use crate::parallel;
use crate::source::Source;
use crate::{Dataset, Error, Sample, SampleImage, natural};
use bytes::Bytes;
use shard::{Block, Footers, Opened, Row, Shard};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// The blocks in a shuffling reader's window decode to about this many bytes at most …
const WINDOW_BYTES: u64 = 128 << 20;
/// … and are at most this many.
const WINDOW_BLOCKS: u64 = 256;
/// What the cache keeps: a window, and as much again for blocks that are larger than their metadata says
/// and for the last samples of the window before.
const CACHE_BYTES: usize = 2 * WINDOW_BYTES as usize;
/// What the footers kept may occupy.
const FOOTER_BYTES: usize = 32 << 20;

/// Images and labels in one or more Parquet files with the same columns.
///
/// Images are encoded bytes, in a column of structs with a binary field `bytes` (the Hugging Face schema) or
/// in a plain binary column. The column is the one that the `huggingface` metadata calls an image, else the
/// one named `image`, `img`, `picture`, `photo`, `jpg`, `jpeg`, `png`, `bytes` or `image_bytes`, else the only
/// one with a fitting type. Labels are an integer column: the one that the metadata calls a class label, else
/// the one named `label`, `labels`, `fine_label`, `target` or `class`; without one, samples have no labels. A
/// label of -1 or null is no label. Class names come from the metadata; without them classes are
/// numbered `0..=max`.
///
/// A sample's key is `file.parquet:row`, the row counted from 0 within the file, with folders before it where files of
/// several folders have one name.
pub struct Parquet {
    shards: Vec<Shard>,
    blocks: Vec<Block>,
    classes: Vec<String>,
    cache: Cache<Vec<Row>>,
    footers: Footers,
    groups_at_once: usize,
    len: usize,
}

impl Parquet {
    /// Opens a file, or all `*.parquet` files directly in a folder in natural order.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::open_with(path, &ColumnOptions::default())
    }

    /// As [`Parquet::open`], with the columns named.
    pub fn open_with(path: impl AsRef<Path>, options: &ColumnOptions) -> Result<Self, Error> {
        let path = path.as_ref();
        if !path.is_dir() {
            return Self::open_files(&[path.into()], options);
        }
        let files = files_in(path)?;
        if files.is_empty() {
            return Err(Error::Layout { path: path.into(), problem: "has no .parquet files".into() });
        }
        Self::open_files(&files, options)
    }

    /// Opens several files as one dataset, in the order given.
    pub fn open_files(files: &[PathBuf], options: &ColumnOptions) -> Result<Self, Error> {
        Self::build(files.iter().map(|file| Source::File(file.clone())).collect(), options)
    }

    /// Reads a Parquet file that is in memory, such as one embedded in a program. `name` stands for the file
    /// in keys and messages.
    pub fn from_bytes(bytes: Bytes, name: impl Into<String>) -> Result<Self, Error> {
        Self::of_named(vec![(name.into(), Source::Memory(bytes))], &ColumnOptions::default())
    }

    pub(crate) fn build(sources: Vec<Source>, options: &ColumnOptions) -> Result<Self, Error> {
        Self::of_named(Source::named(sources), options)
    }

    fn of_named(sources: Vec<(String, Source)>, options: &ColumnOptions) -> Result<Self, Error> {
        let mut blocks = Vec::<Block>::new();
        let mut shards = Vec::<Shard>::with_capacity(sources.len());
        let mut classes: Option<(Arc<Vec<String>>, String)> = None;
        // A thousand files with a thousand classes each would hold a million names until the last is open.
        let first_names = OnceLock::new();
        let open = |(name, source)| {
            let mut opened = Shard::open(name, source, options)?;
            if let Some(names) = opened.classes.take() {
                let known = first_names.get_or_init(|| Arc::new(names.clone()));
                opened.shared_classes = Some(if **known == names { known.clone() } else { Arc::new(names) });
            }
            Ok::<_, Error>(opened)
        };
        for opened in parallel::map(sources, open) {
            let mut opened = opened?;
            opened.place(shards.len(), blocks.last().map_or(0, Block::end));
            let Opened { shard, blocks: of_shard, shared_classes: of_classes, .. } = opened;
            match (&classes, of_classes) {
                (None, Some(names)) => classes = Some((names, shard.file())),
                (Some((known, file)), Some(names)) if *known != names => {
                    return Err(Error::Parquet {
                        file: shard.file(),
                        problem: format!("its class names differ from those of {file}"),
                    });
                }
                _ => {}
            }
            blocks.extend(of_shard);
            shards.push(shard);
        }
        let footers = Cache::new(FOOTER_BYTES);
        let classes = match classes {
            Some((names, _)) => names.to_vec(),
            None => numbered_classes(&shards, &blocks, &footers)?,
        };
        let largest = blocks.iter().map(|block| block.bytes).max().unwrap_or(0).max(1);
        let groups_at_once = (WINDOW_BYTES / largest).clamp(1, WINDOW_BLOCKS) as usize;
        let len = blocks.last().map_or(0, Block::end);
        Ok(Self { shards, blocks, classes, cache: Cache::new(CACHE_BYTES), footers, groups_at_once, len })
    }

    /// The block that holds row `index`.
    fn locate(&self, index: usize) -> Result<usize, Error> {
        if index >= self.len {
            return Err(Error::Index { index, len: self.len });
        }
        Ok(self.blocks.partition_point(|block| block.end() <= index))
    }
}

/// The `.parquet` files directly in `folder`, in natural order; hidden ones are passed over.
fn files_in(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let error = |source| Error::Io { path: folder.into(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(error)? {
        let path = entry.map_err(error)?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.is_file() && is_parquet(&path) {
            files.push(path);
        }
    }
    files.sort_by(|a, b| natural::compare(&a.to_string_lossy(), &b.to_string_lossy()));
    Ok(files)
}

/// Whether `path` ends in `.parquet`, in any case.
fn is_parquet(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("parquet"))
}

/// Classes for labels without names: `0..=max`.
fn numbered_classes(shards: &[Shard], blocks: &[Block], footers: &Footers) -> Result<Vec<String>, Error> {
    let mut classes = Vec::new();
    for shard in shards {
        let of_shard = labels::numbered_classes(shard.max_label(blocks, footers)?).map_err(|problem| {
            let problem =
                format!("{problem}: call another column `label`, or name it in `ColumnOptions::label`");
            Error::Parquet { file: shard.file(), problem }
        })?;
        if of_shard.len() > classes.len() {
            classes = of_shard;
        }
    }
    Ok(classes)
}

impl Dataset for Parquet {
    fn len(&self) -> usize {
        self.len
    }

    fn get(&self, index: usize) -> Result<Sample, Error> {
        let at = self.locate(index)?;
        let block = &self.blocks[at];
        let shard = &self.shards[block.shard];
        let rows = self.cache.get(at as u64, || shard.read_block(block, &self.footers));
        let rows = rows.as_ref().as_ref().map_err(|problem| Error::RowGroup {
            file: shard.file(),
            row_group: block.row_group,
            problem: problem.clone(),
        })?;
        let (key, row) = (self.key(index), &rows[index - block.start]);
        let bytes = row.bytes.clone().ok_or_else(|| Error::Row {
            key: key.clone(),
            problem: format!("column `{}` holds no image bytes in this row", shard.leaves.image.name),
        })?;
        let label = columns::class_index(row.label, Some(self.classes.len()))
            .map_err(|problem| Error::Row { key: key.clone(), problem })?;
        Ok(Sample { image: SampleImage::Encoded(bytes), label, key })
    }

    fn label(&self, index: usize) -> Option<u32> {
        let block = &self.blocks[self.locate(index).ok()?];
        let shard = &self.shards[block.shard];
        shard.labels(&self.blocks, &self.footers, Some(self.classes.len())).ok()?.get(index - shard.start)
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn key(&self, index: usize) -> String {
        match self.locate(index) {
            Ok(at) => {
                let shard = &self.shards[self.blocks[at].shard];
                format!("{}:{}", shard.name, index - shard.start)
            }
            Err(_) => format!("sample {index}"),
        }
    }

    fn labels(&self) -> Result<Vec<Option<u32>>, Error> {
        let mut all = Vec::with_capacity(self.len);
        for shard in &self.shards {
            all.extend(shard.labels(&self.blocks, &self.footers, Some(self.classes.len()))?.iter());
        }
        Ok(all)
    }

    fn fingerprint(&self) -> Result<u64, Error> {
        let files = self.shards.iter().map(|shard| (shard.name.as_str(), shard.stamp));
        Ok(Fingerprint::of_files(files, self.labels()?, &self.classes))
    }

    fn groups(&self) -> Vec<Range<usize>> {
        self.blocks.iter().map(|block| block.start..block.end()).collect()
    }

    fn groups_at_once(&self) -> usize {
        self.groups_at_once
    }
}

//! Where a Parquet file's bytes come from: a file, or memory.

use bytes::Bytes;
use parquet::errors::Result as ParquetResult;
use parquet::file::reader::{ChunkReader, Length};
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::time::SystemTime;

/// Where a file's bytes are.
pub(super) enum Source {
    File(PathBuf),
    Memory(Bytes),
}

/// What tells a file from one that took its place: length and time of the last change.
pub(super) type Stamp = (u64, Option<SystemTime>);

impl Source {
    pub(super) fn open(&self) -> std::io::Result<Input> {
        Ok(match self {
            Self::File(path) => Input::File(File::open(path)?),
            Self::Memory(bytes) => Input::Memory(bytes.clone()),
        })
    }

    /// The file, for messages; memory goes by `name`.
    pub(super) fn describe(&self, name: &str) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Memory(_) => name.into(),
        }
    }
}

/// An open [`Source`].
pub(super) enum Input {
    File(File),
    Memory(Bytes),
}

impl Input {
    /// None for memory, which does not change.
    pub(super) fn stamp(&self) -> std::io::Result<Option<Stamp>> {
        let Self::File(file) = self else { return Ok(None) };
        let metadata = file.metadata()?;
        Ok(Some((metadata.len(), metadata.modified().ok())))
    }
}

impl Length for Input {
    fn len(&self) -> u64 {
        match self {
            Self::File(file) => file.len(),
            Self::Memory(bytes) => Length::len(bytes),
        }
    }
}

impl ChunkReader for Input {
    type T = Box<dyn Read>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(match self {
            Self::File(file) => Box::new(file.get_read(start)?),
            Self::Memory(bytes) => Box::new(bytes.get_read(start)?),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        match self {
            Self::File(file) => file.get_bytes(start, length),
            Self::Memory(bytes) => bytes.get_bytes(start, length),
        }
    }
}

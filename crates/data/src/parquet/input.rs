//! What the `parquet` crate reads a file through.

use crate::source::Input;
use bytes::Bytes;
use parquet::errors::Result;
use parquet::file::reader::{ChunkReader, Length};
#[cfg(feature = "webdataset")]
use std::io::Cursor;
use std::io::Read;

impl Length for Input {
    fn len(&self) -> u64 {
        // A file whose length cannot be asked for is empty, which no Parquet file is.
        Input::len(self).unwrap_or(0)
    }
}

impl ChunkReader for Input {
    type T = Box<dyn Read>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(match self {
            Self::File(file) => Box::new(file.get_read(start)?),
            Self::Memory(bytes) => Box::new(bytes.get_read(start)?),
            #[cfg(feature = "webdataset")]
            Self::Part { len, .. } => {
                Box::new(Cursor::new(self.read_at(start, len.saturating_sub(start) as usize)?))
            }
            #[cfg(feature = "remote")]
            Self::Remote(file) => Box::new(file.clone().into_reader(start)),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        Ok(self.read_at(start, length)?)
    }
}

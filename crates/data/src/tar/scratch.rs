//! Where packed archives are unpacked to: a few temporary files, each with many archives one behind the other.
//!
//! Memory then depends neither on the archives' size nor on their number, and neither does the number of open files.

use crate::source::{Input, write_all_at};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufReader, BufWriter, Error, ErrorKind, Read, Result, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// What unpacks to more than this is refused.
const LIMIT: u64 = 64 << 30;
/// Bytes that are written in one go.
const BUFFER: usize = 1 << 20;

/// Files without a name that nobody is writing to, and where each ends: as many as threads unpacked at once.
#[derive(Default)]
pub(super) struct Scratch(Mutex<Vec<(Arc<File>, u64)>>);

impl Scratch {
    /// The gzip file at `path`, unpacked.
    pub(super) fn gunzip(&self, path: &Path) -> Result<Input> {
        self.unpack(MultiGzDecoder::new(BufReader::new(File::open(path)?)), LIMIT)
    }

    /// Everything that `reader` gives, at most `limit` bytes.
    fn unpack(&self, reader: impl Read, limit: u64) -> Result<Input> {
        let free = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let (file, from) = match free {
            Some(free) => free,
            None => (Arc::new(tempfile::tempfile()?), 0),
        };
        let mut out = BufWriter::with_capacity(BUFFER, End { file: &file, at: from });
        let copied = std::io::copy(&mut reader.take(limit + 1), &mut out).and_then(|len| {
            out.flush()?;
            match len <= limit {
                true => Ok(len),
                false => {
                    Err(Error::new(ErrorKind::FileTooLarge, format!("unpacks to more than {limit} bytes")))
                }
            }
        });
        drop(out);
        // What was written of an archive that failed is written over by the next.
        let end = from + copied.as_ref().copied().unwrap_or(0);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((file.clone(), end));
        Ok(Input::Part { file, from, len: copied? })
    }
}

/// Writes behind what a file has, wherever others read it.
struct End<'a> {
    file: &'a File,
    at: u64,
}

impl Write for End<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        write_all_at(self.file, bytes, self.at)?;
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_share_files_and_one_that_fails_harms_no_other() {
        let scratch = Scratch::default();
        let repeat = |value: u8, n: u64| std::io::repeat(value).take(n);
        let first = scratch.unpack(repeat(1, 3000), 5000).unwrap();
        let error = scratch.unpack(repeat(9, 1 << 40), 5000).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("unpacks to more than 5000 bytes"));
        let second = scratch.unpack(repeat(2, 10), 5000).unwrap();
        let empty = scratch.unpack(repeat(3, 0), 5000).unwrap();
        assert_eq!((first.len().unwrap(), second.len().unwrap(), empty.len().unwrap()), (3000, 10, 0));
        assert_eq!(first.read_at(2990, 10).unwrap(), [1; 10][..]);
        assert_eq!(second.read_at(0, 10).unwrap(), [2; 10][..]);
        assert!(first.read_at(2990, 11).is_err() && empty.read_at(0, 1).is_err());
        assert_eq!(scratch.0.lock().unwrap().len(), 1);
    }
}

//! Bytes that are read at any position: a file as it is, or what a compressed one unpacks to.

use std::fs::File;
use std::io::{BufReader, Error, ErrorKind, Read, Result, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// What unpacks to more than this goes to a nameless temporary file.
const IN_MEMORY: u64 = 64 << 20;
/// What unpacks to more than this is refused: no file of these datasets does.
const LIMIT: u64 = 16 << 30;

/// Bytes at positions.
pub(crate) enum Store {
    Memory(Vec<u8>),
    File { file: Mutex<File>, len: u64 },
}

impl Store {
    /// The file at `path`; one that is packed with gzip (told from its first bytes) is unpacked.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let mut file = File::open(path)?;
        let mut head = Vec::new();
        (&mut file).take(2).read_to_end(&mut head)?;
        file.seek(SeekFrom::Start(0))?;
        if head == [0x1f, 0x8b] {
            return Self::unpack(flate2::read::MultiGzDecoder::new(BufReader::new(file)));
        }
        Self::of_file(file)
    }

    fn of_file(file: File) -> Result<Self> {
        let len = file.metadata()?.len();
        Ok(Self::File { file: Mutex::new(file), len })
    }

    /// Everything that `reader` gives.
    pub(crate) fn unpack(mut reader: impl Read) -> Result<Self> {
        let mut head = Vec::new();
        (&mut reader).take(IN_MEMORY).read_to_end(&mut head)?;
        let mut next = [0];
        // Tells the end from a reader that has exactly this much.
        if reader.read(&mut next)? == 0 {
            head.shrink_to_fit();
            return Ok(Self::Memory(head));
        }
        let mut file = tempfile::tempfile()?;
        file.write_all(&head)?;
        file.write_all(&next)?;
        let room = LIMIT - IN_MEMORY;
        if std::io::copy(&mut reader.take(room), &mut file)? == room {
            let problem = format!("unpacks to more than {LIMIT} bytes");
            return Err(Error::new(ErrorKind::FileTooLarge, problem));
        }
        Self::of_file(file)
    }

    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { len, .. } => *len,
        }
    }

    /// `len` bytes from `offset` on. What lies beyond the end is an error, found before anything is allocated.
    pub(crate) fn read_at(&self, offset: u64, len: u64) -> Result<Vec<u8>> {
        let total = self.len();
        if offset.checked_add(len).is_none_or(|end| end > total) {
            let problem = format!("{len} bytes at {offset} lie beyond the end of {total} bytes");
            return Err(Error::new(ErrorKind::UnexpectedEof, problem));
        }
        match self {
            Self::Memory(bytes) => Ok(bytes[offset as usize..(offset + len) as usize].to_vec()),
            Self::File { file, .. } => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.seek(SeekFrom::Start(offset))?;
                let mut bytes = vec![0; len as usize];
                file.read_exact(&mut bytes)?;
                Ok(bytes)
            }
        }
    }
}

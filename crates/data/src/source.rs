//! Where a file's bytes come from: the file system, memory, or a remote store.

use bytes::Bytes;
use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::PathBuf;
#[cfg(feature = "webdataset")]
use std::sync::Arc;
use std::time::SystemTime;

/// Where a file's bytes are.
#[derive(Clone)]
pub(crate) enum Source {
    File(PathBuf),
    #[cfg_attr(not(feature = "parquet"), expect(dead_code, reason = "Parquet files alone come in memory"))]
    Memory(Bytes),
    #[cfg(feature = "remote")]
    Remote(crate::remote::RemoteFile),
}

/// What tells a file from one that took its place: length and time of the last change.
pub(crate) type Stamp = (u64, Option<SystemTime>);

impl Source {
    pub(crate) fn open(&self) -> Result<Input> {
        Ok(match self {
            Self::File(path) => Input::File(File::open(path)?),
            Self::Memory(bytes) => Input::Memory(bytes.clone()),
            #[cfg(feature = "remote")]
            Self::Remote(file) => Input::Remote(file.clone()),
        })
    }

    /// The file from its beginning to its end.
    pub(crate) fn stream(&self) -> Result<Box<dyn Read + Send>> {
        Ok(match self {
            Self::File(path) => Box::new(std::io::BufReader::with_capacity(1 << 18, File::open(path)?)),
            Self::Memory(bytes) => Box::new(std::io::Cursor::new(bytes.clone())),
            #[cfg(feature = "remote")]
            Self::Remote(file) => Box::new(file.clone().into_reader(0)),
        })
    }
}

#[cfg(any(feature = "arrow", feature = "parquet", feature = "webdataset"))]
impl Source {
    /// The file, for messages; memory goes by `name`.
    pub(crate) fn describe(&self, name: &str) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Memory(_) => name.into(),
            #[cfg(feature = "remote")]
            Self::Remote(file) => file.address(),
        }
    }

    /// `sources` with what names each in its samples' keys: the file's name, or, where files of several folders have the
    /// same, the path from where their paths part.
    pub(crate) fn named(sources: Vec<Self>) -> Vec<(String, Self)> {
        let places: Vec<String> = sources.iter().map(|source| source.describe("memory")).collect();
        let mut parts: Vec<Vec<&str>> =
            places.iter().map(|place| place.split(std::path::is_separator).collect()).collect();
        let last: std::collections::BTreeSet<_> = parts.iter().map(|part| part.last()).collect();
        if last.len() == parts.len() {
            parts.iter_mut().for_each(|part| drop(part.drain(..part.len() - 1)));
        } else {
            let common = |at: usize| parts.iter().all(|part| part.len() > at + 1 && part[at] == parts[0][at]);
            let shared = (0..).take_while(|at| common(*at)).count();
            parts.iter_mut().for_each(|part| drop(part.drain(..shared)));
        }
        let names: Vec<String> = parts.into_iter().map(|part| part.join("/")).collect();
        names.into_iter().zip(sources).collect()
    }
}

/// An open [`Source`], which threads read at any position side by side.
pub(crate) enum Input {
    File(File),
    Memory(Bytes),
    /// Part of a file that is nobody else's.
    #[cfg(feature = "webdataset")]
    Part {
        file: Arc<File>,
        from: u64,
        len: u64,
    },
    #[cfg(feature = "remote")]
    Remote(crate::remote::RemoteFile),
}

impl Input {
    /// What the file is told by; none for what nobody else can change.
    pub(crate) fn stamp(&self) -> Result<Option<Stamp>> {
        match self {
            Self::File(file) => {
                let metadata = file.metadata()?;
                Ok(Some((metadata.len(), metadata.modified().ok())))
            }
            Self::Memory(_) => Ok(None),
            #[cfg(feature = "webdataset")]
            Self::Part { .. } => Ok(None),
            #[cfg(feature = "remote")]
            Self::Remote(file) => Ok(Some(file.stamp())),
        }
    }

    /// The number of bytes.
    pub(crate) fn len(&self) -> Result<u64> {
        match self {
            Self::File(file) => Ok(file.metadata()?.len()),
            Self::Memory(bytes) => Ok(bytes.len() as u64),
            #[cfg(feature = "webdataset")]
            Self::Part { len, .. } => Ok(*len),
            #[cfg(feature = "remote")]
            Self::Remote(file) => Ok(file.stamp().0),
        }
    }

    /// `len` bytes from `offset` on. What lies beyond the end is an error, found before anything is allocated.
    pub(crate) fn read_at(&self, offset: u64, len: usize) -> Result<Bytes> {
        let total = self.len()?;
        if offset.checked_add(len as u64).is_none_or(|end| end > total) {
            let problem = format!("{len} bytes at {offset} lie beyond the end of {total} bytes");
            return Err(Error::new(ErrorKind::UnexpectedEof, problem));
        }
        let read = |file: &File, offset| {
            let mut buffer = vec![0; len];
            read_exact_at(file, &mut buffer, offset)?;
            Ok(buffer.into())
        };
        match self {
            Self::File(file) => read(file, offset),
            #[cfg(feature = "webdataset")]
            Self::Part { file, from, .. } => read(file, from + offset),
            Self::Memory(bytes) => Ok(bytes.slice(offset as usize..offset as usize + len)),
            #[cfg(feature = "remote")]
            Self::Remote(file) => file.read_at(offset, len),
        }
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(all(unix, feature = "webdataset"))]
pub(crate) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(all(windows, feature = "webdataset"))]
pub(crate) fn write_all_at(file: &File, mut bytes: &[u8], mut offset: u64) -> Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_write(file, bytes, offset)? {
            0 => return Err(ErrorKind::WriteZero.into()),
            written => {
                bytes = &bytes[written..];
                offset += written as u64;
            }
        }
    }
    Ok(())
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> Result<()> {
    while !buffer.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, buffer, offset)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            read => {
                buffer = &mut buffer[read..];
                offset += read as u64;
            }
        }
    }
    Ok(())
}

#[cfg(all(test, any(feature = "arrow", feature = "parquet", feature = "webdataset")))]
mod tests {
    use super::*;

    #[test]
    fn names_tell_files_apart() {
        let named = |files: &[&str]| -> Vec<String> {
            let sources = files.iter().map(|file| Source::File(file.into())).collect();
            Source::named(sources).into_iter().map(|(name, _)| name).collect()
        };
        assert_eq!(named(&[]), [""; 0]);
        assert_eq!(named(&["/data/x.tar"]), ["x.tar"]);
        assert_eq!(named(&["/data/a/x.tar", "/data/b/y.tar"]), ["x.tar", "y.tar"]);
        assert_eq!(named(&["/data/a/x.tar", "/data/b/x.tar"]), ["a/x.tar", "b/x.tar"]);
        assert_eq!(named(&["x.tar", "b/x.tar", "b/y.tar"]), ["x.tar", "b/x.tar", "b/y.tar"]);
        assert_eq!(named(&["/data/x.tar", "/data/x.tar"]), ["x.tar", "x.tar"]);
    }
}

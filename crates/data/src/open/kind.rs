//! What kind of file holds a dataset: told from its first bytes, and from its name where these do not say.

use crate::raw::{self, RawImages};
use crate::{Dataset, Error, ListFile};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Parquet,
    Arrow,
    Tar,
    Idx,
    Npy,
    Npz,
    Cifar,
    List,
}

/// Kinds that come in any number of files with one dataset's samples.
pub(super) const SHARDED: [Kind; 3] = [Kind::Parquet, Kind::Tar, Kind::Arrow];

/// What was looked for, for messages.
pub(crate) const EXPECTED: &str = "Parquet, Arrow IPC, tar (WebDataset), IDX (MNIST), CIFAR .bin, .npy, .npz, or a .csv, .tsv \
     or .txt list of paths and labels";

impl Kind {
    /// The kind that a file's name says it is.
    pub(crate) fn of_name(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
        let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
        Some(match () {
            () if ends(&[".parquet"]) => Self::Parquet,
            () if ends(&[".arrow", ".feather"]) => Self::Arrow,
            () if ends(&[".tar", ".tar.gz", ".tgz"]) => Self::Tar,
            () if ends(&[".npy"]) => Self::Npy,
            () if ends(&[".npz"]) => Self::Npz,
            () if raw::is_idx_images(path) => Self::Idx,
            () if raw::CifarSplit::of_file(path).is_some() => Self::Cifar,
            () if ends(&[".csv", ".tsv", ".txt", ".lst"]) => Self::List,
            () => return None,
        })
    }

    /// The kind that a file is.
    pub(super) fn of_file(path: &Path) -> Result<Option<Self>, Error> {
        let error = |source| Error::Io { path: path.into(), source };
        let mut head = first_bytes(File::open(path).map_err(error)?).map_err(error)?;
        if head.starts_with(&[0x1f, 0x8b]) {
            // What is packed; a damaged file is then told from its name.
            head = first_bytes(MultiGzDecoder::new(File::open(path).map_err(error)?)).unwrap_or_default();
        }
        Ok(match head.as_slice() {
            head if head.starts_with(b"PAR1") => Some(Self::Parquet),
            head if head.starts_with(b"ARROW1") || head.starts_with(&[0xff; 4]) => Some(Self::Arrow),
            head if head.starts_with(b"\x93NUMPY") => Some(Self::Npy),
            head if head.starts_with(b"PK\x03\x04") => Some(Self::Npz),
            [0, 0, 8, 1..=4, ..] if Self::of_name(path) != Some(Self::Cifar) => Some(Self::Idx),
            head if head.get(257..262) == Some(b"ustar") => Some(Self::Tar),
            _ => Self::of_name(path),
        })
    }

    /// Opens files of this kind as one dataset.
    pub(super) fn open(self, files: &[PathBuf]) -> Result<Arc<dyn Dataset>, Error> {
        let single = || match files {
            [file] => Ok(file),
            _ => {
                let problem = format!("{} such files are not one dataset: open one of them", files.len());
                Err(Error::Layout { path: files.first().cloned().unwrap_or_default(), problem })
            }
        };
        Ok(match self {
            #[cfg(feature = "parquet")]
            Self::Parquet => Arc::new(crate::Parquet::open_files(files, &crate::ColumnOptions::default())?),
            #[cfg(feature = "arrow")]
            Self::Arrow => Arc::new(crate::ArrowIpc::open_files(files, &crate::ColumnOptions::default())?),
            #[cfg(feature = "webdataset")]
            Self::Tar => Arc::new(crate::WebDataset::open_files(files)?),
            Self::Idx => Arc::new(raw::open_idx(single()?)?),
            #[cfg(feature = "numpy")]
            Self::Npy => Arc::new(RawImages::open_npy(single()?, &crate::NpyOptions::default())?),
            #[cfg(feature = "numpy")]
            Self::Npz => Arc::new(RawImages::open_npz(single()?, None, &crate::NpyOptions::default())?),
            Self::Cifar if raw::CifarSplit::of_file(&files[0]).is_some_and(|split| split.fine) => {
                Arc::new(RawImages::open_cifar100(files)?)
            }
            Self::Cifar => Arc::new(RawImages::open_cifar10(files)?),
            Self::List => Arc::new(ListFile::open(single()?)?),
            #[cfg(not(all(
                feature = "arrow",
                feature = "numpy",
                feature = "parquet",
                feature = "webdataset"
            )))]
            other => return Err(other.left_out(files.first().map_or(Path::new(""), PathBuf::as_path))),
        })
    }

    /// The error for files of a format that this build leaves out.
    #[cfg(any(
        feature = "remote",
        not(all(feature = "arrow", feature = "numpy", feature = "parquet", feature = "webdataset"))
    ))]
    pub(crate) fn left_out(self, path: &Path) -> Error {
        let feature = match self {
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
            Self::Tar => "webdataset",
            _ => "numpy",
        };
        let problem = format!("cannot be read by this build: enable the feature `{feature}` of visrep-data");
        Error::Layout { path: path.into(), problem }
    }
}

fn first_bytes(reader: impl Read) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    reader.take(512).read_to_end(&mut head)?;
    Ok(head)
}

//! What can go wrong with a dataset or while it is loaded.

use std::path::{Path, PathBuf};

/// An error of this crate; each names the file, row or sample at fault and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file or folder is there, but is no dataset.
    #[error("{}: {problem}", path.display())]
    Layout {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it and what would be right.
        problem: String,
    },
    /// A Parquet file cannot be opened: truncated, not Parquet, or its columns are of no use.
    #[error("{file}: {problem}")]
    Parquet {
        /// The file.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A column of a Parquet file has a type that cannot serve.
    #[error("{file}: column `{column}` has type {found}, expected {expected}")]
    ColumnType {
        /// The file.
        file: String,
        /// The column.
        column: String,
        /// Its type.
        found: String,
        /// The types that would do.
        expected: &'static str,
    },
    /// A row group of a Parquet file cannot be read.
    #[error("{file}: row group {row_group}: {problem}")]
    RowGroup {
        /// The file.
        file: String,
        /// The row group, counted from 0.
        row_group: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// A row of a Parquet file holds no usable sample.
    #[error("{key}: {problem}")]
    Row {
        /// The sample's key, `file.parquet:row`.
        key: String,
        /// What is wrong with it.
        problem: String,
    },
    /// An index is outside its dataset.
    #[error("sample {index} of a dataset of {len}")]
    Index {
        /// The index.
        index: usize,
        /// The dataset's length.
        len: usize,
    },
    /// A sample's image cannot be decoded.
    #[error("{key}: {source}")]
    Decode {
        /// The sample's key.
        key: String,
        /// What is wrong with it.
        source: visrep_decode::Error,
    },
    /// A video cannot be decoded, or is not what its index says.
    #[error("{}: {problem}", path.display())]
    Video {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, as the rest of a sentence, with what the decoder said.
        problem: String,
    },
    /// A program that a format needs is not there, or cannot be run.
    #[error("{}: {problem}", program.display())]
    Program {
        /// The program, as it was named.
        program: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A transform has drawn what its image cannot give.
    #[error("{key}: view {view}: {source}")]
    View {
        /// The sample's key.
        key: String,
        /// The view's number, from 0.
        view: usize,
        /// What is wrong.
        source: visrep_augment::Error,
    },
    /// An option has a value that cannot work.
    #[error("{parameter}: {problem}")]
    Option {
        /// The option.
        parameter: &'static str,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// A photograph is too small to cut patches for training and for testing from.
    #[error(
        "{key}: {width}x{height} px is too small for patches: at least {needed} px along the longer side and {size} px along the other are needed"
    )]
    PhotoTooSmall {
        /// The photograph's key.
        key: String,
        /// Its width in pixels.
        width: u32,
        /// Its height in pixels.
        height: u32,
        /// What the longer side must measure.
        needed: u32,
        /// A patch's side.
        size: u32,
    },
    /// Two samples of one batch gave views of different sizes, which cannot stand in one array.
    #[error(
        "{key}: view {view} is {}x{}, but that of {other} in the same batch is {}x{}: end the view's transforms \
         with one that fixes the size", found.0, found.1, expected.0, expected.1
    )]
    ViewSize {
        /// The sample's key.
        key: String,
        /// The view's index.
        view: usize,
        /// Width and height that it gave.
        found: (u32, u32),
        /// The sample that it differs from.
        other: String,
        /// Width and height of that one.
        expected: (u32, u32),
    },
    /// A dataset, decoder or transform panicked on a sample.
    #[error("{key}: panicked while it was loaded: {message}")]
    Panic {
        /// The sample's key.
        key: String,
        /// The panic's message.
        message: String,
    },
    /// Under [`crate::OnBadSample::Skip`], an epoch had samples but none that could be read.
    #[error("none of {count} samples could be read; the first: {first}")]
    NothingReadable {
        /// How many samples were tried.
        count: usize,
        /// What was wrong with the first of them.
        first: String,
    },
    /// Worker threads cannot be started.
    #[error("cannot start a worker thread: {0}")]
    Thread(std::io::Error),
    /// A worker thread ended without finishing its batch.
    #[error(
        "batch {batch} was lost: a worker thread ended before it was finished; start the epoch again from it"
    )]
    WorkerLost {
        /// The batch's number in the epoch.
        batch: usize,
    },
}

impl Error {
    /// The error for a path at which there is nothing.
    pub(crate) fn not_found(path: &Path) -> Self {
        let source = std::io::Error::new(std::io::ErrorKind::NotFound, "no such file or folder");
        Self::Io { path: path.into(), source }
    }

    /// Whether the fault lies in one sample's data, which [`crate::OnBadSample::Skip`] may pass over, and
    /// not in the program or its options.
    pub fn is_bad_sample(&self) -> bool {
        matches!(
            self,
            Self::Io { .. }
                | Self::RowGroup { .. }
                | Self::Row { .. }
                | Self::Decode { .. }
                | Self::Video { .. }
        )
    }
}

/// The message that a panic carried, for errors that stand in for it.
pub(crate) fn panic_message(payload: Box<dyn std::any::Any + Send>) -> String {
    match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => payload.downcast_ref::<&str>().map_or_else(|| "no message".into(), |m| (*m).into()),
    }
}

/// Runs `read`; a panic, such as of a library on a hostile file, is an error like any other.
#[cfg(any(feature = "arrow", feature = "parquet"))]
pub(crate) fn guarded<T>(read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|payload| Err(panic_message(payload)))
}

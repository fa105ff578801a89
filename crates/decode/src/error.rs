//! What can go wrong between bytes and pixels.

use crate::{Format, Region};

/// An error of this crate. Each message says what is wrong with the bytes; callers add the file or row.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A pixel buffer does not fit its stated size.
    #[error("a {width}x{height} RGB image needs {expected} bytes, found {found}")]
    BufferSize {
        /// Stated width in pixels.
        width: u32,
        /// Stated height in pixels.
        height: u32,
        /// `width * height * 3`.
        expected: usize,
        /// The buffer's length.
        found: usize,
    },
    /// A region is empty or reaches outside its image.
    #[error(
        "region {}x{}+{}+{} is not inside an image of {width}x{height}",
        region.width, region.height, region.x, region.y
    )]
    Region {
        /// The region asked for.
        region: Region,
        /// Width of the image.
        width: u32,
        /// Height of the image.
        height: u32,
    },
    /// There are no bytes at all.
    #[error("the file is empty")]
    Empty,
    /// The bytes start like no format that this crate reads.
    #[error("not a JPEG, PNG, WebP, GIF, BMP or TIFF image: the file starts with {start:02x?}")]
    UnknownFormat {
        /// The first bytes, at most eight.
        start: Vec<u8>,
    },
    /// The header claims more pixels than the limits allow. Nothing was allocated for them.
    #[error(
        "the {format} header claims {width}x{height} pixels, more than the limit of {max_pixels}; \
         raise `Limits::max_pixels` if the file can be trusted"
    )]
    TooLarge {
        /// The file's format.
        format: Format,
        /// Claimed width.
        width: u32,
        /// Claimed height.
        height: u32,
        /// The limit in force.
        max_pixels: u64,
    },
    /// The file ends before the image does.
    #[error("the {format} image is truncated: {progress}")]
    Truncated {
        /// The file's format.
        format: Format,
        /// How far decoding got.
        progress: String,
    },
    /// The bytes break the rules of their format.
    #[error("the {format} image is corrupt: {reason}")]
    Corrupt {
        /// The file's format.
        format: Format,
        /// What is wrong.
        reason: String,
    },
    /// The format's rules allow the file, but this crate does not read its kind.
    #[error("this kind of {format} image is not supported: {kind}; convert it to PNG or 8-bit JPEG")]
    Unsupported {
        /// The file's format.
        format: Format,
        /// Which kind it is.
        kind: String,
    },
    /// Writing a PNG failed.
    #[error("cannot encode a PNG: {0}")]
    Encode(String),
}

impl Error {
    pub(crate) fn truncated(format: Format, progress: impl Into<String>) -> Self {
        Self::Truncated { format, progress: progress.into() }
    }

    pub(crate) fn corrupt(format: Format, reason: impl Into<String>) -> Self {
        Self::Corrupt { format, reason: reason.into() }
    }

    pub(crate) fn unsupported(format: Format, kind: impl Into<String>) -> Self {
        Self::Unsupported { format, kind: kind.into() }
    }

    /// A decoder's I/O error: on bytes in memory it can only mean that they ended too early.
    pub(crate) fn io(format: Format, error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Self::truncated(format, error.to_string()),
            _ => Self::corrupt(format, error.to_string()),
        }
    }
}

//! What can go wrong between bytes and pixels.

use crate::Region;

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
}

//! What a caller may choose about decoding.

use crate::{Error, Header};

/// How to decode. The default is what Pillow and torchvision do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecodeOptions {
    /// What to do with the orientation that the file's EXIF block states.
    pub orientation: OrientationPolicy,
    /// How large an image may be.
    pub limits: Limits,
}

/// What to do with EXIF orientation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OrientationPolicy {
    /// Pixels as they are stored, as Pillow and torchvision give them.
    #[default]
    AsStored,
    /// Turned and mirrored the way the photograph is meant to be seen, as Pillow's `ImageOps.exif_transpose` does.
    Apply,
}

/// How large an image may be. Checked against the header, before anything is allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most pixels (width times height). Default: 178,956,970, where Pillow raises `DecompressionBombError`.
    /// Decoding takes up to about 12 bytes per pixel at its peak.
    pub max_pixels: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_pixels: 178_956_970 }
    }
}

impl Limits {
    pub(crate) fn check(&self, header: &Header) -> Result<(), Error> {
        let Header { format, width, height, .. } = *header;
        if u64::from(width) * u64::from(height) > self.max_pixels {
            return Err(Error::TooLarge { format, width, height, max_pixels: self.max_pixels });
        }
        Ok(())
    }
}

//! Inputs that both sides read: crop lists and raw images.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use std::path::Path;
use visrep_augment::View;
use visrep_data::{SampleImage, decode_views};
use visrep_decode::{DecodeOptions, Region, RgbImage};

/// A line of a crop list, `path x y w h flip`, with the file's bytes.
pub(crate) struct Entry {
    pub(crate) bytes: Bytes,
    pub(crate) crop: Region,
    pub(crate) flip: bool,
}

impl Entry {
    /// Views of the image, as a loader makes them.
    pub(crate) fn views(&self, draw: impl FnOnce((u32, u32)) -> Vec<View>) -> Result<Vec<RgbImage>> {
        let image = SampleImage::Encoded(self.bytes.clone());
        Ok(decode_views(image, "an image", &DecodeOptions::default(), false, draw)?)
    }
}

/// Reads a crop list and all its files.
pub(crate) fn crop_list(path: &Path) -> Result<Vec<Entry>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    text.lines()
        .enumerate()
        .map(|(row, line)| entry(line).with_context(|| format!("{}, line {}", path.display(), row + 1)))
        .collect()
}

fn entry(line: &str) -> Result<Entry> {
    // From the right, since a path may hold spaces.
    let mut words: Vec<&str> = line.rsplitn(6, ' ').collect();
    words.reverse();
    let &[path, x, y, width, height, flip] = words.as_slice() else {
        anyhow::bail!("not `path x y w h flip`: {line}");
    };
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {path}"))?.into();
    let crop = Region { x: x.parse()?, y: y.parse()?, width: width.parse()?, height: height.parse()? };
    Ok(Entry { bytes, crop, flip: flip == "1" })
}

/// Images of one size from a file of their pixels, one after the other.
pub(crate) fn raw_images(path: &Path, width: u32, height: u32) -> Result<Vec<RgbImage>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let size = width as usize * height as usize * 3;
    ensure!(
        size > 0 && !bytes.is_empty() && bytes.len().is_multiple_of(size),
        "{} holds {} bytes, which are no {width}x{height} images",
        path.display(),
        bytes.len()
    );
    Ok(bytes
        .chunks(size)
        .map(|pixels| RgbImage::new(width, height, pixels.to_vec()))
        .collect::<Result<_, _>>()?)
}

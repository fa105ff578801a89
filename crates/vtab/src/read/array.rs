//! Images that lie one behind the other in an array, with a class each: what SVHN, smallNORB, So2Sat and PatchCamelyon come to.

use std::path::Path;
use visrep_data::{Dataset, Error, Sample, SampleImage};
use visrep_decode::RgbImage;

/// From a row to its pixels' RGB, line by line.
type Pixels = Box<dyn Fn(usize) -> Result<Vec<u8>, Error> + Send + Sync>;

/// The images of an array in a file, of one size and with a class each. They are read one by one; a sample's key is `file:row`.
///
/// Made by [`open_svhn`](crate::open_svhn), [`open_small_norb`](crate::open_small_norb), [`open_so2sat`](crate::open_so2sat) and
/// [`open_patch_camelyon`](crate::open_patch_camelyon).
pub struct ArrayImages {
    name: String,
    size: (u32, u32),
    labels: Vec<u8>,
    classes: Vec<String>,
    pixels: Pixels,
}

/// The name of the file at `path`, as keys have it.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

impl ArrayImages {
    /// An image of `size` (width, height) for each of `labels`, which index `classes`; `pixels` reads one from the file at `path`.
    pub(super) fn new(
        path: &Path,
        size: (u32, u32),
        labels: Vec<u8>,
        classes: Vec<String>,
        pixels: impl Fn(usize) -> Result<Vec<u8>, Error> + Send + Sync + 'static,
    ) -> Self {
        Self { name: file_name(path), size, labels, classes, pixels: Box::new(pixels) }
    }
}

impl Dataset for ArrayImages {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn get(&self, index: usize) -> Result<Sample, Error> {
        let label = *self.labels.get(index).ok_or(Error::Index { index, len: self.labels.len() })?;
        let (key, (width, height)) = (self.key(index), self.size);
        let image = RgbImage::new(width, height, (self.pixels)(index)?)
            .map_err(|source| Error::Decode { key: key.clone(), source })?;
        Ok(Sample { image: SampleImage::Decoded(image), label: Some(label.into()), key })
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.labels.get(index).map(|label| u32::from(*label))
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn key(&self, index: usize) -> String {
        format!("{}:{index}", self.name)
    }
}

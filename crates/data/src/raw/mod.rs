//! Arrays of pixels that lie in a file as they are: IDX (MNIST), CIFAR's binary files, NumPy's NPY and NPZ.
//!
//! Nothing is encoded, so nothing is decoded: a sample is one read at a known place, and its bytes go into an
//! RGB image. Compressed files (`.gz`, deflated members of an `.npz`) are unpacked once when they are opened: into
//! memory when they are small, else into a nameless temporary file.

mod cifar;
mod idx;
mod inflate;
#[cfg(feature = "numpy")]
mod npy;
#[cfg(feature = "numpy")]
mod npz;

pub(crate) use cifar::{CifarSplit, splits as cifar_splits};
pub(crate) use idx::{is_images as is_idx_images, open as open_idx, splits as idx_splits};
use inflate::gunzip;
#[cfg(feature = "numpy")]
pub use npy::{NpyArray, NpyOptions};
#[cfg(feature = "numpy")]
pub(crate) use npz::splits as npz_splits;

use crate::fingerprint::Fingerprint;
use crate::labels::{Labels, numbered_classes};
use crate::source::{Input, Stamp};
use crate::{Dataset, Error, Sample, SampleImage};
use bytes::Bytes;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use visrep_decode::RgbImage;

/// A larger image is refused: its header is damaged or hostile.
const MAX_IMAGE_BYTES: u64 = 1 << 30;
/// More images or labels than this are refused.
const MAX_ROWS: u64 = 1 << 30;

/// Images of one size that are stored as pixels, in one file or several. Grey becomes RGB with equal channels.
///
/// A sample's key is `file:row`, the row counted from 0 within the file.
pub struct RawImages {
    shape: Shape,
    parts: Vec<Part>,
    labels: Labels,
    classes: Vec<String>,
}

/// How the bytes of one image become pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    width: u32,
    height: u32,
    layout: Layout,
    /// Whether the values are 0 and 1, which stand for black and white.
    binary: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    Grey,
    /// Height, width, channel.
    #[cfg_attr(not(feature = "numpy"), expect(dead_code, reason = "arrays alone are laid out so"))]
    Interleaved,
    /// Channel, height, width.
    Planar,
}

/// A run of images, evenly spaced in a file.
struct Part {
    path: PathBuf,
    name: String,
    input: Input,
    stamp: Option<Stamp>,
    /// Index in the dataset of the first image.
    start: usize,
    len: usize,
    /// Where the first image's pixels begin, and how far the next one's are.
    first: u64,
    stride: u64,
}

impl Shape {
    /// Bytes of one image, unless there are none or too many.
    fn bytes(&self) -> Result<usize, String> {
        let channels = if self.layout == Layout::Grey { 1 } else { 3 };
        let bytes =
            u64::from(self.width).checked_mul(u64::from(self.height)).and_then(|n| n.checked_mul(channels));
        match bytes {
            Some(bytes @ 1..=MAX_IMAGE_BYTES) => Ok(bytes as usize),
            _ => Err(format!("images of {}x{} cannot be read", self.width, self.height)),
        }
    }

    fn image(&self, bytes: &Bytes) -> Result<RgbImage, visrep_decode::Error> {
        let scale = |value: u8| if self.binary { value.min(1) * 255 } else { value };
        let rgb: Vec<u8> = match self.layout {
            Layout::Grey => bytes.iter().flat_map(|value| [scale(*value); 3]).collect(),
            Layout::Interleaved if !self.binary => bytes.to_vec(),
            Layout::Interleaved => bytes.iter().map(|value| scale(*value)).collect(),
            Layout::Planar => {
                let (red, rest) = bytes.split_at(bytes.len() / 3);
                let (green, blue) = rest.split_at(red.len());
                let pixels = red.iter().zip(green).zip(blue);
                pixels.flat_map(|((r, g), b)| [scale(*r), scale(*g), scale(*b)]).collect()
            }
        };
        RgbImage::new(self.width, self.height, rgb)
    }
}

impl Part {
    /// A part whose place in the dataset is not known yet. Errs when the file is too short for it.
    fn new(
        path: &Path,
        input: Input,
        shape: Shape,
        first: u64,
        stride: u64,
        len: u64,
    ) -> Result<Self, Error> {
        let layout = |problem| Error::Layout { path: path.into(), problem };
        let io = |source| Error::Io { path: path.into(), source };
        if len > MAX_ROWS {
            return Err(layout(format!(
                "claims {len} images, more than the {MAX_ROWS} that a file may have"
            )));
        }
        let found = input.len().map_err(io)?;
        let image = shape.bytes().map_err(layout)? as u64;
        // Far from overflow, with both limits kept.
        let needed = if len == 0 { first } else { first + stride * (len - 1) + image };
        if needed > found {
            return Err(layout(format!("is cut short: {found} bytes cannot hold its {len} images")));
        }
        let stamp = input.stamp().map_err(io)?;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Ok(Self { path: path.into(), name, input, stamp, start: 0, len: len as usize, first, stride })
    }

    fn read(&self, row: usize, bytes: usize) -> std::io::Result<Bytes> {
        if self.input.stamp()? != self.stamp {
            return Err(std::io::Error::new(
                ErrorKind::InvalidData,
                "the file has changed since it was opened",
            ));
        }
        self.input.read_at(self.first + self.stride * row as u64, bytes)
    }
}

impl RawImages {
    /// Images of `shape` in `parts`, with a label for each or none at all; `classes` are numbered where there are
    /// no names. `path` is what the user opened.
    fn new(
        path: &Path,
        shape: Shape,
        mut parts: Vec<Part>,
        labels: Labels,
        classes: Option<Vec<String>>,
    ) -> Result<Self, Error> {
        let layout = |problem| Error::Layout { path: path.into(), problem };
        shape.bytes().map_err(layout)?;
        let mut len = 0;
        for part in &mut parts {
            part.start = len;
            len += part.len;
        }
        if labels.len() != 0 && labels.len() != len {
            return Err(layout(format!("{len} images have {} labels", labels.len())));
        }
        let classes = match classes {
            Some(classes) => classes,
            None => numbered_classes(labels.max()).map_err(layout)?,
        };
        if let Some(label) = labels.max().filter(|label| *label as usize >= classes.len()) {
            return Err(layout(format!("label {label} is outside the {} classes", classes.len())));
        }
        Ok(Self { shape, parts, labels, classes })
    }

    /// Width and height of every image.
    pub fn size(&self) -> (u32, u32) {
        (self.shape.width, self.shape.height)
    }

    fn locate(&self, index: usize) -> Result<(&Part, usize), Error> {
        let len = self.len();
        if index >= len {
            return Err(Error::Index { index, len });
        }
        let part = &self.parts[self.parts.partition_point(|part| part.start + part.len <= index)];
        Ok((part, index - part.start))
    }
}

impl Dataset for RawImages {
    fn len(&self) -> usize {
        self.parts.last().map_or(0, |part| part.start + part.len)
    }

    fn get(&self, index: usize) -> Result<Sample, Error> {
        let (part, row) = self.locate(index)?;
        let key = self.key(index);
        let fail = |problem| Error::Row { key: key.clone(), problem };
        let bytes = self.shape.bytes().map_err(fail)?;
        let bytes = part.read(row, bytes).map_err(|source| Error::Io { path: part.path.clone(), source })?;
        let image = self.shape.image(&bytes).map_err(|error| fail(error.to_string()))?;
        Ok(Sample { image: SampleImage::Decoded(image), label: self.labels.get(index), key })
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.labels.get(index)
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn key(&self, index: usize) -> String {
        match self.locate(index) {
            Ok((part, row)) => format!("{}:{row}", part.name),
            Err(_) => format!("sample {index}"),
        }
    }

    fn fingerprint(&self) -> Result<u64, Error> {
        let files = self.parts.iter().map(|part| (part.name.as_str(), part.stamp));
        Ok(Fingerprint::of_files(files, self.labels.iter(), &self.classes))
    }
}

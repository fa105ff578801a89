//! SVHN's cropped digits: `train_32x32.mat`, `test_32x32.mat`, `extra_32x32.mat` with `X` (32, 32, 3, N) and `y` (N, 1).

use super::mat::{MatArray, read_mat};
use crate::error::{io, layout};
use crate::labels::svhn_digit;
use std::path::{Path, PathBuf};
use visrep_data::{Dataset, Error, Sample, SampleImage};
use visrep_decode::RgbImage;

/// One of SVHN's files of cropped digits. The digit 0, which the files call 10, is class 0.
///
/// A file is unpacked when it is opened, to a temporary file; a sample is read from there. Its key is `file:row`.
pub struct Svhn {
    path: PathBuf,
    name: String,
    images: MatArray,
    labels: Vec<u8>,
    classes: Vec<String>,
}

impl Svhn {
    /// Opens a file.
    ///
    /// # Errors
    /// One that is no MAT-file, has other arrays, or a label that is no digit.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let [images, labels] = <[_; 2]>::try_from(read_mat(path, &["X", "y"])?)
            .map_err(|_| layout(path, "has not both of `X` and `y`"))?;
        let [_, _, 3, count] = *images.shape else {
            return Err(layout(
                path,
                format!("has `X` of shape {:?}, expected (32, 32, 3, n)", images.shape),
            ));
        };
        if !images.is_bytes() || images.is_empty() {
            return Err(layout(path, "has `X` of another type than uint8, or no images"));
        }
        if labels.len() != count {
            return Err(layout(path, format!("has {count} images and {} labels", labels.len())));
        }
        let digit = |(row, value): (usize, f64)| {
            let class = if value.fract() == 0.0 && value >= 0.0 { svhn_digit(value as u32) } else { None };
            class.map(|class| class as u8).ok_or_else(|| Error::Row {
                key: format!("{name}:{row}"),
                problem: format!("has the label {value}, expected 1 to 10"),
            })
        };
        let labels = labels.numbers().map_err(io(path))?;
        let labels = labels.into_iter().enumerate().map(digit).collect::<Result<_, _>>()?;
        let classes = (0..10).map(|digit| digit.to_string()).collect();
        Ok(Self { path: path.into(), name, images, labels, classes })
    }
}

impl Dataset for Svhn {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn get(&self, index: usize) -> Result<Sample, Error> {
        let label = *self.labels.get(index).ok_or(Error::Index { index, len: self.labels.len() })?;
        let (height, width) = (self.images.shape[0], self.images.shape[1]);
        let plane = height * width;
        let bytes = self.images.bytes_at(index * 3 * plane, 3 * plane).map_err(io(&self.path))?;
        // Rows are the fastest axis.
        let image = RgbImage::from_fn(width as u32, height as u32, |x, y| {
            let at = x as usize * height + y as usize;
            [bytes[at], bytes[plane + at], bytes[2 * plane + at]]
        });
        Ok(Sample { image: SampleImage::Decoded(image), label: Some(label.into()), key: self.key(index) })
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

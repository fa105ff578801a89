//! SVHN's cropped digits: `train_32x32.mat`, `test_32x32.mat`, `extra_32x32.mat` with `X` (32, 32, 3, N) and `y` (N, 1).

use super::array::{ArrayImages, file_name};
use super::mat::read_mat;
use crate::error::{io, layout};
use crate::labels::svhn_digit;
use std::path::Path;
use visrep_data::Error;

/// Opens one of SVHN's files of cropped digits. The digit 0, which the files call 10, is class 0.
///
/// The file is unpacked, to a temporary file where it is large; a sample is read from there.
///
/// # Errors
/// One that is no MAT-file, has other arrays, or a label that is no digit.
pub fn open_svhn(path: impl AsRef<Path>) -> Result<ArrayImages, Error> {
    let path = path.as_ref();
    let name = file_name(path);
    let [images, labels] = <[_; 2]>::try_from(read_mat(path, &["X", "y"])?)
        .map_err(|_| layout(path, "has not both of `X` and `y`"))?;
    let [height, width, 3, count] = *images.shape else {
        return Err(layout(path, format!("has `X` of shape {:?}, expected (32, 32, 3, n)", images.shape)));
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
    let (plane, from) = (height * width, path.to_path_buf());
    let pixels = move |index: usize| {
        let bytes = images.bytes_at(index * 3 * plane, 3 * plane).map_err(io(&from))?;
        // Rows are the fastest axis, channels the slowest.
        let places = (0..height).flat_map(|y| (0..width).map(move |x| x * height + y));
        Ok(places.flat_map(|at| [bytes[at], bytes[plane + at], bytes[2 * plane + at]]).collect())
    };
    Ok(ArrayImages::new(path, (width as u32, height as u32), labels, classes, pixels))
}

//! smallNORB's binary matrices: <https://cs.nyu.edu/~ylclab/data/norb-v1.0-small/>, "File Format".
//!
//! Little-endian `i32` throughout: a magic number for the type, the number of axes, at least three sizes, the values. The images'
//! file (`-dat`) is (n, 2, 96, 96) bytes, the left camera first; `-info` is (n, 4) integers: instance, elevation, azimuth, lighting.

use super::array::ArrayImages;
use crate::error::{io, layout};
use crate::labels::{norb_azimuth, norb_elevation};
use crate::store::Store;
use std::io::Write;
use std::path::Path;
use visrep_data::Error;

const BYTES: i32 = 507_333_717;
const INTEGERS: i32 = 507_333_716;
/// More axes than these files have.
const MAX_AXES: u64 = 8;

/// What the class of an image of smallNORB's is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NorbLabel {
    /// 18 classes, 20 degrees apart.
    Azimuth,
    /// 9 classes, 30 to 70 degrees.
    Elevation,
}

impl NorbLabel {
    pub(crate) fn classes(self) -> Vec<String> {
        match self {
            Self::Azimuth => (0..18).map(|class| format!("{} degrees", class * 20)).collect(),
            Self::Elevation => (0..9).map(|class| format!("{} degrees", 30 + class * 5)).collect(),
        }
    }
}

/// A matrix in a file, plain or packed with gzip.
struct Matrix {
    store: Store,
    sizes: Vec<u64>,
    /// Where the values begin.
    start: u64,
}

impl Matrix {
    /// Opens a file of `kind` values.
    fn open(path: &Path, kind: i32) -> Result<Self, Error> {
        let store = Store::open(path).map_err(io(path))?;
        let word = |at: u64| -> Result<i32, Error> {
            let bytes =
                store.read_at(4 * at, 4).map_err(|_| layout(path, "is cut short within its header"))?;
            Ok(bytes.as_chunks::<4>().0.first().map_or(0, |word| i32::from_le_bytes(*word)))
        };
        let magic = word(0)?;
        if magic != kind {
            let expected = if kind == BYTES { "uint8" } else { "int32" };
            let problem = format!("is no matrix of {expected}: it begins with {magic}, expected {kind}");
            return Err(layout(path, problem));
        }
        let axes = u64::try_from(word(1)?).ok().filter(|axes| (1..=MAX_AXES).contains(axes));
        let axes = axes.ok_or_else(|| layout(path, "has no sensible number of axes"))?;
        let size = |axis: u64| -> Result<u64, Error> {
            u64::try_from(word(2 + axis)?).map_err(|_| layout(path, "has an axis of negative size"))
        };
        let sizes = (0..axes).map(size).collect::<Result<Vec<_>, _>>()?;
        let start = 4 * (2 + axes.max(3));
        let each: u64 = if kind == BYTES { 1 } else { 4 };
        let needed = sizes.iter().try_fold(each, |bytes, size| bytes.checked_mul(*size));
        match needed.and_then(|needed| needed.checked_add(start)) {
            Some(needed) if needed <= store.len() => Ok(Self { store, sizes, start }),
            _ => Err(layout(path, format!("is cut short: {} bytes cannot hold {sizes:?}", store.len()))),
        }
    }
}

/// Opens smallNORB's images of the left camera, as grey RGB, with the azimuth or the elevation as the class: the files of images
/// and of the images' records, `smallnorb-…-training-dat.mat` and `…-info.mat`, with or without `.gz`.
///
/// Files packed with gzip, as they are published, are unpacked, to a temporary file where they are large.
///
/// # Errors
/// Files that are no such matrices, are cut short, or do not belong together; a field outside its range.
pub fn open_small_norb(
    images: impl AsRef<Path>,
    info: impl AsRef<Path>,
    label: NorbLabel,
) -> Result<ArrayImages, Error> {
    let (path, info_path) = (images.as_ref(), info.as_ref());
    let images = Matrix::open(path, BYTES)?;
    let [count, 2, height @ 1..=4096, width @ 1..=4096] = *images.sizes else {
        return Err(layout(path, format!("has the sizes {:?}, expected (n, 2, 96, 96)", images.sizes)));
    };
    let info = Matrix::open(info_path, INTEGERS)?;
    if *info.sizes != [count, 4] {
        let problem =
            format!("has the sizes {:?}, expected ({count}, 4) for {height}x{width} images", info.sizes);
        return Err(layout(info_path, problem));
    }
    let records = info.store.read_at(info.start, count * 16).map_err(io(info_path))?;
    let (column, class): (usize, fn(i32) -> Option<u32>) = match label {
        NorbLabel::Elevation => (1, norb_elevation),
        NorbLabel::Azimuth => (2, norb_azimuth),
    };
    let of_row = |(row, record): (usize, &[[u8; 4]])| {
        let field = i32::from_le_bytes(record[column]);
        class(field).map(|class| class as u8).ok_or_else(|| Error::Row {
            key: format!("{}:{row}", info_path.display()),
            problem: format!("has {field} in column {column}, which is no {label:?}").to_lowercase(),
        })
    };
    let records = records.as_chunks::<4>().0;
    let labels = records.chunks_exact(4).enumerate().map(of_row).collect::<Result<_, _>>()?;
    let from = path.to_path_buf();
    let pixels = move |index: usize| {
        let at = images.start + 2 * index as u64 * height * width;
        let grey = images.store.read_at(at, height * width).map_err(io(&from))?;
        Ok(grey.iter().flat_map(|value| [*value; 3]).collect())
    };
    Ok(ArrayImages::new(path, (width as u32, height as u32), labels, label.classes(), pixels))
}

/// The values of a matrix to be written.
pub enum NorbValues<'a> {
    /// `-dat` files.
    Bytes(&'a [u8]),
    /// `-cat` and `-info` files.
    Integers(&'a [i32]),
}

/// Writes a matrix in smallNORB's format, for data of one's own.
///
/// # Errors
/// When `sizes` and the number of values do not agree, or `to` cannot be written.
pub fn write_norb_matrix(to: &mut impl Write, sizes: &[u32], values: &NorbValues<'_>) -> std::io::Result<()> {
    let (magic, count) = match values {
        NorbValues::Bytes(values) => (BYTES, values.len()),
        NorbValues::Integers(values) => (INTEGERS, values.len()),
    };
    let needed = sizes.iter().try_fold(1_usize, |count, size| count.checked_mul(*size as usize));
    if needed != Some(count) {
        let problem = format!("{count} values do not fill a matrix of {sizes:?}");
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, problem));
    }
    to.write_all(&magic.to_le_bytes())?;
    to.write_all(&(sizes.len() as u32).to_le_bytes())?;
    // Three sizes at least; those that there are not are 1.
    for axis in 0..sizes.len().max(3) {
        to.write_all(&sizes.get(axis).copied().unwrap_or(1).to_le_bytes())?;
    }
    match values {
        NorbValues::Bytes(values) => to.write_all(values),
        NorbValues::Integers(values) => {
            values.iter().try_for_each(|value| to.write_all(&value.to_le_bytes()))
        }
    }
}

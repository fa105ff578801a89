//! Datasets in HDF5: So2Sat LCZ42 (`training.h5`, `validation.h5`) and PatchCamelyon
//! (`camelyonpatch_level_2_split_train_x.h5` and `…_y.h5`). Images are read one by one.

use super::array::ArrayImages;
use crate::error::{io, layout};
use hdf5_reader::error::Error as Hdf5Error;
use hdf5_reader::{Dataset as Array, H5Type, Hdf5File, SliceInfo, SliceInfoElem};
use std::path::Path;
use visrep_data::Error;

/// So2Sat's local climate zones, in the order of its labels.
pub const SO2SAT_CLASSES: [&str; 17] = [
    "Compact high-rise",
    "Compact mid-rise",
    "Compact low-rise",
    "Open high-rise",
    "Open mid-rise",
    "Open low-rise",
    "Lightweight low-rise",
    "Large low-rise",
    "Sparsely built",
    "Heavy industry",
    "Dense trees",
    "Scattered trees",
    "Bush or scrub",
    "Low plants",
    "Bare rock or paved",
    "Bare soil or sand",
    "Water",
];

/// What a reflectance of 1 becomes in TFDS's `so2sat/rgb`, version 2.1.
const SO2SAT_SCALE: f64 = 3.5 * 255.0;
/// Sentinel-2's bands 4, 3 and 2 among those of the file.
const SO2SAT_RGB: [usize; 3] = [2, 1, 0];
/// A larger side is none of these datasets'.
const MAX_SIDE: u64 = 4096;
/// A file has no more images than this.
const MAX_IMAGES: u64 = 1 << 24;

/// Opens a file of So2Sat's, `training.h5` or `validation.h5`, as TFDS makes RGB of it: `sen2` (n, 32, 32, 10) reflectances, of which
/// bands 4, 3 and 2 are multiplied by 892.5, cut off at 255 and truncated; `label` (n, 17), of which the largest counts.
///
/// # Errors
/// A file that is no HDF5, or lacks these arrays.
pub fn open_so2sat(path: impl AsRef<Path>) -> Result<ArrayImages, Error> {
    let path = path.as_ref();
    let classes: Vec<String> = SO2SAT_CLASSES.map(String::from).into();
    let label = array(path, "label")?;
    let [count, 17] = *label.shape() else {
        let problem = format!("`label` has the sizes {:?}, expected (n, 17)", label.shape());
        return Err(layout(path, problem));
    };
    checked_count(path, count)?;
    let one_hot = floats(&label, &SliceInfo::all(2)).map_err(unread(path))?;
    let largest = |row: &[f64]| {
        (0..row.len()).fold(0, |best, next| if row[next] > row[best] { next } else { best }) as u8
    };
    let labels = one_hot.chunks_exact(17).map(largest).collect();
    rows(path, array(path, "sen2")?, (10, count), so2sat_rgb, labels, classes)
}

/// Opens a split of PatchCamelyon's: `x` (n, 96, 96, 3) bytes of the one file and `y` (n, 1, 1, 1) of the other, whether the
/// centre holds tumour tissue.
///
/// # Errors
/// Files that are no HDF5, lack these arrays, or have other labels than 0 and 1.
pub fn open_patch_camelyon(images: impl AsRef<Path>, labels: impl AsRef<Path>) -> Result<ArrayImages, Error> {
    let (path, labels_path) = (images.as_ref(), labels.as_ref());
    let of_labels = array(labels_path, "y")?;
    let [count, 1, 1, 1] = *of_labels.shape() else {
        let problem = format!("`y` has the sizes {:?}, expected (n, 1, 1, 1)", of_labels.shape());
        return Err(layout(labels_path, problem));
    };
    checked_count(labels_path, count)?;
    let labels = values::<u8>(&of_labels, &SliceInfo::all(4)).map_err(unread(labels_path))?;
    if let Some(row) = labels.iter().position(|label| *label > 1) {
        let key = format!("{}:{row}", labels_path.display());
        return Err(Error::Row {
            key,
            problem: format!("has the label {}, which is neither 0 nor 1", labels[row]),
        });
    }
    let classes = ["no tumour", "tumour"].map(String::from).into();
    rows(path, array(path, "x")?, (3, count), values::<u8>, labels, classes)
}

/// `count` rows of images of `bands` values a pixel, of which `rgb` makes three.
fn rows(
    path: &Path,
    images: Array,
    (bands, count): (u64, u64),
    rgb: fn(&Array, &SliceInfo) -> Result<Vec<u8>, Hdf5Error>,
    labels: Vec<u8>,
    classes: Vec<String>,
) -> Result<ArrayImages, Error> {
    let shape = images.shape();
    let size = match *shape {
        [n, height @ 1..=MAX_SIDE, width @ 1..=MAX_SIDE, values] if (n, values) == (count, bands) => {
            (width as u32, height as u32)
        }
        _ => {
            let problem = format!(
                "`{}` has the sizes {shape:?}, expected ({count}, height, width, {bands}) as there are {count} labels",
                images.name()
            );
            return Err(layout(path, problem));
        }
    };
    let from = path.to_path_buf();
    let pixels = move |index: usize| {
        let mut selection = SliceInfo::all(4);
        if let Some(first) = selection.selections.first_mut() {
            *first = SliceInfoElem::Index(index as u64);
        }
        rgb(&images, &selection).map_err(unread(&from))
    };
    Ok(ArrayImages::new(path, size, labels, classes, pixels))
}

fn checked_count(path: &Path, count: u64) -> Result<(), Error> {
    match count {
        1..=MAX_IMAGES => Ok(()),
        _ => Err(layout(path, format!("has {count} labels, expected 1 to {MAX_IMAGES}"))),
    }
}

fn array(path: &Path, name: &str) -> Result<Array, Error> {
    std::fs::metadata(path).map_err(io(path))?;
    let found = Hdf5File::open(path).and_then(|file| file.dataset(name));
    found.map_err(|error| layout(path, format!("has no array `{name}` that can be read: {error}")))
}

fn unread(path: &Path) -> impl Fn(Hdf5Error) -> Error {
    move |error| layout(path, format!("cannot be read: {error}"))
}

fn values<T: H5Type>(array: &Array, selection: &SliceInfo) -> Result<Vec<T>, Hdf5Error> {
    Ok(array.read_slice::<T>(selection)?.into_iter().collect())
}

/// Values that may be stored as f64 or f32.
fn floats(array: &Array, selection: &SliceInfo) -> Result<Vec<f64>, Hdf5Error> {
    if array.raw_element_size()? == 4 {
        return Ok(values::<f32>(array, selection)?.into_iter().map(f64::from).collect());
    }
    values::<f64>(array, selection)
}

fn so2sat_rgb(array: &Array, selection: &SliceInfo) -> Result<Vec<u8>, Hdf5Error> {
    let bands = floats(array, selection)?;
    // `as` truncates, and takes NaN for 0.
    let level = |value: f64| (value * SO2SAT_SCALE).clamp(0.0, 255.0) as u8;
    Ok(bands.chunks_exact(10).flat_map(|bands| SO2SAT_RGB.map(|band| level(bands[band]))).collect())
}

//! Opening what a user points at, with splits or without: the kind is told from content and name.

mod kind;
mod splits;

use crate::{Dataset, Error, Subset, expand, stratified_split};
pub(crate) use kind::Kind;
#[cfg(feature = "remote")]
pub(crate) use splits::split_in_name;

use kind::EXPECTED;
use splits::{find_splits, open_folder};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a model learns from and what it is tested on, with the same classes. A clone shares the images.
#[derive(Clone)]
pub struct Splits {
    /// For training.
    pub train: Arc<dyn Dataset>,
    /// For testing.
    pub test: Arc<dyn Dataset>,
    /// Where the two come from, for reports.
    pub description: String,
}

/// Opens `path` as one dataset. It may be
///
/// - a folder with one folder of images per class ([`ImageFolder`](crate::ImageFolder)),
/// - a file of Parquet ([`Parquet`](crate::Parquet)), Arrow IPC ([`ArrowIpc`](crate::ArrowIpc)) or tar
///   ([`WebDataset`](crate::WebDataset)), a folder of such files (or with them in its `data` folder), or a pattern for
///   several: `shard-{000..123}.tar`, `data/*.parquet`,
/// - a file or folder of MNIST's IDX, CIFAR's binary files, NumPy's `.npy` or `.npz` ([`RawImages`](crate::RawImages)),
/// - a `.csv`, `.tsv` or `.txt` list of paths and labels ([`ListFile`](crate::ListFile)), or a folder with a `metadata.csv`,
/// - with the feature `remote`, an address of Parquet, Arrow or tar files: `https://…`, `s3://bucket/…`.
///
/// A place that holds several splits is an error that names them, so that nobody trains on a test set by
/// mistake: ask for one, as in `DIR/train`, which also finds `DIR/train-00000-of-00002.parquet`,
/// `DIR/train-images-idx3-ubyte` and the like, or call [`open_splits`]. A place with a single split is that split.
/// Folders named like splits are classes only beside folders with other names.
pub fn open(path: &Path) -> Result<Arc<dyn Dataset>, Error> {
    let text = path.to_str().unwrap_or_default();
    if text.contains("://") {
        return open_address(text);
    }
    let is_file = path.is_file();
    if is_file || path.is_dir() {
        let splits: Vec<_> = find_splits(path)?.all().collect();
        return match splits.as_slice() {
            [] if is_file => open_file(path),
            [] => open_folder(path),
            [only] => only.open(),
            [first, ..] => {
                let names: Vec<_> = splits.iter().map(|split| split.name.as_str()).collect();
                let example = path.join(&first.name);
                let problem =
                    format!("holds the splits {}: name one, such as {}", names.join(", "), example.display());
                Err(Error::Layout { path: path.into(), problem })
            }
        };
    }
    // The name of a split whose shards lie side by side, or in one file.
    if let (Some(parent), Some(name)) = (path.parent().filter(|parent| parent.exists()), path.file_name())
        && let Some(split) = find_splits(parent)?.all().find(|split| name.eq_ignore_ascii_case(&split.name))
    {
        return split.open();
    }
    if expand::is_pattern(text) {
        return open_files(path, &expand::files(text)?);
    }
    Err(Error::not_found(path))
}

fn open_file(path: &Path) -> Result<Arc<dyn Dataset>, Error> {
    match Kind::of_file(path)? {
        Some(kind) => kind.open(&[path.into()]),
        None => {
            let problem = format!("is no kind of dataset that is read here: {EXPECTED}");
            Err(Error::Layout { path: path.into(), problem })
        }
    }
}

/// Opens several files, which must be of one kind, as one dataset.
fn open_files(pattern: &Path, files: &[PathBuf]) -> Result<Arc<dyn Dataset>, Error> {
    let layout = |problem| Error::Layout { path: pattern.into(), problem };
    let mut kinds = Vec::new();
    for file in files {
        // By name where that tells: a thousand shards are not opened twice.
        let kind = Kind::of_name(file).map_or_else(|| Kind::of_file(file), |kind| Ok(Some(kind)))?;
        kinds.push(kind.ok_or_else(|| layout(format!("{} is none of {EXPECTED}", file.display())))?);
    }
    match kinds.iter().position(|kind| *kind != kinds[0]) {
        None => kinds[0].open(files),
        Some(other) => {
            let (first, other) = (files[0].display(), files[other].display());
            Err(layout(format!("stands for files of different kinds: {first}, {other}")))
        }
    }
}

#[cfg(feature = "remote")]
fn open_address(address: &str) -> Result<Arc<dyn Dataset>, Error> {
    crate::remote::open(address)
}

#[cfg(not(feature = "remote"))]
fn open_address(address: &str) -> Result<Arc<dyn Dataset>, Error> {
    let problem =
        "is remote, which this build cannot read: enable the feature `remote` of visrep-data".into();
    Err(Error::Layout { path: address.into(), problem })
}

/// Opens `path` as a training and a test set.
///
/// A folder with `train` and one of `val`, `validation`, `valid` and `test` (the first that is there), as
/// folders or in the names of its files, has its own splits, and so have MNIST's, CIFAR's and some NPZ files. Anything else that [`open`] takes, such as a single
/// split, is divided 80 to 20 by class with seed 0, and the description says that this is not official.
pub fn open_splits(path: &Path) -> Result<Splits, Error> {
    let mut divided = path.to_path_buf();
    if path.exists() {
        let found = find_splits(path)?;
        if let (Some(train), Some(test)) = (&found.train, found.evaluation.first()) {
            let splits = Splits {
                train: train.open()?,
                test: test.open()?,
                description: format!("{} and {} of {}", train.name, test.name, path.display()),
            };
            return match differing_class(splits.train.classes(), splits.test.classes()) {
                None => Ok(splits),
                Some(difference) => {
                    let problem =
                        format!("{} and {} have different classes: {difference}", train.name, test.name);
                    Err(Error::Layout { path: path.into(), problem })
                }
            };
        }
        divided.extend(found.all().next().map(|split| split.name));
    }
    let all = open(path)?;
    all.labels()?;
    let (train, test) = stratified_split(all.as_ref(), 0.2, 0);
    Ok(Splits {
        train: Arc::new(Subset::new(all.clone(), train)),
        test: Arc::new(Subset::new(all, test)),
        description: format!("80/20 split of {} by class, seed 0; not official", divided.display()),
    })
}

fn differing_class(train: &[String], test: &[String]) -> Option<String> {
    if train == test {
        return None;
    }
    let missing = |from: &[String], within: &[String]| from.iter().find(|c| !within.contains(c)).cloned();
    Some(match (missing(train, test), missing(test, train)) {
        (Some(class), _) => format!("`{class}` is in the first only"),
        (None, Some(class)) => format!("`{class}` is in the second only"),
        (None, None) => "their order differs".into(),
    })
}

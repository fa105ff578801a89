//! The splits that a place has: as folders, in the names of files, or as a format's own.

use super::kind::{EXPECTED, Kind, SHARDED};
use crate::raw::{self, CifarSplit};
use crate::{Dataset, Error, ImageFolder, ListFile, natural};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const TRAIN: [&str; 2] = ["train", "training"];
/// In the order of preference.
const EVALUATION: [&str; 4] = ["val", "validation", "valid", "test"];
/// The list of an image folder, as Hugging Face's `datasets` calls it.
const METADATA: &str = "metadata.csv";

/// One split of a dataset.
pub(super) struct Split {
    pub(super) name: String,
    place: Place,
}

enum Place {
    Folder(PathBuf),
    Files(Kind, Vec<PathBuf>),
    Cifar(CifarSplit),
    #[cfg(feature = "numpy")]
    Npz(PathBuf),
}

impl Split {
    pub(super) fn open(&self) -> Result<Arc<dyn Dataset>, Error> {
        match &self.place {
            Place::Folder(folder) => open_folder(folder),
            Place::Files(kind, files) => kind.open(files),
            Place::Cifar(split) => Ok(Arc::new(split.open()?)),
            #[cfg(feature = "numpy")]
            Place::Npz(file) => {
                let options = crate::NpyOptions::default();
                Ok(Arc::new(crate::RawImages::open_npz(file, Some(&self.name), &options)?))
            }
        }
    }
}

#[derive(Default)]
pub(super) struct FoundSplits {
    pub(super) train: Option<Split>,
    /// In the order of preference.
    pub(super) evaluation: Vec<Split>,
}

impl FoundSplits {
    pub(super) fn all(self) -> impl Iterator<Item = Split> {
        self.train.into_iter().chain(self.evaluation)
    }

    fn of(splits: impl IntoIterator<Item = Split>) -> Self {
        let mut found = Self::default();
        for split in splits {
            if TRAIN.contains(&split.name.as_str()) {
                found.train = Some(split)
            } else {
                found.evaluation.push(split)
            }
        }
        let rank = |split: &Split| EVALUATION.iter().position(|name| *name == split.name);
        found.evaluation.sort_by_key(rank);
        found
    }
}

/// The splits that `path` has: as folders, as files each of which has a split in its name, or as the parts of MNIST,
/// CIFAR and NPZ files. Folders count when there is one for training and one for evaluation, or when
/// there is nothing else.
pub(super) fn find_splits(path: &Path) -> Result<FoundSplits, Error> {
    if path.is_file() {
        return Ok(match Kind::of_file(path)? {
            #[cfg(feature = "numpy")]
            Some(Kind::Npz) => {
                let split = |name: &&str| Split { name: (*name).into(), place: Place::Npz(path.into()) };
                FoundSplits::of(raw::npz_splits(path)?.iter().map(split))
            }
            _ => FoundSplits::default(),
        });
    }
    let folder = |name: &&str| {
        let folder = path.join(name);
        folder.is_dir().then(|| Split { name: (*name).into(), place: Place::Folder(folder) })
    };
    let folders = FoundSplits {
        train: TRAIN.iter().find_map(folder),
        evaluation: EVALUATION.iter().filter_map(folder).collect(),
    };
    if folders.train.is_some() && !folders.evaluation.is_empty() {
        return Ok(folders);
    }
    let Some((kind, shards)) = shards_of(path)? else {
        return Ok(if has_other_folders(path)? {
            FoundSplits::default()
        } else if folders.train.is_some() || !folders.evaluation.is_empty() {
            folders
        } else {
            of_formats(path)?
        });
    };
    let named: Vec<_> = shards.iter().map(|file| split_in_name(file)).collect();
    if named.contains(&None) {
        return Ok(FoundSplits::default());
    }
    let shards_named = |name: &&str| {
        let of_split = shards.iter().zip(&named).filter(|(_, of)| **of == Some(*name));
        let files: Vec<_> = of_split.map(|(file, _)| file.clone()).collect();
        (!files.is_empty()).then(|| Split { name: (*name).into(), place: Place::Files(kind, files) })
    };
    Ok(FoundSplits {
        train: TRAIN.iter().find_map(shards_named),
        evaluation: EVALUATION.iter().filter_map(shards_named).collect(),
    })
}

/// The splits of MNIST's and CIFAR's files in `path`.
fn of_formats(path: &Path) -> Result<FoundSplits, Error> {
    let mut files = files_in(path)?;
    // torchvision keeps MNIST's in `raw`.
    let raw_folder = path.join("raw");
    if raw_folder.is_dir() {
        files.extend(files_in(&raw_folder)?);
    }
    let idx = raw::idx_splits(&files);
    let idx = idx
        .into_iter()
        .map(|(name, file)| Split { name: name.into(), place: Place::Files(Kind::Idx, vec![file]) });
    let cifar = raw::cifar_splits(&files);
    let cifar = cifar.into_iter().map(|split| Split { name: split.name.into(), place: Place::Cifar(split) });
    Ok(FoundSplits::of(idx.chain(cifar)))
}

/// Opens a folder without splits.
pub(super) fn open_folder(path: &Path) -> Result<Arc<dyn Dataset>, Error> {
    if let Some((kind, files)) = shards_of(path)? {
        return kind.open(&files);
    }
    let list = path.join(METADATA);
    if list.is_file() {
        return Ok(Arc::new(ListFile::open(list)?));
    }
    if !has_other_folders(path)? {
        let files = files_in(path)?;
        let of_kind =
            |kind| files.iter().filter(|file| Kind::of_name(file) == Some(kind)).cloned().collect::<Vec<_>>();
        let arrays = [arrays_in(&files), of_kind(Kind::Npz), of_kind(Kind::Idx)].concat();
        match arrays.as_slice() {
            [] => {}
            [only] => return super::open(only),
            [first, ..] => {
                let names: Vec<_> = arrays.iter().filter_map(|file| file.file_name()?.to_str()).collect();
                let problem = format!("holds {}: name one, such as {}", names.join(", "), first.display());
                return Err(Error::Layout { path: path.into(), problem });
            }
        }
    }
    match ImageFolder::open(path) {
        Ok(folder) => Ok(Arc::new(folder)),
        Err(Error::Layout { path, problem }) if !has_other_folders(&path)? => {
            Err(Error::Layout { path, problem: format!("{problem}; nor are there files of {EXPECTED}") })
        }
        Err(error) => Err(error),
    }
}

/// The `.npy` files among `files` whose names do not say that they hold labels.
fn arrays_in(files: &[PathBuf]) -> Vec<PathBuf> {
    let is_labels = |file: &Path| {
        file.file_stem().is_some_and(|stem| stem.to_string_lossy().to_ascii_lowercase().contains("label"))
    };
    let is_array = |file: &&PathBuf| Kind::of_name(file) == Some(Kind::Npy) && !is_labels(file);
    files.iter().filter(is_array).cloned().collect()
}

/// The shards in `path`, else in its folder `data`. Parquet files count anywhere, others where no folders beside them
/// could be an image folder's classes.
fn shards_of(path: &Path) -> Result<Option<(Kind, Vec<PathBuf>)>, Error> {
    for folder in [path.to_path_buf(), path.join("data")] {
        if !folder.is_dir() {
            continue;
        }
        let files = files_in(&folder)?;
        for kind in SHARDED {
            let of_kind: Vec<_> =
                files.iter().filter(|file| Kind::of_name(file) == Some(kind)).cloned().collect();
            if !of_kind.is_empty() && (kind == Kind::Parquet || !has_other_folders(path)?) {
                return Ok(Some((kind, of_kind)));
            }
        }
    }
    Ok(None)
}

/// The visible files directly in `folder`, in natural order.
fn files_in(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let error = |source| Error::Io { path: folder.into(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(error)? {
        let path = entry.map_err(error)?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.is_file() {
            files.push(path);
        }
    }
    files.sort_by(|a, b| natural::compare(&a.to_string_lossy(), &b.to_string_lossy()));
    Ok(files)
}

/// Whether `path` has a visible folder whose name is neither a split's nor one that formats use.
fn has_other_folders(path: &Path) -> Result<bool, Error> {
    const OF_FORMATS: [&str; 2] = ["data", "raw"];
    let error = |source| Error::Io { path: path.into(), source };
    for entry in std::fs::read_dir(path).map_err(error)? {
        let entry = entry.map_err(error)?;
        let name = entry.file_name();
        let known = TRAIN.iter().chain(&EVALUATION).chain(&OF_FORMATS).any(|known| name == **known);
        if !known && !name.as_encoded_bytes().starts_with(b".") && entry.path().is_dir() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The split that a file's name says it belongs to: `train-00000-of-00002.parquet`, `cifar10-test.parquet`.
pub(crate) fn split_in_name(file: &Path) -> Option<&'static str> {
    let stem = file.file_stem()?.to_str()?.to_ascii_lowercase();
    let mut words = stem.split(|c: char| !c.is_ascii_alphanumeric());
    words.find_map(|word| TRAIN.iter().chain(&EVALUATION).copied().find(|split| *split == word))
}

//! Opening what a user points at: a folder of class folders, Parquet files, with splits or without.

use crate::{Dataset, Error, ImageFolder, Parquet, ParquetOptions, Subset, parquet, stratified_split};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const TRAIN: [&str; 2] = ["train", "training"];
/// In the order of preference.
const EVALUATION: [&str; 4] = ["val", "validation", "valid", "test"];

/// What a model learns from and what it is tested on, with the same classes.
pub struct Splits {
    /// For training.
    pub train: Arc<dyn Dataset>,
    /// For testing.
    pub test: Arc<dyn Dataset>,
    /// Where the two come from, for reports.
    pub description: String,
}

/// Opens `path` as one dataset: a `.parquet` file, a folder of them (or with them in its `data` folder), or
/// a folder with one folder of images per class.
///
/// A place that holds several splits is an error that names them, so that nobody trains on a test set by
/// mistake: ask for one, as in `DIR/train`, which also finds `DIR/train-00000-of-00002.parquet` and the like,
/// or call [`open_splits`]. A place with a single split is that split. Folders named like splits are classes only
/// beside folders with other names.
pub fn open(path: &Path) -> Result<Arc<dyn Dataset>, Error> {
    if path.is_dir() {
        let splits: Vec<_> = find_splits(path)?.all().collect();
        return match splits.as_slice() {
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
    if path.exists() {
        if parquet::is_parquet(path) {
            return Ok(Arc::new(Parquet::open(path)?));
        }
        let problem = "is neither a folder nor a .parquet file".into();
        return Err(Error::Layout { path: path.into(), problem });
    }
    // The name of a split whose shards lie side by side.
    if let (Some(parent), Some(name)) = (path.parent().filter(|parent| parent.is_dir()), path.file_name())
        && let Some(split) = find_splits(parent)?.all().find(|split| name.eq_ignore_ascii_case(&split.name))
    {
        return split.open();
    }
    Err(Error::Io { path: path.into(), source: std::io::ErrorKind::NotFound.into() })
}

/// Opens `path` as a training and a test set.
///
/// A folder with `train` and one of `val`, `validation`, `valid` and `test` (the first that is there), as
/// folders or in the names of Parquet files, has its own splits. Anything else that [`open`] takes, such as a single
/// split, is divided 80 to 20 by class with seed 0, and the description says that this is not official.
pub fn open_splits(path: &Path) -> Result<Splits, Error> {
    let mut divided = path.to_path_buf();
    if path.is_dir() {
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

fn open_folder(path: &Path) -> Result<Arc<dyn Dataset>, Error> {
    let shards = shards_of(path)?;
    if shards.is_empty() {
        Ok(Arc::new(ImageFolder::open(path)?))
    } else {
        Ok(Arc::new(Parquet::open_files(&shards, &ParquetOptions::default())?))
    }
}

/// The Parquet files in `path`, else in its folder `data`.
fn shards_of(path: &Path) -> Result<Vec<PathBuf>, Error> {
    let shards = parquet::files_in(path)?;
    let data = path.join("data");
    if shards.is_empty() && data.is_dir() { parquet::files_in(&data) } else { Ok(shards) }
}

/// One split of a dataset.
struct Split {
    name: String,
    place: Place,
}

enum Place {
    Folder(PathBuf),
    Shards(Vec<PathBuf>),
}

impl Split {
    fn open(&self) -> Result<Arc<dyn Dataset>, Error> {
        match &self.place {
            Place::Folder(folder) => open_folder(folder),
            Place::Shards(files) => Ok(Arc::new(Parquet::open_files(files, &ParquetOptions::default())?)),
        }
    }
}

#[derive(Default)]
struct FoundSplits {
    train: Option<Split>,
    /// In the order of preference.
    evaluation: Vec<Split>,
}

impl FoundSplits {
    fn all(self) -> impl Iterator<Item = Split> {
        self.train.into_iter().chain(self.evaluation)
    }
}

/// The splits that `path` has as folders, or as Parquet files each of which has a split in its name. Folders count
/// when there is one for training and one for evaluation, or when there is nothing else.
fn find_splits(path: &Path) -> Result<FoundSplits, Error> {
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
    let shards = shards_of(path)?;
    if shards.is_empty() {
        return Ok(if has_other_folders(path)? { FoundSplits::default() } else { folders });
    }
    let named: Vec<_> = shards.iter().map(|file| split_in_name(file)).collect();
    if named.contains(&None) {
        return Ok(FoundSplits::default());
    }
    let shards_named = |name: &&str| {
        let files: Vec<_> = shards
            .iter()
            .zip(&named)
            .filter(|(_, of)| **of == Some(*name))
            .map(|(file, _)| file.clone())
            .collect();
        (!files.is_empty()).then(|| Split { name: (*name).into(), place: Place::Shards(files) })
    };
    Ok(FoundSplits {
        train: TRAIN.iter().find_map(shards_named),
        evaluation: EVALUATION.iter().filter_map(shards_named).collect(),
    })
}

/// Whether `path` has a visible folder whose name is not a split's.
fn has_other_folders(path: &Path) -> Result<bool, Error> {
    let error = |source| Error::Io { path: path.into(), source };
    for entry in std::fs::read_dir(path).map_err(error)? {
        let entry = entry.map_err(error)?;
        let name = entry.file_name();
        let split = TRAIN.iter().chain(&EVALUATION).any(|split| name == **split);
        if !split && !name.as_encoded_bytes().starts_with(b".") && entry.path().is_dir() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The split that a file's name says it belongs to: `train-00000-of-00002.parquet`, `cifar10-test.parquet`.
fn split_in_name(file: &Path) -> Option<&'static str> {
    let stem = file.file_stem()?.to_str()?.to_ascii_lowercase();
    let mut words = stem.split(|c: char| !c.is_ascii_alphanumeric());
    words.find_map(|word| TRAIN.iter().chain(&EVALUATION).copied().find(|split| *split == word))
}

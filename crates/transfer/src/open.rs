//! A dataset of the protocol under a folder, in the forms in which it comes.

use crate::read::{open_aircraft, open_food101, open_sun397_official};
use crate::{Error, TransferDataset, VocSplit};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use visrep_data::{Dataset, Fingerprint, ImageFiles, Subset, open, open_splits, stratified_split};
use visrep_vtab::{open_caltech101, open_dtd, open_flowers, open_pets};

/// The share of the training images that is held out to choose by where there is no official validation split.
const VALIDATION: f64 = 0.2;

/// A dataset's splits.
pub struct TransferData {
    /// Which it is.
    pub dataset: TransferDataset,
    /// To train on.
    pub train: Arc<dyn Dataset>,
    /// To choose the classifier's strength or the fine-tuning; trained on too in the end.
    pub val: Arc<dyn Dataset>,
    /// To measure.
    pub test: Arc<dyn Dataset>,
    /// What the images show.
    pub labels: TransferLabels,
    /// Where the splits come from.
    pub description: String,
}

impl TransferData {
    /// A number that changes when the images do and their names do not, as [`Dataset::stamp`] tells it.
    pub fn stamp(&self) -> u64 {
        Fingerprint::of_stamps([&self.train, &self.val, &self.test])
    }
}

/// What images show.
pub enum TransferLabels {
    /// One class each: the datasets' own labels.
    Single,
    /// VOC's, of `train`, `val` and `test`.
    Several([Vec<[Option<bool>; 20]>; 3]),
}

/// Finds `dataset` under `root`: in the folder that its archive makes (or `transfer/NAME`), as it is published, and otherwise as
/// `train`, `test` and possibly `val` of anything that visrep-data opens. What is drawn, is with seed 0.
///
/// # Errors
/// [`Error::Missing`] where none of its folders is there; files that cannot be read.
pub fn open_transfer(root: &Path, dataset: TransferDataset) -> Result<TransferData, Error> {
    let info = dataset.info();
    let own = format!("transfer/{}", info.name);
    let looked: Vec<PathBuf> =
        [own.as_str()].iter().chain(info.folders).map(|folder| root.join(folder)).collect();
    // An archive within an archive leaves a folder beside the one that has the images.
    for folder in looked.iter().filter(|folder| folder.exists()) {
        if let Some(found) = published(folder, dataset)? {
            return Ok(found);
        }
    }
    let Some(folder) = looked.iter().find(|folder| folder.exists()) else {
        return Err(Error::Missing { dataset: info.name, looked });
    };
    let shown = folder.display();
    // A split that is there and cannot be read is an error: without it, other images would be drawn for it.
    let split = |names: &[&str]| -> Result<Option<Arc<dyn Dataset>>, Error> {
        for name in names {
            let path = folder.join(name);
            match open(&path) {
                Err(visrep_data::Error::Io { path: at, .. }) if at == path => {}
                found => return Ok(found.map(Some)?),
            }
        }
        Ok(None)
    };
    match (split(&["train"])?, split(&["val", "validation", "valid"])?, split(&["test"])?) {
        (Some(train), Some(val), Some(test)) => {
            if train.classes() != test.classes() || train.classes() != val.classes() {
                let problem = "has train, val and test with different classes";
                return Err(crate::error::layout(folder, problem).into());
            }
            single(dataset, train, Some(val), test, format!("train, val and test of {shown}"))
        }
        _ => {
            let splits = open_splits(folder)?;
            single(dataset, splits.train, None, splits.test, splits.description)
        }
    }
}

/// As the authors of the data publish it; `None` where the folder does not look so.
fn published(folder: &Path, dataset: TransferDataset) -> Result<Option<TransferData>, Error> {
    let has = |name: &str| folder.join(name).exists();
    Ok(Some(match dataset {
        TransferDataset::Food101 if has("meta/train.txt") => {
            let of = |split| open_food101(folder, split).map(shared);
            single(dataset, of("train")?, None, of("test")?, "its lists train.txt and test.txt".into())?
        }
        TransferDataset::Aircraft if has("variants.txt") || has("data/variants.txt") => {
            let of = |split| open_aircraft(folder, split).map(shared);
            single(dataset, of("train")?, Some(of("val")?), of("test")?, "its lists of variants".into())?
        }
        TransferDataset::Sun397 if has("ClassName.txt") => {
            let of = |split| open_sun397_official(folder, split).map(shared);
            let (train, test) = (of("Training")?, of("Testing")?);
            single(dataset, train, None, test, "Training_01.txt and Testing_01.txt".into())?
        }
        TransferDataset::Dtd if has("labels/train1.txt") => {
            let of = |split| open_dtd(folder, split).map(shared);
            single(
                dataset,
                of("train")?,
                Some(of("val")?),
                of("test")?,
                "the first of its ten splits".into(),
            )?
        }
        TransferDataset::Pets if has("annotations/trainval.txt") => {
            let of = |split| open_pets(folder, split).map(shared);
            single(dataset, of("trainval")?, None, of("test")?, "trainval.txt and test.txt".into())?
        }
        TransferDataset::Flowers102 if has("setid.mat") => {
            let of = |split| open_flowers(folder, split).map(shared);
            single(dataset, of("trnid")?, Some(of("valid")?), of("tstid")?, "setid.mat".into())?
        }
        TransferDataset::Caltech101 if has("101_ObjectCategories") => {
            let [train, test] = open_caltech101(folder)?;
            let note = "30 images of each class drawn for training by TFDS's rule from sorted names, the others for \
                 testing; not official";
            single(dataset, Arc::new(train), None, Arc::new(test), note.into())?
        }
        TransferDataset::Voc2007 if has("ImageSets/Main") => {
            let of = |split| VocSplit::open(folder, split);
            let (train, val, test) = (of("train")?, of("val")?, of("test")?);
            TransferData {
                dataset,
                train: train.images,
                val: val.images,
                test: test.images,
                labels: TransferLabels::Several([train.labels, val.labels, test.labels]),
                description: "its lists train, val and test; difficult examples left out".into(),
            }
        }
        _ => return Ok(None),
    }))
}

fn single(
    dataset: TransferDataset,
    train: Arc<dyn Dataset>,
    val: Option<Arc<dyn Dataset>>,
    test: Arc<dyn Dataset>,
    mut description: String,
) -> Result<TransferData, Error> {
    let (train, val) = match val {
        Some(val) => (train, val),
        None => {
            let (rest, held) = stratified_split(train.as_ref(), VALIDATION, 0);
            description += "; a fifth of each training class, drawn with seed 0, is held out to choose by";
            (pick(&train, rest), pick(&train, held))
        }
    };
    Ok(TransferData { dataset, train, val, test, labels: TransferLabels::Single, description })
}

fn shared(files: ImageFiles) -> Arc<dyn Dataset> {
    Arc::new(files)
}

fn pick(data: &Arc<dyn Dataset>, indices: Vec<usize>) -> Arc<dyn Dataset> {
    Arc::new(Subset::new(Arc::clone(data), indices))
}

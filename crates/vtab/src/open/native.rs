//! The datasets as they are published, unpacked.

use super::splits::{Origin, Whole, parts, pick};
use crate::read::{
    ClevrLabel, NorbLabel, TfRecords, kitti_splits, open_caltech101, open_clevr, open_diabetic_retinopathy,
    open_dtd, open_flowers, open_kitti, open_patch_camelyon, open_pets, open_small_norb, open_so2sat,
    open_sun397, open_svhn,
};
use crate::{Error, Task};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use visrep_data::{Dataset, ImageFolder, Map, NpyOptions, RawImages};

/// dSprites' file.
const DSPRITES: &str = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz";

/// The folder itself, or one within it, that holds `marker`.
fn with(folder: &Path, within: &[&str], marker: &str) -> Option<PathBuf> {
    let own = std::iter::once(folder.to_path_buf());
    own.chain(within.iter().map(|name| folder.join(name))).find(|folder| folder.join(marker).exists())
}

fn shared(data: impl Dataset + 'static) -> Arc<dyn Dataset> {
    Arc::new(data)
}

fn official(
    train: Arc<dyn Dataset>,
    val: Option<Arc<dyn Dataset>>,
    test: Arc<dyn Dataset>,
    note: &str,
) -> Whole {
    Whole { train, val, test, origin: Origin::Official, note: note.into() }
}

/// The task's dataset in `folder`, as it is published; `None` when it is something else.
pub(super) fn open(folder: &Path, task: Task) -> Result<Option<Whole>, Error> {
    let at = |within: &[&str], marker: &str| with(folder, within, marker);
    Ok(match task {
        Task::Caltech101 => {
            at(&["caltech-101"], "101_ObjectCategories").map(|root| caltech(&root)).transpose()?
        }
        Task::Cifar100 => match at(&["cifar-100-binary"], "train.bin") {
            None => None,
            Some(root) => {
                let open = |name: &str| RawImages::open_cifar100(&[root.join(name)]).map(shared);
                let note = "its train.bin, from which val is drawn, and test.bin";
                Some(official(open("train.bin")?, None, open("test.bin")?, note))
            }
        },
        Task::Dtd => match at(&["dtd"], "labels/train1.txt") {
            None => None,
            Some(root) => {
                let open = |split: &str| open_dtd(&root, split).map(shared);
                Some(official(
                    open("train")?,
                    Some(open("val")?),
                    open("test")?,
                    "the first of its ten splits",
                ))
            }
        },
        Task::Flowers102 => match at(&["flowers-102"], "setid.mat") {
            None => None,
            Some(root) => {
                let open = |split: &str| open_flowers(&root, split).map(shared);
                Some(official(open("trnid")?, Some(open("valid")?), open("tstid")?, "setid.mat"))
            }
        },
        Task::Pets => match at(&["oxford-iiit-pet"], "annotations/trainval.txt") {
            None => None,
            Some(root) => {
                let open = |split: &str| open_pets(&root, split).map(shared);
                Some(official(
                    open("trainval")?,
                    None,
                    open("test")?,
                    "trainval.txt, from which val is drawn, and test.txt",
                ))
            }
        },
        Task::Svhn => match at(&[], "train_32x32.mat") {
            None => None,
            Some(root) => {
                let open = |name: &str| open_svhn(root.join(name)).map(shared);
                let note = "train_32x32.mat, from which val is drawn, and test_32x32.mat";
                Some(official(open("train_32x32.mat")?, None, open("test_32x32.mat")?, note))
            }
        },
        Task::Sun397 => at(&["SUN397"], "ClassName.txt").map(|root| sun397(&root)).transpose()?,
        Task::EuroSat => at(&["EuroSAT"], "2750")
            .map(|root| root.join("2750"))
            .or_else(|| at(&[], "EuroSAT_RGB").map(|root| root.join("EuroSAT_RGB")))
            .map(|root| thirds(ImageFolder::open(root)?))
            .transpose()?,
        Task::Resisc45 => at(&[], "NWPU-RESISC45")
            .map(|root| thirds(ImageFolder::open(root.join("NWPU-RESISC45"))?))
            .transpose()?,
        Task::UcMerced => at(&["UCMerced_LandUse"], "Images")
            .map(|root| thirds(ImageFolder::open(root.join("Images"))?))
            .transpose()?,
        Task::DiabeticRetinopathy => match at(&[], "trainLabels.csv") {
            None => None,
            Some(root) => {
                let open = |split: &str| open_diabetic_retinopathy(&root, split).map(shared);
                let note = "the competition's training, public and private images, prepared as btgraham-300";
                Some(official(open("train")?, Some(open("Public")?), open("Private")?, note))
            }
        },
        Task::ClevrCount => clevr(folder, ClevrLabel::Count)?,
        Task::ClevrDistance => clevr(folder, ClevrLabel::Distance)?,
        Task::DmLab => dmlab(folder)?,
        Task::KittiDistance => at(&[], "training/label_2").map(|root| kitti(&root)).transpose()?,
        Task::DspritesLocation => dsprites(folder, 4, crate::labels::dsprites_location)?,
        Task::DspritesOrientation => dsprites(folder, 3, crate::labels::dsprites_orientation)?,
        Task::SmallNorbAzimuth => norb(folder, NorbLabel::Azimuth)?,
        Task::SmallNorbElevation => norb(folder, NorbLabel::Elevation)?,
        Task::PatchCamelyon => match at(&[], "camelyonpatch_level_2_split_train_x.h5") {
            None => None,
            Some(root) => {
                let open = |split: &str| {
                    let file =
                        |kind: &str| root.join(format!("camelyonpatch_level_2_split_{split}_{kind}.h5"));
                    open_patch_camelyon(file("x"), file("y")).map(shared)
                };
                Some(official(open("train")?, Some(open("valid")?), open("test")?, "its HDF5 files"))
            }
        },
        Task::So2Sat => match at(&[], "training.h5") {
            None => None,
            Some(root) => {
                let open = |name: &str| open_so2sat(root.join(name)).map(shared);
                let note = "its training.h5, from which val is drawn, and its validation.h5 as the test set";
                Some(official(open("training.h5")?, None, open("validation.h5")?, note))
            }
        },
        Task::BigEarthNet => None,
    })
}

/// Splits of `shares` of a dataset that has none.
fn drawn(data: Arc<dyn Dataset>, shares: [f64; 3], note: &str) -> Whole {
    let [train, val, test] = parts(&data, shares);
    Whole { train, val: Some(val), test, origin: Origin::Drawn, note: note.into() }
}

/// A folder of classes without splits.
fn thirds(data: ImageFolder) -> Result<Whole, Error> {
    Ok(drawn(shared(data), [0.6, 0.2, 0.2], "60, 20 and 20 % of its only split"))
}

fn caltech(root: &Path) -> Result<Whole, Error> {
    let [train, test] = open_caltech101(root)?.map(shared);
    let note =
        "30 images of each class for training, by TFDS's rule from sorted names, the others for testing"
            .into();
    Ok(Whole { train, val: None, test, origin: Origin::Drawn, note })
}

fn sun397(root: &Path) -> Result<Whole, Error> {
    let list = "sun397_tfds_tr.txt";
    if root.join(list).is_file() || root.parent().is_some_and(|parent| parent.join(list).is_file()) {
        let open = |split: &str| open_sun397(root, split).map(shared);
        return Ok(official(open("tr")?, Some(open("va")?), open("te")?, "TFDS's lists"));
    }
    let problem = format!(
        "{} is SUN397 without a list of its splits: put TFDS's sun397_tfds_tr.txt, sun397_tfds_va.txt and \
         sun397_tfds_te.txt beside ClassName.txt",
        root.display()
    );
    Err(Error::Split { task: Task::Sun397.name(), problem })
}

fn clevr(folder: &Path, label: ClevrLabel) -> Result<Option<Whole>, Error> {
    let Some(root) = with(folder, &["CLEVR_v1.0"], "scenes") else { return Ok(None) };
    let open = |split: &str| open_clevr(&root, split, label).map(shared);
    let note = "its train images, from which val is drawn, and its val images as the test set";
    Ok(Some(official(open("train")?, None, open("val")?, note)))
}

fn dmlab(folder: &Path) -> Result<Option<Whole>, Error> {
    let classes: Vec<String> = ["close", "far", "very far"]
        .iter()
        .flat_map(|distance| ["positive", "negative"].map(|reward| format!("{distance}, {reward} reward")))
        .collect();
    let open = |split: &str| -> Result<Option<Arc<dyn Dataset>>, Error> {
        let mut files = Vec::new();
        for folder in [folder.to_path_buf(), folder.join("dmlab")] {
            let Ok(entries) = std::fs::read_dir(&folder) else { continue };
            let named = entries.flatten().map(|entry| entry.path()).filter(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                name.starts_with(&format!("dmlab-{split}.tfrecord"))
            });
            files.extend(named);
        }
        files.sort();
        if files.is_empty() {
            return Ok(None);
        }
        Ok(Some(shared(TfRecords::open(&files, classes.clone())?)))
    };
    let Some(train) = open("train")? else { return Ok(None) };
    let missing = |split: &str| Error::Split {
        task: Task::DmLab.name(),
        problem: format!("{} has dmlab-train.tfrecord but no dmlab-{split}.tfrecord", folder.display()),
    };
    let val = open("validation")?.ok_or_else(|| missing("validation"))?;
    let test = open("test")?.ok_or_else(|| missing("test"))?;
    Ok(Some(official(train, Some(val), test, "its TFRecord files")))
}

fn kitti(root: &Path) -> Result<Whole, Error> {
    let all = shared(open_kitti(root)?);
    if !root.join("mapping").is_dir() {
        let note = "80, 10 and 10 % of the images, though those of one drive are alike: add the folder `mapping` of \
                    devkit_object.zip for VTAB's splits";
        return Ok(drawn(all, [0.8, 0.1, 0.1], note));
    }
    let splits = kitti_splits(root)?;
    let named = splits.train.len() + splits.val.len() + splits.test.len();
    if named != all.len() {
        let problem = format!("{} has {} images and a mapping of {named}", root.display(), all.len());
        return Err(Error::Split { task: Task::KittiDistance.name(), problem });
    }
    let open = |indices| pick(&all, indices);
    let note = "TFDS's splits by drive";
    Ok(official(open(splits.train), Some(open(splits.val)), open(splits.test), note))
}

fn dsprites(folder: &Path, column: usize, bin: fn(u32) -> Option<u32>) -> Result<Option<Whole>, Error> {
    let path = folder.join(DSPRITES);
    if !path.is_file() {
        return Ok(None);
    }
    let options = NpyOptions {
        images: Some("imgs".into()),
        labels: Some("latents_classes".into()),
        label_column: Some(column),
    };
    let all = RawImages::open_npz(&path, None, &options)?;
    let classes = (0..16).map(|bin| bin.to_string()).collect();
    let binned = shared(Map::labels(shared(all), classes, move |label| label.and_then(bin)));
    Ok(Some(drawn(binned, [0.8, 0.1, 0.1], "80, 10 and 10 % of its only split")))
}

fn norb(folder: &Path, label: NorbLabel) -> Result<Option<Whole>, Error> {
    let file = |split: &str, kind: &str| -> Option<PathBuf> {
        let path = folder.join(format!("smallnorb-5x{split}-{kind}.mat"));
        [path.clone(), path.with_extension("mat.gz")].into_iter().find(|path| path.is_file())
    };
    let open = |split: &str| -> Result<Option<Arc<dyn Dataset>>, Error> {
        match (file(split, "dat"), file(split, "info")) {
            (Some(images), Some(info)) => Ok(Some(shared(open_small_norb(images, info, label)?))),
            _ => Ok(None),
        }
    };
    let (Some(train), Some(test)) =
        (open("46789x9x18x6x2x96x96-training")?, open("01235x9x18x6x2x96x96-testing")?)
    else {
        return Ok(None);
    };
    let [val, test] = parts(&test, [0.5, 0.5]);
    let note = "its training images; halves of its test images for validation and testing".into();
    Ok(Some(Whole { train, val: Some(val), test, origin: Origin::Drawn, note }))
}

//! ImageNet-ReaL: the validation images with every label that people gave them (Beyer et al. 2020).

use super::figures::share;
use super::folder::{ClassFolders, VAL, class_folders, coverage, need};
use super::head::{Classes, Pass, View};
use super::published::{Measure, Published};
use super::shared::VAL_IMAGES;
use crate::Error;
use std::path::Path;
use std::sync::Arc;
use visrep_data::{Dataset, Fingerprint, Subset};
use visrep_models::Model;
use visrep_probe::{Findings, SuiteContext, SuiteInfo, TaskVerdicts};

const INFO: SuiteInfo = SuiteInfo {
    name: "imagenet-real",
    about: "ImageNet's validation images with reassessed labels (Beyer et al. 2020)",
    expects: &["imagenet/val/SYNSET/ILSVRC2012_val_*.JPEG", "imagenet-real/real.json"],
    published: "github.com/google-research/reassessed-imagenet, real.json; and image-net.org, ILSVRC2012_img_val.tar",
};

const LABELS: &[&str] = &["imagenet-real/real.json", "imagenet/real.json", "real.json"];

/// ImageNet's classes.
const CLASSES: u32 = 1000;

/// Reads `real.json`, whose content is `json` and whose place is `path`: the labels of each image, in the order of the numbers in the
/// images' names from 1 on. 3,163 of the published 50,000 lists are empty.
///
/// # Errors
/// What is no list of lists of class indices from 0 to 999, or has none.
pub fn real_labels(path: &Path, json: &[u8]) -> Result<Vec<Vec<u32>>, Error> {
    let wrong = |problem: String| Error::Layout { path: path.into(), problem };
    let labels: Vec<Vec<u32>> = serde_json::from_slice(json).map_err(|error| {
        wrong(format!("is no list of lists of class indices, such as [[], [970, 795]]: {error}"))
    })?;
    if labels.is_empty() {
        return Err(wrong(
            "is an empty list; give the labels of each image, such as [[], [970, 795]]".into(),
        ));
    }
    for (index, labels) in labels.iter().enumerate() {
        if let Some(label) = labels.iter().find(|&&label| label >= CLASSES) {
            let image = index + 1;
            let last = CLASSES - 1;
            return Err(wrong(format!(
                "gives image {image} the label {label}, which is no class from 0 to {last}"
            )));
        }
    }
    Ok(labels)
}

/// The number in the name of a validation image: `n01440764/ILSVRC2012_val_00000293.JPEG` is 293.
fn number(key: &str) -> Option<usize> {
    let name = key.rsplit('/').next()?;
    let (stem, _) = name.split_once('.')?;
    stem.strip_prefix("ILSVRC2012_val_")?.parse().ok()
}

/// The suite.
pub(super) struct ImageNetReal;

impl Published for ImageNetReal {
    type Found = Opened;

    fn info(&self) -> SuiteInfo {
        INFO
    }

    fn find(&self, root: &Path, _task: Option<&str>, context: &SuiteContext) -> Result<Opened, Error> {
        let (folder, path) = (need(&INFO, root, VAL)?, need(&INFO, root, LABELS)?);
        let json =
            std::fs::read(&path).map_err(|source| visrep_data::Error::Io { path: path.clone(), source })?;
        let lists = real_labels(&path, &json)?;
        let all = class_folders(&folder, ClassFolders::Synsets(None))?;
        let (mut indices, mut labels) = (Vec::new(), Vec::new());
        for index in 0..all.len() {
            let key = all.key(index);
            let list = number(&key).and_then(|number| lists.get(number.checked_sub(1)?));
            let Some(list) = list else {
                let problem = format!(
                    "has the image {key}, which is none of the {} that {} labels: images must keep their names, such as \
                     ILSVRC2012_val_00000001.JPEG",
                    lists.len(),
                    path.display()
                );
                return Err(Error::Layout { path: folder, problem });
            };
            if !list.is_empty() {
                indices.push(index);
                labels.push(list.clone());
            }
        }
        let left_out = all.len() - indices.len();
        if indices.is_empty() {
            let problem = format!("has no image to which {} gives a label", path.display());
            return Err(Error::Layout { path: folder, problem });
        }
        let places = context.places(indices.len());
        let labels = places.iter().map(|&place| std::mem::take(&mut labels[place])).collect();
        let indices = places.iter().map(|&place| indices[place]).collect();
        let coverage = coverage(all.len(), 50_000);
        Ok(Opened { data: Arc::new(Subset::new(all, indices)), labels, left_out, coverage })
    }
}

pub(super) struct Opened {
    /// The images that have labels.
    data: Arc<dyn Dataset>,
    labels: Vec<Vec<u32>>,
    left_out: usize,
    /// How much of the validation images there is.
    coverage: String,
}

impl Measure for Opened {
    fn sets(&self) -> Vec<&Arc<dyn Dataset>> {
        vec![&self.data]
    }

    fn beside(&self, hash: &mut Fingerprint) -> Result<(), Error> {
        for labels in &self.labels {
            hash.number(labels.len() as u64);
            labels.iter().for_each(|&label| hash.number(label.into()));
        }
        Ok(())
    }

    fn measure(&self, model: &Model, context: &SuiteContext) -> Result<Findings, Error> {
        let mut record = Classes::ImageNet1k.begin(INFO.name, model, context, &[])?;
        record.entry("labels", "any of an image's labels is right");
        record.entry(
            "images",
            format!(
                "{} with labels; {} without are left out; {} of validation",
                self.labels.len(),
                self.left_out,
                self.coverage
            ),
        );
        let (mut correct, mut keys) = (Vec::new(), Vec::new());
        let pass = Pass { model, context };
        pass.each(Arc::clone(&self.data), View::Shared(VAL_IMAGES), INFO.name, |batch, logits| {
            for prediction in Vec::<i64>::try_from(logits.f_argmax(1, false)?)? {
                let labels = &self.labels[correct.len()];
                correct.push(labels.iter().any(|&label| i64::from(label) == prediction));
            }
            keys.extend(batch.keys.iter().cloned());
            Ok(())
        })?;
        let (accuracy, interval) = share(&correct)?;
        record.figure(INFO.name, "top1", accuracy, correct.len(), Some(interval));
        record.findings.verdicts.push(TaskVerdicts::new(INFO.name, &keys, &[], correct));
        Ok(record.findings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_numbered_by_their_names() {
        assert_eq!(number("n01440764/ILSVRC2012_val_00000293.JPEG"), Some(293));
        assert_eq!(number("ILSVRC2012_val_00050000.JPEG"), Some(50_000));
        for wrong in ["n01440764/293.JPEG", "ILSVRC2012_val_.JPEG", "ILSVRC2012_val_1", ""] {
            assert_eq!(number(wrong), None, "{wrong}");
        }
    }
}

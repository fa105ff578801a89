//! ObjectNet: objects in unusual poses and places, of which 113 classes are ImageNet's too (Barbu et al. 2019).
//!
//! Which of ImageNet's classes stand for an object's is told by the files that the archive unpacks to `mappings/`.

use super::figures::share;
use super::folder::{ClassFolders, VAL, class_folders, find, need, with_labels};
use super::head::{Classes, Pass, View};
use super::labelled::CLEAN;
use super::published::{Measure, Published};
use super::shared::VAL_IMAGES;
use crate::Error;
use serde_json::{Map as JsonMap, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use tch::Tensor;
use visrep_augment::RgbImage;
use visrep_data::{Dataset, ImageFolder, Map, Sample, SampleImage, Subset, decode_sample};
use visrep_decode::DecodeOptions;
use visrep_models::Model;
use visrep_probe::{Findings, Recorder, SuiteContext, SuiteInfo, TaskVerdicts};

const INFO: SuiteInfo = SuiteInfo {
    name: "objectnet",
    about: "objects in unusual poses and places, 113 classes that are ImageNet's too (Barbu et al. 2019)",
    expects: &[
        "objectnet-1.0/images/CLASS/",
        "objectnet-1.0/mappings/ (from the same archive)",
        "imagenet/val/SYNSET/, optional: the same classes of the usual images",
    ],
    published: "objectnet.dev, objectnet-1.0.zip",
};

/// The red frame that marks every image.
const BORDER: u32 = 2;

/// The suite.
pub(super) struct ObjectNet;

impl Published for ObjectNet {
    type Found = Opened;

    fn info(&self) -> SuiteInfo {
        INFO
    }

    fn find(&self, root: &Path, _task: Option<&str>, context: &SuiteContext) -> Result<Opened, Error> {
        let folder = need(&INFO, root, &["objectnet-1.0", "objectnet"])?;
        let mapping = mapping(&need(&INFO, &folder, &["mappings"])?)?;
        let images = need(&INFO, &folder, &["images"])?;
        let all = ImageFolder::open(&images)?;
        let classes: Vec<_> =
            all.classes().iter().map(|name| mapping.get(name).cloned().unwrap_or_default()).collect();
        let shared = |label: Option<u32>| label.is_some_and(|label| !classes[label as usize].is_empty());
        let indices: Vec<_> = (0..all.len()).filter(|&index| shared(all.label(index))).collect();
        if indices.is_empty() {
            let problem = "has no folder of a class that is ImageNet's too".into();
            return Err(Error::Layout { path: images, problem });
        }
        let found = indices.len();
        let data = context.limited(Arc::new(Subset::new(Arc::new(all), indices)));
        let data = Arc::new(Map::images(data, |image, key| {
            let sample = Sample { image, label: None, key: key.into() };
            let whole = decode_sample(&sample, &DecodeOptions::default())?;
            let inner = without_border(&whole, BORDER);
            let source = |source| visrep_data::Error::Decode { key: key.into(), source };
            Ok(SampleImage::Decoded(inner.map_err(source)?))
        }));
        let union: BTreeSet<u16> = classes.iter().flatten().copied().collect();
        let usual = match find(root, VAL) {
            None => None,
            Some(path) => {
                let all = class_folders(&path, ClassFolders::Synsets(None))?;
                Some(context.limited(with_labels(all, |label| union.contains(&label))?))
            }
        };
        let usual = usual.filter(|usual| !usual.is_empty());
        Ok(Opened { data, classes, union: union.into_iter().collect(), found, usual })
    }
}

pub(super) struct Opened {
    data: Arc<dyn Dataset>,
    /// ImageNet's classes that stand for each folder, by label.
    classes: Vec<Vec<u16>>,
    /// All of these, in order.
    union: Vec<u16>,
    found: usize,
    /// ImageNet's validation images of these classes.
    usual: Option<Arc<dyn Dataset>>,
}

impl Opened {
    /// Adds the accuracy of `task` over `data`: `stand` gives the classes that are right for a label.
    fn accuracy(
        &self,
        record: &mut Recorder<'_>,
        pass: &Pass<'_>,
        task: &'static str,
        data: &Arc<dyn Dataset>,
        stand: impl Fn(i64) -> Vec<u16>,
    ) -> Result<(), Error> {
        let columns: Vec<i64> = self.union.iter().copied().map(i64::from).collect();
        let columns = Tensor::from_slice(&columns);
        let (mut correct, mut keys, mut labels) = (Vec::new(), Vec::new(), Vec::new());
        let shelf = if task == CLEAN { VAL_IMAGES } else { task };
        pass.each(Arc::clone(data), View::Shared(shelf), task, |batch, logits| {
            let predictions = Vec::<i64>::try_from(logits.f_index_select(1, &columns)?.f_argmax(1, false)?)?;
            for ((prediction, &label), key) in predictions.into_iter().zip(&batch.labels).zip(&batch.keys) {
                if label < 0 {
                    return Err(Error::NoLabel { key: key.clone() });
                }
                correct.push(stand(label).contains(&self.union[prediction as usize]));
                keys.push(key.clone());
                labels.push(label);
            }
            Ok(())
        })?;
        let (accuracy, interval) = share(&correct)?;
        record.figure(task, "top1", accuracy, correct.len(), Some(interval));
        record.findings.verdicts.push(TaskVerdicts::new(task, &keys, &labels, correct));
        Ok(())
    }
}

impl Measure for Opened {
    fn sets(&self) -> Vec<&Arc<dyn Dataset>> {
        [&self.data].into_iter().chain(&self.usual).collect()
    }

    fn measure(&self, model: &Model, context: &SuiteContext) -> Result<Findings, Error> {
        let mut record = Classes::ImageNet1k.begin(INFO.name, model, context, &[])?;
        let pass = Pass { model, context };
        record.entry("classes", format!(
            "the {} that stand for objects, cut from the 1000 before the arg max; any that stands for the object is right",
            self.union.len()
        ));
        let objects = self.classes.iter().filter(|own| !own.is_empty()).count();
        record.entry("border", format!("{BORDER} pixels cut from each side before the resize"));
        record.entry("images", format!("{} of {objects} classes that are ImageNet's too", self.found));
        let own = |label: i64| usize::try_from(label).ok().and_then(|label| self.classes.get(label).cloned());
        self.accuracy(&mut record, &pass, INFO.name, &self.data, |label| own(label).unwrap_or_default())?;
        record.protocol.remove("border");
        if let Some(usual) = &self.usual {
            record
                .entry("images", format!("{} of ImageNet's validation images of these classes", usual.len()));
            // Whatever stands for the same object as the label does.
            let alike = |label: i64| {
                let stands = |own: &&Vec<u16>| own.iter().any(|&class| i64::from(class) == label);
                self.classes.iter().filter(stands).flatten().copied().collect()
            };
            self.accuracy(&mut record, &pass, CLEAN, usual, alike)?;
        }
        Ok(record.findings)
    }
}

/// An image without `border` pixels at each side; as it is where nothing would be left.
fn without_border(image: &RgbImage, border: u32) -> Result<RgbImage, visrep_decode::Error> {
    let (width, height) = (image.width(), image.height());
    if width <= 2 * border || height <= 2 * border {
        return Ok(image.clone());
    }
    let (inner, line) = ((width - 2 * border) as usize * 3, width as usize * 3);
    let rows = image.data().chunks_exact(line).skip(border as usize).take((height - 2 * border) as usize);
    let pixels = rows.flat_map(|row| &row[border as usize * 3..][..inner]).copied().collect();
    RgbImage::new(width - 2 * border, height - 2 * border, pixels)
}

/// The indices of ImageNet's classes that stand for each folder of ObjectNet that is ImageNet's too: through the object's name, the
/// names of ImageNet's classes that stand for it, separated by `; `, and the lines of the list of these names.
fn mapping(folder: &Path) -> Result<BTreeMap<String, Vec<u16>>, Error> {
    let objects = json(&folder.join("folder_to_objectnet_label.json"))?;
    let stands = json(&folder.join("objectnet_to_imagenet_1k.json"))?;
    let lines = json(&folder.join("pytorch_to_imagenet_2012_id.json"))?;
    let list = folder.join("imagenet_to_label_2012_v2");
    let wrong = |file: &str, problem: String| Error::Layout { path: folder.join(file), problem };
    let names =
        std::fs::read_to_string(&list).map_err(|source| visrep_data::Error::Io { path: list, source })?;
    let names: Vec<&str> = names.lines().map(str::trim).collect();
    let mut index_of = BTreeMap::new();
    for (index, line) in &lines {
        let of_line = line.as_u64().and_then(|line| names.get(usize::try_from(line).ok()?));
        match (index.parse::<u16>(), of_line) {
            (Ok(index @ 0..1000), Some(&name)) => drop(index_of.insert(name, index)),
            _ => {
                let problem = format!(
                    "gives class '{index}' the line {line}, which is none of the {} of the list",
                    names.len()
                );
                return Err(wrong("pytorch_to_imagenet_2012_id.json", problem));
            }
        }
    }
    let mut found = BTreeMap::new();
    for (folder_name, object) in &objects {
        let Some(stands) = object.as_str().and_then(|object| stands.get(object)) else { continue };
        let indices = stands.as_str().unwrap_or_default().split("; ").map(|name| {
            index_of.get(name.trim()).copied().ok_or_else(|| {
                let problem = format!(
                    "names the class '{name}' for {object}, which the list of ImageNet's names lacks"
                );
                wrong("objectnet_to_imagenet_1k.json", problem)
            })
        });
        found.insert(folder_name.clone(), indices.collect::<Result<Vec<_>, _>>()?);
    }
    Ok(found)
}

fn json(path: &Path) -> Result<JsonMap<String, Value>, Error> {
    let bytes = std::fs::read(path).map_err(|source| visrep_data::Error::Io { path: path.into(), source })?;
    serde_json::from_slice(&bytes).map_err(|error| Error::Layout {
        path: path.into(),
        problem: format!("is no JSON object of ObjectNet's mappings: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_is_cut_off() {
        let image = RgbImage::from_fn(9, 7, |x, y| {
            if (2..7).contains(&x) && (2..5).contains(&y) { [x as u8, y as u8, 9] } else { [255, 0, 0] }
        });
        let inner = without_border(&image, 2).unwrap();
        assert_eq!((inner.width(), inner.height()), (5, 3));
        assert!((0..3).all(|y| (0..5).all(|x| inner.pixel(x, y) == [x as u8 + 2, y as u8 + 2, 9])));
        assert_eq!(without_border(&RgbImage::filled(4, 9, [1; 3]), 2).unwrap().width(), 4);
    }
}

//! Pascal VOC 2007's classification task: several classes for an image.

use crate::read::lines;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use visrep_data::{Dataset, Error, ImageFiles};

/// VOC's classes, in the order of its evaluation.
pub const VOC_CLASSES: [&str; 20] = [
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
];

/// One of its splits.
pub struct VocSplit {
    /// The images, without labels.
    pub images: Arc<dyn Dataset>,
    /// For each image, in [`VOC_CLASSES`]' order, whether the class is in it; `None` where only difficult examples are, which
    /// count neither way.
    pub labels: Vec<[Option<bool>; 20]>,
}

impl VocSplit {
    /// Reads `train`, `val` or `test` of `root` (with `JPEGImages` and `ImageSets/Main`): a list for each class, lines of a name and
    /// 1, -1 or 0 (difficult).
    ///
    /// # Errors
    /// A list that is not there or names other images than the first; a line that is no name and number.
    pub fn open(root: &Path, split: &str) -> Result<Self, Error> {
        let mut names: Vec<String> = Vec::new();
        let mut labels = Vec::new();
        let mut places = HashMap::new();
        for (class, name) in VOC_CLASSES.iter().enumerate() {
            let path = root.join("ImageSets/Main").join(format!("{name}_{split}.txt"));
            let all = lines(&path)?;
            let wrong = |number: usize, problem: &str| Error::Row {
                key: format!("{}:{}", path.display(), number + 1),
                problem: problem.into(),
            };
            if class > 0 && all.len() != names.len() {
                let problem =
                    format!("has {} images, and {}'s list {}", all.len(), VOC_CLASSES[0], names.len());
                return Err(crate::error::layout(&path, problem));
            }
            for (number, line) in all.iter().enumerate() {
                let mut fields = line.split_whitespace();
                let (Some(image), Some(label), None) = (fields.next(), fields.next(), fields.next()) else {
                    return Err(wrong(number, "is no name and label"));
                };
                let label = match label {
                    "1" => Some(true),
                    "-1" => Some(false),
                    "0" => None,
                    _ => return Err(wrong(number, "has another label than 1, -1 and 0")),
                };
                if class == 0 {
                    if places.insert(image.to_owned(), number).is_some() {
                        return Err(wrong(number, "names an image twice"));
                    }
                    names.push(image.to_owned());
                    labels.push([Some(false); 20]);
                }
                let row = places.get(image).and_then(|&place| labels.get_mut(place));
                let row =
                    row.ok_or_else(|| wrong(number, "names an image that the first class's list lacks"))?;
                row[class] = label;
            }
        }
        let files = names.into_iter().map(|name| (format!("{name}.jpg"), 0));
        let listed = ImageFiles::labelled(root.join("JPEGImages"), files, vec!["any".into()])?;
        Ok(Self { images: Arc::new(listed), labels })
    }
}

//! KITTI's object detection set: `training/image_2/000000.png`, `training/label_2/000000.txt`, and of the development kit
//! `mapping/train_mapping.txt` and `mapping/train_rand.txt`, which say from which drive each image is.

use crate::error::{io, layout};
use crate::labels::kitti_distance;
use std::collections::BTreeMap;
use std::path::Path;
use visrep_data::{Error, ImageFiles};
use visrep_metrics::NumpyRandom;

/// TFDS draws the drives of its splits with this seed, a tenth for testing and a tenth for validation.
const TFDS_SEED: u32 = 123;

/// Opens all labelled images of KITTI in `root`, the folder with `training`, by their numbers.
///
/// # Errors
/// No label files; an image without one; a line that is no object.
pub fn open_kitti(root: impl AsRef<Path>) -> Result<ImageFiles, Error> {
    let root = root.as_ref();
    let (images, labels) = (root.join("training/image_2"), root.join("training/label_2"));
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&images).map_err(io(&images))? {
        let name = entry.map_err(io(&images))?.file_name().to_string_lossy().into_owned();
        names.extend(name.strip_suffix(".png").map(String::from));
    }
    names.sort();
    let mut files = Vec::with_capacity(names.len());
    for name in names {
        let path = labels.join(format!("{name}.txt"));
        let text = std::fs::read_to_string(&path).map_err(io(&path))?;
        files.push((format!("{name}.png"), label(&path, &text)?));
    }
    let classes = ["up to 8 m", "up to 20 m", "beyond 20 m", "no vehicle"].map(String::from).into();
    ImageFiles::labelled(images, files, classes)
}

/// The class of an image, from its label file.
fn label(path: &Path, text: &str) -> Result<u32, Error> {
    let object = |(row, line): (usize, &'_ str)| -> Result<(String, f64), Error> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // A score may stand at the end.
        let z = if (15..=16).contains(&fields.len()) { fields[13].parse::<f64>().ok() } else { None };
        match z.filter(|z| z.is_finite()) {
            Some(z) => Ok((fields[0].to_owned(), z)),
            None => Err(Error::Row {
                key: format!("{}:{}", path.display(), row + 1),
                problem: "is no object: expected a type and 14 numbers".into(),
            }),
        }
    };
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let objects = lines.map(object).collect::<Result<Vec<_>, _>>()?;
    // A region that is not annotated has no distance; its type is none of a vehicle's.
    Ok(kitti_distance(objects.iter().map(|(kind, z)| (kind.as_str(), *z))))
}

/// The numbers of KITTI's images in each split.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KittiSplits {
    /// For training.
    pub train: Vec<usize>,
    /// For validation.
    pub val: Vec<usize>,
    /// For testing.
    pub test: Vec<usize>,
}

/// TFDS's splits of KITTI, which VTAB uses: whole drives, drawn by NumPy's generator with seed 123. `root` has the development
/// kit's folder `mapping`.
///
/// # Errors
/// Files of the mapping that are missing, or do not agree with each other.
pub fn kitti_splits(root: impl AsRef<Path>) -> Result<KittiSplits, Error> {
    let folder = root.as_ref().join("mapping");
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read_to_string(&path).map_err(io(&path))
    };
    let (mapping, order) = (read("train_mapping.txt")?, read("train_rand.txt")?);
    let lines: Vec<&str> = mapping.lines().collect();
    let mut drives = BTreeMap::<&str, Vec<usize>>::new();
    for (image, number) in order.split(',').enumerate() {
        let fail = |problem: String| Error::Row {
            key: format!("{}:entry {}", folder.join("train_rand.txt").display(), image + 1),
            problem,
        };
        let line = number.trim().parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let line = line
            .and_then(|line| lines.get(line))
            .ok_or_else(|| fail(format!("is `{}`, which is no line of train_mapping.txt", number.trim())))?;
        let drive = line
            .split(' ')
            .nth(1)
            .ok_or_else(|| fail(format!("points at `{line}`, which names no drive")))?;
        drives.entry(drive).or_default().push(image);
    }
    if drives.len() < 3 {
        return Err(layout(folder, format!("has {} drives, too few for three splits", drives.len())));
    }
    // A `BTreeMap` is in the order of the sorted names, which are drawn from.
    let mut names: Vec<&str> = drives.keys().copied().collect();
    let share = (names.len() / 10).max(1);
    let mut generator = NumpyRandom::new(TFDS_SEED);
    let mut draw = |names: &mut Vec<&str>| -> Vec<usize> {
        let mut chosen = generator.choice(names.len(), share);
        chosen.sort_unstable();
        let drawn: Vec<&str> = chosen.iter().rev().map(|at| names.remove(*at)).collect();
        let mut images: Vec<usize> = drawn.iter().flat_map(|name| drives[*name].iter().copied()).collect();
        images.sort_unstable();
        images
    };
    let test = draw(&mut names);
    let val = draw(&mut names);
    let mut train: Vec<usize> = names.iter().flat_map(|name| drives[*name].iter().copied()).collect();
    train.sort_unstable();
    Ok(KittiSplits { train, val, test })
}

//! Datasets that come with lists of their splits.

use crate::error::layout;
use std::collections::HashMap;
use std::path::Path;
use visrep_data::{Error, ImageFiles};

/// Food-101 in `root` (with `images` and `meta`): `train` or `test`, lines such as `apple_pie/1005649`. Classes are those of
/// `meta/classes.txt`.
///
/// # Errors
/// A list that is not there; a line of a class that is not known.
pub fn open_food101(root: &Path, split: &str) -> Result<ImageFiles, Error> {
    let classes = lines(&root.join("meta/classes.txt"))?;
    let list = root.join("meta").join(format!("{split}.txt"));
    let class = |line: &str| line.split_once('/').map(|(class, _)| class.to_owned());
    by_class(&list, root.join("images"), classes, class, |line| format!("{line}.jpg"))
}

/// FGVC Aircraft in `root` (its folder `data`, or what holds that): `train`, `val` or `test` by variant, lines such as
/// `1025794 707-320`. Classes are those of `variants.txt`.
///
/// # Errors
/// A list that is not there; a line of a variant that is not known.
pub fn open_aircraft(root: &Path, split: &str) -> Result<ImageFiles, Error> {
    let inner = root.join("data");
    let root = if inner.is_dir() { inner.as_path() } else { root };
    let classes = lines(&root.join("variants.txt"))?;
    let list = root.join(format!("images_variant_{split}.txt"));
    let class = |line: &str| line.split_once(' ').map(|(_, variant)| variant.trim().to_owned());
    let path = |line: &str| format!("{}.jpg", line.split(' ').next().unwrap_or_default());
    by_class(&list, root.join("images"), classes, class, path)
}

/// SUN397 in `root` (with `ClassName.txt` and the folders of its images) by the first of its official lists, `Training_01.txt` or
/// `Testing_01.txt`, which lie in `root`, beside it, or in a folder `Partitions` of either; `split` is `Training` or `Testing`.
///
/// # Errors
/// A list that is not there; a line of a class that is not known.
pub fn open_sun397_official(root: &Path, split: &str) -> Result<ImageFiles, Error> {
    let name = format!("{split}_01.txt");
    let beside = root.parent().unwrap_or(root);
    let places = [root.join("Partitions"), beside.join("Partitions"), root.into(), beside.into()];
    let list = places.iter().map(|place| place.join(&name)).find(|path| path.is_file());
    let list = list.ok_or_else(|| {
        let problem = format!("has no {name}: put Partitions.zip's files beside ClassName.txt");
        layout(root, problem)
    })?;
    // Lines such as `/a/abbey` and `/i/inn/outdoor`.
    let classes = lines(&root.join("ClassName.txt"))?;
    let class = |line: &str| line.rsplit_once('/').map(|(class, _)| class.to_owned());
    by_class(&list, root.into(), classes, class, |line| line.trim_start_matches('/').to_owned())
}

/// The lines of a list that are not empty.
pub(crate) fn lines(path: &Path) -> Result<Vec<String>, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Io { path: path.into(), source })?;
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

fn by_class(
    list: &Path,
    images: std::path::PathBuf,
    classes: Vec<String>,
    class: impl Fn(&str) -> Option<String>,
    path: impl Fn(&str) -> String,
) -> Result<ImageFiles, Error> {
    let places: HashMap<&str, u32> = classes.iter().map(String::as_str).zip(0..).collect();
    let mut files = Vec::new();
    for (number, line) in lines(list)?.iter().enumerate() {
        let label = class(line).and_then(|class| places.get(class.as_str()).copied());
        let label = label.ok_or_else(|| Error::Row {
            key: format!("{}:{}", list.display(), number + 1),
            problem: format!("`{line}` names no known class"),
        })?;
        files.push((path(line), label));
    }
    ImageFiles::labelled(images, files, classes)
}

//! Datasets that come with lists of their splits: DTD, Flowers-102, Pets, SUN397.

use super::mat::read_mat;
use crate::error::{io, layout};
use std::collections::BTreeSet;
use std::path::Path;
use visrep_data::{Error, ImageFiles};

/// The lines of a list that are not empty, with their numbers from 1.
fn lines(path: &Path) -> Result<Vec<(usize, String)>, Error> {
    let text = std::fs::read_to_string(path).map_err(io(path))?;
    let all = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim().to_owned()));
    Ok(all.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).collect())
}

fn row(path: &Path, line: usize, problem: impl Into<String>) -> Error {
    Error::Row { key: format!("{}:{line}", path.display()), problem: problem.into() }
}

/// The files of a list whose paths begin with their class, `banded/banded_0002.jpg` or `/a/abbey/sun_1.jpg`; the class is all
/// of the folders after the first `skipped`. `known` is every class, in the order of the labels.
fn by_folder(list: &Path, images: &Path, known: &[String], skipped: usize) -> Result<ImageFiles, Error> {
    let mut files = Vec::new();
    for (number, line) in lines(list)? {
        let line = line.trim_start_matches('/');
        let parts: Vec<&str> = line.split('/').collect();
        let class = parts.get(skipped..parts.len() - 1).unwrap_or_default().join("/");
        let label = known.iter().position(|known| *known == class);
        let label = label.ok_or_else(|| row(list, number, format!("names the unknown class `{class}`")))?;
        files.push((line.to_owned(), label as u32));
    }
    ImageFiles::labelled(images, files, known.to_vec())
}

/// DTD in `root` (the folder `dtd` of its archive, with `images` and `labels`): `train1.txt`, `val1.txt` or `test1.txt`.
pub fn open_dtd(root: &Path, split: &str) -> Result<ImageFiles, Error> {
    let list = |split: &str| root.join("labels").join(format!("{split}1.txt"));
    // Every class is in the training list.
    let class = |(_, line): (usize, String)| line.split('/').next().map(String::from);
    let classes: BTreeSet<String> = lines(&list("train"))?.into_iter().filter_map(class).collect();
    by_folder(&list(split), &root.join("images"), &Vec::from_iter(classes), 0)
}

/// SUN397 in `root` (the folder `SUN397` of its archive) by a list of TFDS's, `sun397_tfds_{tr,va,te}.txt`, that lies in
/// `root` or beside it. Classes are those of `ClassName.txt`.
pub(crate) fn open_sun397(root: &Path, split: &str) -> Result<ImageFiles, Error> {
    let name = format!("sun397_tfds_{split}.txt");
    let beside = root.parent().unwrap_or(root).join(&name);
    let list = if beside.is_file() { beside } else { root.join(&name) };
    let names = root.join("ClassName.txt");
    // Lines such as `/a/abbey` and `/i/inn/outdoor`.
    let class = |(number, line): (usize, String)| {
        let class = line.trim_start_matches('/').split_once('/').map(|(_, class)| class.to_owned());
        class.ok_or_else(|| row(&names, number, "is no class such as /a/abbey"))
    };
    let classes = lines(&names)?.into_iter().map(class).collect::<Result<Vec<_>, _>>()?;
    by_folder(&list, root, &classes, 1)
}

/// Pets in `root` (with `images` and `annotations`): `trainval.txt` or `test.txt`, lines of a name, a class from 1, and more.
pub fn open_pets(root: &Path, split: &str) -> Result<ImageFiles, Error> {
    let list = root.join("annotations").join(format!("{split}.txt"));
    let (mut files, mut classes) = (Vec::new(), vec![String::new(); 37]);
    for (number, line) in lines(&list)? {
        let mut fields = line.split_whitespace();
        let label = |class: &str| class.parse::<u32>().ok().filter(|class| (1..=37).contains(class));
        let (Some(name), Some(class)) = (fields.next(), fields.next().and_then(label)) else {
            return Err(row(&list, number, "is no name and class from 1 to 37"));
        };
        classes[class as usize - 1] = name.rsplit_once('_').map_or(name, |(breed, _)| breed).to_owned();
        files.push((format!("{name}.jpg"), class - 1));
    }
    ImageFiles::labelled(root.join("images"), files, classes)
}

/// Flowers-102 in `root` (with `jpg`, `imagelabels.mat` and `setid.mat`): `trnid`, `valid` or `tstid`.
pub fn open_flowers(root: &Path, split: &str) -> Result<ImageFiles, Error> {
    let numbers = |file: &str, array: &str| -> Result<Vec<f64>, Error> {
        let path = root.join(file);
        let arrays = read_mat(&path, &[array])?;
        let array = arrays.first().ok_or_else(|| layout(&path, "is empty"))?;
        array.numbers().map_err(io(path))
    };
    let labels = numbers("imagelabels.mat", "labels")?;
    let path = root.join("setid.mat");
    let of_image = |id: f64| {
        let label = (id >= 1.0 && id.fract() == 0.0).then(|| labels.get(id as usize - 1)).flatten();
        let label = label.filter(|label| (1.0..=102.0).contains(*label) && label.fract() == 0.0);
        let label =
            label.ok_or_else(|| layout(&path, format!("`{split}` names image {id}, which has no label")))?;
        Ok((format!("image_{:05}.jpg", id as u32), *label as u32 - 1))
    };
    let files = numbers("setid.mat", split)?.into_iter().map(of_image).collect::<Result<Vec<_>, Error>>()?;
    ImageFiles::labelled(root.join("jpg"), files, (1..=102).map(|class| class.to_string()).collect())
}

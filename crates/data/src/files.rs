//! Image files by their paths, in an order of the caller's.

use crate::{Dataset, Error, Fingerprint, Sample, SampleImage, folder};
use bytes::Bytes;
use std::path::{Component, Path, PathBuf};

/// Image files below a folder, with labels that the caller knows: for layouts that are no folder of classes.
///
/// A sample's key is its path relative to the folder, with `/` between its parts.
#[derive(Clone, Debug)]
pub struct ImageFiles {
    root: PathBuf,
    files: Vec<(String, Option<u32>)>,
    classes: Vec<String>,
}

impl ImageFiles {
    /// Every image file at any depth below `root`, without labels, sorted by folder and then by name. Links are followed; names that
    /// begin with a dot are passed over, as are files without an image's extension.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn below(root: impl AsRef<Path>) -> Result<Self, Error> {
        let root = root.as_ref();
        let key = |path: Box<Path>| {
            let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
            (parts.join("/"), None)
        };
        let files = folder::list_images(root, root)?.into_iter().map(key).collect();
        Ok(Self { root: root.into(), files, classes: Vec::new() })
    }

    /// The files that a list names, each a path under `root` with `/` between its parts and a label, an index into `classes`. None is
    /// read.
    ///
    /// # Errors
    /// No files; a label beyond the classes; a path that leads out of `root`.
    pub fn labelled(
        root: impl Into<PathBuf>,
        files: impl IntoIterator<Item = (String, u32)>,
        classes: Vec<String>,
    ) -> Result<Self, Error> {
        let root = root.into();
        let mut all = Vec::new();
        for (path, label) in files {
            let row = |problem: String| Error::Row { key: format!("{}/{path}", root.display()), problem };
            if label as usize >= classes.len() {
                return Err(row(format!("has label {label}, outside the {} classes", classes.len())));
            }
            let inside = Path::new(&path).components().all(|part| matches!(part, Component::Normal(_)));
            if path.is_empty() || !inside {
                return Err(row("is no path under the dataset's folder".into()));
            }
            all.push((path, Some(label)));
        }
        if all.is_empty() {
            return Err(Error::Layout { path: root, problem: "names no images".into() });
        }
        Ok(Self::new(root, all, classes))
    }

    /// `files`, each a path relative to `root` with its label, in this order. Nothing is looked at before it is read.
    pub fn new(root: impl Into<PathBuf>, files: Vec<(String, Option<u32>)>, classes: Vec<String>) -> Self {
        Self { root: root.into(), files, classes }
    }
}

impl Dataset for ImageFiles {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn get(&self, index: usize) -> Result<Sample, Error> {
        let (name, label) = self.files.get(index).ok_or(Error::Index { index, len: self.files.len() })?;
        let bytes = folder::read_image(&self.root.join(name))?;
        Ok(Sample { image: SampleImage::Encoded(Bytes::from(bytes)), label: *label, key: name.clone() })
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.files.get(index).and_then(|(_, label)| *label)
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn key(&self, index: usize) -> String {
        self.files.get(index).map_or_else(|| format!("sample {index}"), |(name, _)| name.clone())
    }

    fn stamp(&self) -> u64 {
        let mut hash = Fingerprint::new();
        hash.sizes(self.len(), |index| Some(self.root.join(&self.files[index].0)));
        hash.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_at_any_depth_in_a_known_order() {
        let root = tempfile::tempdir().unwrap();
        for name in ["b.png", "a.jpg", "x/c.PNG", "x/y/d.png", "notes.txt", ".hidden.png"] {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, name).unwrap();
        }
        let found = ImageFiles::below(root.path()).unwrap();
        let keys: Vec<_> = (0..found.len()).map(|index| found.key(index)).collect();
        assert_eq!(keys, ["a.jpg", "b.png", "x/c.PNG", "x/y/d.png"]);
        let chosen = vec![("x/c.PNG".to_owned(), Some(1)), ("missing.png".to_owned(), None)];
        let chosen = ImageFiles::new(root.path(), chosen, vec!["a".into(), "b".into()]);
        let sample = chosen.get(0).unwrap();
        assert_eq!((sample.key.as_str(), sample.label), ("x/c.PNG", Some(1)));
        assert!(chosen.get(1).err().unwrap().to_string().contains("missing.png"));
        assert!(chosen.get(2).is_err() && chosen.label(2).is_none());
        // Other contents under the same names are other data, also where a file is not there.
        let before = (found.stamp(), chosen.stamp());
        std::fs::write(root.path().join("x/c.PNG"), "longer").unwrap();
        assert!(before.0 != found.stamp() && before.1 != chosen.stamp());
        assert!(ImageFiles::below(root.path().join("none")).is_err());
    }

    #[test]
    fn lists_stay_within_their_folder_and_classes() {
        let of = |files: &[(&str, u32)]| {
            let files: Vec<_> = files.iter().map(|&(path, label)| (path.to_owned(), label)).collect();
            ImageFiles::labelled("set", files, vec!["a".into(), "b".into()])
        };
        let found = of(&[("x/1.jpg", 1), ("2.jpg", 0)]).unwrap();
        assert_eq!((found.len(), found.label(0), found.key(1).as_str()), (2, Some(1), "2.jpg"));
        let problem = |files: &[(&str, u32)]| of(files).err().unwrap().to_string();
        assert!(problem(&[("1.jpg", 2)]).contains("set/1.jpg"));
        assert!(problem(&[("../1.jpg", 0)]).contains("no path under"));
        assert!(problem(&[("", 0)]).contains("no path under"));
        assert!(problem(&[]).contains("names no images"));
    }
}

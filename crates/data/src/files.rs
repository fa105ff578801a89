//! Image files by their paths, in an order of the caller's.

use crate::{Dataset, Error, Sample, SampleImage, folder};
use bytes::Bytes;
use std::path::{Path, PathBuf};

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
        assert!(ImageFiles::below(root.path().join("none")).is_err());
    }
}

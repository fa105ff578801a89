//! Image files by name, with a label for each.

use crate::error::io;
use bytes::Bytes;
use std::io::Read;
use std::path::{Path, PathBuf};
use visrep_data::{Dataset, Error, Sample, SampleImage};

/// A larger file is refused before it is read: no image of these datasets has this size.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// Image files under one folder. Opening reads none of them; a sample's key is its path under the folder.
pub struct ImageFiles {
    root: PathBuf,
    files: Vec<(Box<str>, u32)>,
    classes: Vec<String>,
}

impl ImageFiles {
    /// The files under `root`, each a path with `/` between its parts and a label, an index into `classes`.
    ///
    /// # Errors
    /// No files; a label beyond the classes; a path that leads out of `root`.
    pub fn new(
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
            let inside =
                Path::new(&path).components().all(|part| matches!(part, std::path::Component::Normal(_)));
            if path.is_empty() || !inside {
                return Err(row("is no path under the dataset's folder".into()));
            }
            all.push((path.into_boxed_str(), label));
        }
        if all.is_empty() {
            return Err(crate::error::layout(root, "names no images"));
        }
        Ok(Self { root, files: all, classes })
    }

    fn file(&self, index: usize) -> Result<&(Box<str>, u32), Error> {
        self.files.get(index).ok_or(Error::Index { index, len: self.files.len() })
    }
}

impl Dataset for ImageFiles {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn get(&self, index: usize) -> Result<Sample, Error> {
        let (key, label) = self.file(index)?;
        let path = self.root.join(&**key);
        let file = std::fs::File::open(&path).map_err(io(&path))?;
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(io(&path))?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            let problem = format!("is larger than the {MAX_FILE_BYTES} bytes that an image may have");
            return Err(Error::Row { key: key.to_string(), problem });
        }
        Ok(Sample {
            image: SampleImage::Encoded(Bytes::from(bytes)),
            label: Some(*label),
            key: key.to_string(),
        })
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.files.get(index).map(|(_, label)| *label)
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn key(&self, index: usize) -> String {
        self.files.get(index).map_or_else(|| format!("sample {index}"), |(key, _)| key.to_string())
    }
}

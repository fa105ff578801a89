//! What has been downloaded to a folder, kept beside it: so that it is not downloaded again, and so that a file whose digest nobody
//! states is compared with what came the first time.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The file in each dataset's folder.
const NAME: &str = ".visrep-downloads.json";

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Record {
    files: Vec<RecordedFile>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordedFile {
    pub url: String,
    pub sha256: String,
    /// Whether it is there and unpacked.
    pub done: bool,
    /// Whether it is kept as it came.
    pub stays: bool,
}

impl Record {
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(NAME);
        match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            read => {
                let advice = || format!("{}: remove it to check every file again", path.display());
                serde_json::from_slice(&read.with_context(advice)?).with_context(advice)
            }
        }
    }

    pub fn file(&self, url: &str) -> Option<&RecordedFile> {
        self.files.iter().find(|file| file.url == url)
    }

    pub fn put(&mut self, file: RecordedFile) {
        match self.files.iter_mut().find(|known| known.url == file.url) {
            Some(known) => *known = file,
            None => self.files.push(file),
        }
    }

    pub fn write(&self, folder: &Path) -> Result<()> {
        let bytes = serde_json::to_vec_pretty(self)?;
        crate::commands::output::replace(&folder.join(NAME), |temporary| {
            Ok(std::fs::write(temporary, bytes)?)
        })
    }
}

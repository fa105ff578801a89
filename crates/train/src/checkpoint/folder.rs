//! The folder of a run's checkpoints: `step-000000123.safetensors`, the last few kept, and `best.safetensors`.

use super::file::{self, Header};
use crate::{Error, Recipe};
use std::path::PathBuf;
use visrep_methods::NamedTensor;

/// The checkpoints of one run.
pub(crate) struct Folder {
    path: PathBuf,
    keep: usize,
}

/// A checkpoint that is whole and belongs to the run.
pub(crate) struct Found {
    /// Its header.
    pub(crate) header: Header,
    /// Its file.
    pub(crate) path: PathBuf,
    /// Its content.
    pub(crate) bytes: Vec<u8>,
}

impl Folder {
    /// Makes the folder if need be, and removes what a killed run left half-written.
    pub(crate) fn open(path: PathBuf, keep: usize) -> Result<Self, Error> {
        std::fs::create_dir_all(&path).map_err(Error::io(&path, "make the folder"))?;
        for entry in std::fs::read_dir(&path).map_err(Error::io(&path, "list the folder"))? {
            let file = entry.map_err(Error::io(&path, "list the folder"))?.path();
            let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            // What `write_atomically` renames when it is whole.
            if name.starts_with(".visrep-") && name.ends_with(".tmp") {
                std::fs::remove_file(&file).map_err(Error::io(&file, "remove the half-written file"))?;
            }
        }
        Ok(Self { path, keep })
    }

    /// The checkpoints, newest first.
    fn list(&self) -> Result<Vec<(u64, PathBuf)>, Error> {
        let mut list = Vec::new();
        for entry in std::fs::read_dir(&self.path).map_err(Error::io(&self.path, "list the folder"))? {
            let path = entry.map_err(Error::io(&self.path, "list the folder"))?.path();
            let step = path
                .file_name()
                .and_then(|name| name.to_str())
                .and_then(|name| name.strip_prefix("step-")?.strip_suffix(".safetensors")?.parse().ok());
            if let Some(step) = step {
                list.push((step, path));
            }
        }
        list.sort_by(|a, b| b.cmp(a));
        Ok(list)
    }

    /// The newest checkpoint that is whole. Damaged ones are passed over with a call of `warn`; when there are
    /// only damaged ones, that is an error. A whole checkpoint of another run is an error too.
    pub(crate) fn newest(
        &self,
        asked: &Header,
        recipe: &Recipe,
        mut warn: impl FnMut(&str),
    ) -> Result<Option<Found>, Error> {
        let mut damaged = None;
        for (_, path) in self.list()? {
            let bytes = std::fs::read(&path).map_err(Error::io(&path, "read the checkpoint"))?;
            match file::read_header(&path, &bytes) {
                Ok(header) => {
                    let differences = header.differences(asked, recipe)?;
                    if !differences.is_empty() {
                        return Err(Error::CheckpointMismatch { path, differences });
                    }
                    return Ok(Some(Found { header, path, bytes }));
                }
                Err(error @ Error::CheckpointDamaged { .. }) => {
                    warn(&format!("{error}; trying the one before it"));
                    damaged.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        damaged.map_or(Ok(None), Err)
    }

    /// Writes a checkpoint, then removes those beyond the number to keep.
    pub(crate) fn save(&self, header: &Header, tensors: &[NamedTensor]) -> Result<(), Error> {
        let path = self.path.join(format!("step-{:09}.safetensors", header.step));
        file::write(&path, header, tensors)?;
        for (_, old) in self.list()?.into_iter().filter(|(step, _)| *step <= header.step).skip(self.keep) {
            std::fs::remove_file(&old).map_err(Error::io(&old, "remove the old checkpoint"))?;
        }
        Ok(())
    }

    /// Writes a checkpoint as the best so far, in place of the one before.
    pub(crate) fn save_best(&self, header: &Header, tensors: &[NamedTensor]) -> Result<(), Error> {
        file::write(&self.path.join("best.safetensors"), header, tensors)
    }
}

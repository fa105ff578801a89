//! Finished parts of a measurement, kept so that a run that was stopped goes on where it was.

use crate::Error;
use serde::{Serialize, de::DeserializeOwned};
use std::path::{Path, PathBuf};
use visrep_models::write_atomically;

/// Where a measurement keeps what it has finished: a JSON file for each part, in a folder that is for this measurement alone, of one
/// model on the same data with the same settings. Without a folder nothing is kept.
///
/// ```
/// use visrep_probe::{Error, Parts};
///
/// let folder = tempfile::tempdir()?;
/// let parts = Parts::in_folder(folder.path());
/// let first: f64 = parts.get("fog/3", || Ok::<_, Error>(0.25))?;
/// let again: f64 = parts.get("fog/3", || -> Result<f64, Error> { unreachable!("it is finished") })?;
/// assert_eq!((first, again, parts.finished()), (0.25, 0.25, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Parts {
    folder: Option<PathBuf>,
}

impl Parts {
    /// Keeps parts in `folder`, which is made when there is something to keep.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self { folder: Some(folder.into()) }
    }

    /// Whether anything is kept: a measurement that would rather not be cut into parts asks.
    pub fn is_kept(&self) -> bool {
        self.folder.is_some()
    }

    /// What the part of this name, unique within the measurement, came to: read where it is finished, and otherwise found by `find`
    /// and kept. A file that is damaged counts as none.
    ///
    /// # Errors
    /// Those of `find`, and a file that cannot be written.
    pub fn get<T, E>(&self, name: &str, find: impl FnOnce() -> Result<T, E>) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned,
        E: From<Error>,
    {
        let Some(folder) = &self.folder else { return find() };
        let path = folder.join(format!("{}.json", file_name(name)));
        if let Some(found) = read(&path) {
            return Ok(found);
        }
        let found = find()?;
        let io = |source| Error::Io { path: path.clone(), source };
        let bytes = serde_json::to_vec(&found).map_err(|error| io(error.into()))?;
        std::fs::create_dir_all(folder).map_err(io)?;
        write_atomically(&path, &bytes).map_err(|error| io(error.into()))?;
        Ok(found)
    }

    /// How many parts are finished.
    pub fn finished(&self) -> usize {
        let entries = self.folder.as_ref().and_then(|folder| std::fs::read_dir(folder).ok());
        let whole = |path: &Path| path.extension().is_some_and(|extension| extension == "json");
        entries.map_or(0, |entries| entries.flatten().filter(|entry| whole(&entry.path())).count())
    }

    /// Removes what is kept: the measurement is at its end.
    ///
    /// # Errors
    /// A folder that cannot be removed.
    pub fn clear(&self) -> Result<(), Error> {
        match &self.folder {
            Some(folder) if folder.exists() => {
                std::fs::remove_dir_all(folder).map_err(|source| Error::Io { path: folder.clone(), source })
            }
            _ => Ok(()),
        }
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// The name with everything that file systems might not take replaced, and different for different names.
fn file_name(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.chars().all(plain) {
        return name.to_owned();
    }
    let shown: String = name.chars().map(|c| if plain(c) { c } else { '-' }).collect();
    format!("{shown}-{:08x}", visrep_data::Fingerprint::of(name) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_once() {
        let folder = tempfile::tempdir().unwrap();
        let parts = Parts::in_folder(folder.path().join("run"));
        let mut times = 0;
        for _ in 0..2 {
            let found = parts.get("brightness/1", || {
                times += 1;
                Ok::<_, Error>((vec![0.1_f64, f64::MIN_POSITIVE], vec![true, false]))
            });
            assert_eq!(found.unwrap(), (vec![0.1, f64::MIN_POSITIVE], vec![true, false]));
        }
        assert_eq!((times, parts.finished()), (1, 1));
        // Other names are other files, even where the characters that are replaced are all that differs.
        assert_eq!(parts.get("brightness-1", || Ok::<_, Error>(2)).unwrap(), 2);
        assert_eq!(parts.get("brightness:1", || Ok::<_, Error>(3)).unwrap(), 3);
        assert_eq!(parts.finished(), 3);
        parts.clear().unwrap();
        parts.clear().unwrap();
        assert_eq!(parts.finished(), 0);
    }

    #[test]
    fn what_failed_or_is_damaged_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let parts = Parts::in_folder(folder.path());
        assert!(parts.get("a", || Err::<f64, _>(Error::Interrupted)).is_err());
        assert_eq!(parts.finished(), 0);
        assert_eq!(parts.get("a", || Ok::<_, Error>(1.5)).unwrap(), 1.5);
        std::fs::write(folder.path().join("a.json"), "[").unwrap();
        assert_eq!(parts.get("a", || Ok::<_, Error>(2.5)).unwrap(), 2.5);
        assert_eq!(parts.get("a", || Ok::<_, Error>(3.5)).unwrap(), 2.5);
        assert_eq!(Parts::default().get("a", || Ok::<_, Error>(4.5)).unwrap(), 4.5);
    }
}

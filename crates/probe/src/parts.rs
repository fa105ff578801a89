//! Finished parts of a measurement, kept so that a run that was stopped goes on where it was.

use crate::Error;
use serde::{Serialize, de::DeserializeOwned};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use visrep_models::write_atomically;

/// How much work may be lost where a run ends without warning.
const AT_RISK: Duration = Duration::from_secs(30);

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

    /// What a part is called that is of images whose files have this [`stamp`](visrep_data::Dataset::stamp): where they have other sizes
    /// by now, it is another part.
    pub fn name_of(name: &str, stamp: u64) -> String {
        format!("{name} {stamp:016x}")
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
        if let Some(found) = self.read(name) {
            return Ok(found);
        }
        let found = find()?;
        self.write(name, &found)?;
        Ok(found)
    }

    /// A part of this name that is a row of `items` found one after the other, such as one for each image of a set: what a stopped run
    /// has left of it is there, and work goes on behind that.
    pub fn row<T: Serialize + DeserializeOwned>(&self, name: &str, items: usize) -> KeptRow<T> {
        let mut found: Vec<T> = Vec::new();
        while found.len() < items {
            match self.read::<Vec<T>>(&stretch(name, found.len())) {
                Some(more) if !more.is_empty() && found.len() + more.len() <= items => found.extend(more),
                _ => break,
            }
        }
        let (parts, name, kept) = (self.clone(), name.to_owned(), found.len());
        KeptRow { parts, name, kept, found, written: Instant::now() }
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join(format!("{}.json", file_name(name))))
    }

    /// `None` where the part is not there or damaged.
    fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_slice(&std::fs::read(self.path(name)?).ok()?).ok()
    }

    fn write<T: Serialize + ?Sized>(&self, name: &str, found: &T) -> Result<(), Error> {
        let (Some(folder), Some(path)) = (&self.folder, self.path(name)) else { return Ok(()) };
        let io = |source| Error::Io { path: path.clone(), source };
        let bytes = serde_json::to_vec(found).map_err(|error| io(error.into()))?;
        std::fs::create_dir_all(folder).map_err(io)?;
        write_atomically(&path, &bytes).map_err(|error| io(error.into()))
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

/// A part of a measurement that is a row of items, of [`Parts::row`]. What was found is kept every half a minute, in files that each
/// hold a stretch of the row, and at the end, whether that is [`Self::finish`] or an error on the way: a measurement that is asked to stop
/// loses nothing.
///
/// ```
/// use visrep_probe::Parts;
///
/// let folder = tempfile::tempdir()?;
/// let parts = Parts::in_folder(folder.path());
/// let mut row = parts.row::<f64>("fog/3", 3);
/// row.push([0.5, 0.25])?;
/// drop(row);
/// let mut row = parts.row::<f64>("fog/3", 3);
/// assert_eq!(row.len(), 2);
/// row.push([1.0])?;
/// assert_eq!(row.finish()?, [0.5, 0.25, 1.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct KeptRow<T: Serialize> {
    parts: Parts,
    name: String,
    found: Vec<T>,
    /// So many of these are in files.
    kept: usize,
    written: Instant,
}

impl<T: Serialize> KeptRow<T> {
    /// How many items there are, from the first on without a gap.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Adds items found together; a run that goes on begins behind items of one such call.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn push(&mut self, items: impl IntoIterator<Item = T>) -> Result<(), Error> {
        self.found.extend(items);
        if self.written.elapsed() >= AT_RISK { self.write() } else { Ok(()) }
    }

    /// Every item, in order, once the last is there.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn finish(mut self) -> Result<Vec<T>, Error> {
        self.write()?;
        Ok(std::mem::take(&mut self.found))
    }

    fn write(&mut self) -> Result<(), Error> {
        if self.kept < self.found.len() {
            self.parts.write(&stretch(&self.name, self.kept), &self.found[self.kept..])?;
        }
        (self.kept, self.written) = (self.found.len(), Instant::now());
        Ok(())
    }
}

impl<T: Serialize> Drop for KeptRow<T> {
    fn drop(&mut self) {
        // An error is on its way already: what cannot be kept beside it is found again.
        let _ = self.write();
    }
}

/// The name of the file of a row's items from this one on.
fn stretch(name: &str, from: usize) -> String {
    format!("{name} from {from}")
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
    fn a_row_goes_on_behind_its_last_stretch() {
        let folder = tempfile::tempdir().unwrap();
        let parts = Parts::in_folder(folder.path());
        for (from, item) in [(0, 0.1_f64), (2, 0.2), (4, 0.3)] {
            let mut row = parts.row::<f64>("fog/3", 6);
            assert_eq!((row.len(), row.is_empty()), (from, from == 0));
            row.push([item, item]).unwrap();
        }
        assert_eq!(parts.finished(), 3);
        assert_eq!(parts.row::<f64>("fog/3", 6).finish().unwrap(), [0.1, 0.1, 0.2, 0.2, 0.3, 0.3]);
        assert_eq!((parts.finished(), parts.row::<f64>("fog/4", 6).len()), (3, 0));
        // More than there can be is of something else; what stands behind damage cannot be told to follow.
        assert_eq!(parts.row::<f64>("fog/3", 3).len(), 2);
        std::fs::write(folder.path().join(format!("{}.json", file_name(&stretch("fog/3", 2)))), "[").unwrap();
        let mut row = parts.row::<f64>("fog/3", 6);
        assert_eq!(row.len(), 2);
        row.push([0.4, 0.5, 0.6]).unwrap();
        assert_eq!(row.finish().unwrap().len(), 5);
        assert_eq!(parts.row::<f64>("fog/3", 6).finish().unwrap(), [0.1, 0.1, 0.4, 0.5, 0.6]);
        // Without a folder nothing stays.
        let mut row = Parts::default().row::<f64>("fog/3", 1);
        row.push([0.5]).unwrap();
        assert_eq!((row.finish().unwrap(), Parts::default().row::<f64>("fog/3", 1).len()), (vec![0.5], 0));
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

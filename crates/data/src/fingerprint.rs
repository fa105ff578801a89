//! What tells one set of samples from another, in one number.

use crate::source::Stamp;
use crate::{Dataset, Error, parallel};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// A hash (FNV-1a) that is the same in every process and every version of this crate: of samples, and of what else a result depends on.
///
/// ```
/// use visrep_data::Fingerprint;
///
/// let mut hash = Fingerprint::new();
/// hash.text("koala");
/// hash.number(3);
/// assert_ne!(hash.finish(), Fingerprint::new().finish());
/// ```
#[derive(Clone, Debug)]
pub struct Fingerprint(u64);

impl Default for Fingerprint {
    fn default() -> Self {
        Self::new()
    }
}

impl Fingerprint {
    /// Of nothing.
    pub fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0 =
            bytes.iter().fold(self.0, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    }

    /// Adds a number.
    pub fn number(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }

    /// Adds a text, which is kept apart from what follows.
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
        // No byte of UTF-8.
        self.bytes(&[0xff]);
    }

    pub(crate) fn labels(&mut self, labels: impl IntoIterator<Item = Option<u32>>) {
        labels.into_iter().for_each(|label| self.number(label.map_or(u64::MAX, u64::from)));
    }

    /// Adds the sizes of `count` files, by which other contents under the same names are told. The times of their last change are left
    /// out: a copy of a set is the same set. A file that is not there has a size too, since it may never be read.
    pub fn sizes(&mut self, count: usize, path: impl Fn(usize) -> Option<PathBuf> + Sync) {
        const SHARE: usize = 1024;
        let shares = (0..count.div_ceil(SHARE)).map(|share| share * SHARE..((share + 1) * SHARE).min(count));
        let size =
            |index| path(index).and_then(|path| path.metadata().ok()).map_or(u64::MAX, |found| found.len());
        let found =
            parallel::map(shares.collect(), |share: Range<usize>| share.map(size).collect::<Vec<_>>());
        found.into_iter().flatten().for_each(|size| self.number(size));
    }

    /// Adds a file: its name, without its folders, its size and the time of its last change.
    ///
    /// # Errors
    /// A file that is not there or cannot be looked at.
    pub fn file(&mut self, path: &Path) -> Result<(), Error> {
        let io = |source| Error::Io { path: path.to_owned(), source };
        let metadata = path.metadata().map_err(io)?;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        self.stamped(&name, Some((metadata.len(), metadata.modified().ok())));
        Ok(())
    }

    fn stamped(&mut self, name: &str, stamp: Option<Stamp>) {
        self.text(name);
        if let Some((len, changed)) = stamp {
            self.number(len);
            let since = changed.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
            self.number(since.as_secs());
            self.number(since.subsec_nanos().into());
        }
    }

    /// The number.
    pub fn finish(self) -> u64 {
        self.0
    }

    /// Of a dataset in `files`, by their names, sizes and the times of their last change, with its labels and classes.
    pub(crate) fn of_files<'a>(
        files: impl IntoIterator<Item = (&'a str, Option<Stamp>)>,
        labels: impl IntoIterator<Item = Option<u32>>,
        classes: &[String],
    ) -> u64 {
        let mut hash = Self::new();
        files.into_iter().for_each(|(name, stamp)| hash.stamped(name, stamp));
        hash.labels(labels);
        classes.iter().for_each(|class| hash.text(class));
        hash.finish()
    }

    /// Of several datasets, by their [`stamp`](Dataset::stamp)s.
    pub fn of_stamps<'a>(sets: impl IntoIterator<Item = &'a Arc<dyn Dataset>>) -> u64 {
        let mut hash = Self::new();
        sets.into_iter().for_each(|data| hash.number(data.stamp()));
        hash.finish()
    }

    /// The hash of a text alone.
    pub fn of(text: &str) -> u64 {
        let mut hash = Self::new();
        hash.bytes(text.as_bytes());
        hash.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv() {
        // The published test vectors.
        assert_eq!(Fingerprint::of(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(Fingerprint::of("foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn a_file_that_changes_changes_the_hash() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.pth");
        let of = || {
            let mut hash = Fingerprint::new();
            hash.file(&path).map(|()| hash.finish())
        };
        assert!(of().unwrap_err().to_string().contains("weights.pth"));
        std::fs::write(&path, b"one").unwrap();
        let one = of().unwrap();
        assert_eq!(of().unwrap(), one);
        std::fs::write(&path, b"another").unwrap();
        assert_ne!(of().unwrap(), one);
    }

    #[test]
    fn texts_do_not_run_together() {
        let of = |texts: &[&str]| {
            let mut hash = Fingerprint::new();
            texts.iter().for_each(|text| hash.text(text));
            hash.finish()
        };
        assert_ne!(of(&["a", "bc"]), of(&["ab", "c"]));
        assert_eq!(of(&["a", "bc"]), of(&["a", "bc"]));
    }
}

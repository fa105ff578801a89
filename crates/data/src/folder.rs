//! A folder with one sub-folder of images per class.

use crate::{Dataset, Error, Fingerprint, Sample, SampleImage};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// The file name extensions, in any case, by which an image is known.
const EXTENSIONS: [&str; 8] = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff"];

/// A larger file is refused before it is read: no image file of this size is meant for a dataset.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// Images at `root/class/…/name.ext`, as torchvision's `ImageFolder` reads them.
///
/// Classes are the folders directly under the root, in code-point order. A class's files are found at any
/// depth, sorted by folder and then by name; links are followed. Names that begin with a dot are passed over,
/// and so are files without an image's extension (that of every format that is decoded here: torchvision also
/// takes `.ppm` and `.pgm`, and does not take `.gif`). A class without images is an error, as in torchvision.
///
/// Names are kept, one behind the other: about 30 bytes a sample for those of ImageNet.
pub struct ImageFolder {
    root: PathBuf,
    classes: Vec<String>,
    files: Names,
}

impl ImageFolder {
    /// Lists the images under `root`. Reads names only, no file's content.
    pub fn open(root: impl AsRef<Path>) -> Result<Self, Error> {
        let root = root.as_ref();
        let mut folders = Vec::new();
        let mut loose_image = None;
        for entry in std::fs::read_dir(root).map_err(|source| Error::Io { path: root.into(), source })? {
            let entry = entry.map_err(|source| Error::Io { path: root.into(), source })?;
            let (path, name) = (entry.path(), entry.file_name());
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            // Through links, as `DirEntry::file_type` would not.
            let metadata =
                std::fs::metadata(&path).map_err(|source| Error::Io { path: path.clone(), source })?;
            if metadata.is_dir() {
                folders.push(name);
            } else if has_image_extension(&path) {
                loose_image = Some(path);
            }
        }
        let layout = |problem: String| Error::Layout { path: root.into(), problem };
        if folders.is_empty() {
            return Err(layout(match loose_image {
                Some(image) => format!(
                    "has images ({} for one) but no class folders: put each class's images in a folder of its own",
                    image.file_name().unwrap_or_default().to_string_lossy()
                ),
                None => "has no folders: expected one folder of images per class".into(),
            }));
        }
        folders.sort();

        let mut files = Names::default();
        let mut empty = Vec::new();
        for (label, folder) in (0..).zip(&folders) {
            let found = list_images(root, &root.join(folder))?;
            if found.is_empty() {
                empty.push(folder.to_string_lossy());
            }
            found.iter().for_each(|file| files.push(file, label));
        }
        files.shrink_to_fit();
        if !empty.is_empty() {
            let (some, more) = (&empty[..empty.len().min(5)], empty.len().saturating_sub(5));
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            return Err(layout(format!(
                "no images ({}) in class folder {}{more}: add some or remove the folder",
                EXTENSIONS.join(", "),
                some.join(", "),
            )));
        }
        let classes = folders.iter().map(|folder| folder.to_string_lossy().into_owned()).collect();
        Ok(Self { root: root.into(), classes, files })
    }
}

/// The images under `folder`, relative to `root`, sorted by the path of their folder and then by name.
pub(crate) fn list_images(root: &Path, folder: &Path) -> Result<Vec<Box<Path>>, Error> {
    list_files(root, folder, has_image_extension)
}

/// The files under `folder` that are `wanted`, relative to `root`, sorted by the path of their folder and then by name.
pub(crate) fn list_files(
    root: &Path,
    folder: &Path,
    wanted: impl Fn(&Path) -> bool,
) -> Result<Vec<Box<Path>>, Error> {
    let mut files = Vec::<Box<Path>>::new();
    let visible = |entry: &walkdir::DirEntry| !entry.file_name().as_encoded_bytes().starts_with(b".");
    for entry in WalkDir::new(folder).min_depth(1).follow_links(true).into_iter().filter_entry(visible) {
        let entry = entry.map_err(|error| Error::Io {
            path: error.path().unwrap_or(folder).into(),
            source: error.into(),
        })?;
        if entry.file_type().is_file() && wanted(entry.path()) {
            files.push(entry.path().strip_prefix(root).unwrap_or(entry.path()).into());
        }
    }
    // By bytes, not by component: `a-b/` sorts before `a/b/`, as strings do.
    files.sort_by_cached_key(|path| {
        let bytes = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().as_encoded_bytes().to_vec();
        (bytes(path.parent().map(Path::as_os_str)), bytes(path.file_name()))
    });
    Ok(files)
}

/// The content of an image file.
pub(crate) fn read_image(path: &Path) -> Result<Vec<u8>, Error> {
    let read = || {
        // Before it is opened, which for a pipe would wait for a writer.
        let metadata = std::fs::metadata(path)?;
        let refuse = |kind, problem| Err(std::io::Error::new(kind, problem));
        if !metadata.is_file() {
            return refuse(ErrorKind::InvalidInput, "is no regular file".to_owned());
        }
        let too_large = |size| {
            let problem = format!("{size} bytes is too large for an image file (limit {MAX_FILE_BYTES})");
            refuse(ErrorKind::FileTooLarge, problem)
        };
        if metadata.len() > MAX_FILE_BYTES {
            return too_large(metadata.len());
        }
        let mut bytes = Vec::with_capacity(metadata.len() as usize + 1);
        // A file may have more than it says, as those of some virtual file systems do.
        let size = File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)? as u64;
        if size > MAX_FILE_BYTES { too_large(size) } else { Ok(bytes) }
    };
    read().map_err(|source| Error::Io { path: path.into(), source })
}

/// Whether a name ends as an image's does.
pub(crate) fn has_image_extension(path: &Path) -> bool {
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(extension)))
}

impl ImageFolder {
    fn path(&self, index: usize) -> Option<PathBuf> {
        let (folder, name) = self.files.get(index)?;
        Some(self.root.join(&folder.path).join(name))
    }
}

impl Dataset for ImageFolder {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn get(&self, index: usize) -> Result<Sample, Error> {
        let path = self.path(index).ok_or(Error::Index { index, len: self.files.len() })?;
        let bytes = read_image(&path)?;
        Ok(Sample {
            image: SampleImage::Encoded(Bytes::from(bytes)),
            label: self.label(index),
            key: self.key(index),
        })
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.files.get(index).map(|(folder, _)| folder.label)
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The path relative to the root, with `/` between its parts.
    fn key(&self, index: usize) -> String {
        let Some((folder, name)) = self.files.get(index) else { return format!("sample {index}") };
        let parts: Vec<_> =
            folder.path.iter().chain(std::iter::once(name)).map(|part| part.to_string_lossy()).collect();
        parts.join("/")
    }

    fn stamp(&self) -> u64 {
        let mut hash = Fingerprint::new();
        hash.sizes(self.len(), |index| self.path(index));
        hash.finish()
    }
}

/// The names of many files, of which those in one folder follow each other.
#[derive(Default)]
struct Names {
    folders: Vec<Folder>,
    /// One behind the other.
    names: String,
    /// Where each ends.
    ends: Vec<usize>,
    /// Names that are not Unicode, which `names` has nothing of.
    others: BTreeMap<usize, OsString>,
}

struct Folder {
    /// Relative to the root.
    path: Box<Path>,
    label: u32,
    /// Its first file.
    first: usize,
}

impl Names {
    fn len(&self) -> usize {
        self.ends.len()
    }

    fn push(&mut self, file: &Path, label: u32) {
        let (path, name) = (file.parent().unwrap_or(Path::new("")), file.file_name().unwrap_or_default());
        // By bytes: paths are equal also where one has a `.` in it.
        if self.folders.last().is_none_or(|last| last.path.as_os_str() != path.as_os_str()) {
            self.folders.push(Folder { path: path.into(), label, first: self.len() });
        }
        match name.to_str() {
            Some(name) => self.names.push_str(name),
            None => drop(self.others.insert(self.len(), name.to_owned())),
        }
        self.ends.push(self.names.len());
    }

    fn get(&self, index: usize) -> Option<(&Folder, &OsStr)> {
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        let folder = &self.folders[self.folders.partition_point(|folder| folder.first <= index) - 1];
        let name = self.others.get(&index).map_or(OsStr::new(&self.names[start..end]), OsString::as_os_str);
        Some((folder, name))
    }

    fn shrink_to_fit(&mut self) {
        self.folders.shrink_to_fit();
        self.names.shrink_to_fit();
        self.ends.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_and_take_little() {
        let mut names = Names::default();
        let path = |index: usize| {
            let class = index / 1300;
            PathBuf::from(format!("n{:08}/n{:08}_{}.JPEG", class * 7919, class * 7919, index * 37 % 90_000))
        };
        for index in 0..130_000 {
            names.push(&path(index), (index / 1300) as u32);
        }
        names.shrink_to_fit();
        for index in [0, 1, 1299, 1300, 77_777, 129_999] {
            let (folder, name) = names.get(index).unwrap();
            assert_eq!((folder.path.join(name), folder.label as usize), (path(index), index / 1300));
        }
        assert!(names.get(130_000).is_none());
        let bytes = names.names.capacity()
            + names.ends.capacity() * size_of::<usize>()
            + names.folders.capacity() * (size_of::<Folder>() + 32);
        assert!(bytes < 130_000 * 32, "{} bytes a name", bytes / 130_000);
    }

    #[test]
    fn other_contents_under_the_same_names_are_other_data() {
        let root = tempfile::tempdir().unwrap();
        for class in ["a", "b"] {
            std::fs::create_dir(root.path().join(class)).unwrap();
            std::fs::write(root.path().join(class).join("0.png"), class).unwrap();
        }
        let data = ImageFolder::open(root.path()).unwrap();
        let before = (data.fingerprint().unwrap(), data.stamp());
        assert_eq!(before.1, ImageFolder::open(root.path()).unwrap().stamp());
        std::fs::write(root.path().join("b/0.png"), "longer").unwrap();
        assert_eq!(before.0, data.fingerprint().unwrap(), "that is of names and labels");
        assert_ne!(before.1, data.stamp());
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_no_text_are_kept_as_they_are() {
        use std::os::unix::ffi::OsStrExt;
        let mut names = Names::default();
        let files =
            [&b"a/1.png"[..], b"a/\xff.png", b"b/2.png"].map(|bytes| Path::new(OsStr::from_bytes(bytes)));
        files.iter().for_each(|file| names.push(file, 0));
        let back = (0..3).map(|index| names.get(index).map(|(folder, name)| folder.path.join(name)).unwrap());
        assert!(back.eq(files.iter().map(PathBuf::from)));
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_regular_file_is_not_read() {
        let error = read_image(Path::new("/dev/zero")).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("/dev/zero: is no regular file"));
    }
}

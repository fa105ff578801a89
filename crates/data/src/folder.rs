//! A folder with one sub-folder of images per class.

use crate::{Dataset, Error, Sample, SampleImage};
use bytes::Bytes;
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
pub struct ImageFolder {
    root: PathBuf,
    classes: Vec<String>,
    /// Path relative to the root, and label.
    files: Vec<(Box<Path>, u32)>,
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

        let mut files = Vec::new();
        let mut empty = Vec::new();
        for (label, folder) in (0..).zip(&folders) {
            let found = list_images(root, &root.join(folder))?;
            if found.is_empty() {
                empty.push(folder.to_string_lossy());
            }
            files.extend(found.into_iter().map(|file| (file, label)));
        }
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
fn list_images(root: &Path, folder: &Path) -> Result<Vec<Box<Path>>, Error> {
    let mut files = Vec::<Box<Path>>::new();
    let visible = |entry: &walkdir::DirEntry| !entry.file_name().as_encoded_bytes().starts_with(b".");
    for entry in WalkDir::new(folder).min_depth(1).follow_links(true).into_iter().filter_entry(visible) {
        let entry = entry.map_err(|error| Error::Io {
            path: error.path().unwrap_or(folder).into(),
            source: error.into(),
        })?;
        if entry.file_type().is_file() && has_image_extension(entry.path()) {
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
        let size = std::fs::metadata(path)?.len();
        if size > MAX_FILE_BYTES {
            let problem = format!("{size} bytes is too large for an image file (limit {MAX_FILE_BYTES})");
            return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, problem));
        }
        std::fs::read(path)
    };
    read().map_err(|source| Error::Io { path: path.into(), source })
}

/// Whether a name ends as an image's does.
pub(crate) fn has_image_extension(path: &Path) -> bool {
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(extension)))
}

impl Dataset for ImageFolder {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn get(&self, index: usize) -> Result<Sample, Error> {
        let (file, label) = self.files.get(index).ok_or(Error::Index { index, len: self.files.len() })?;
        let path = self.root.join(file);
        let bytes = read_image(&path)?;
        Ok(Sample {
            image: SampleImage::Encoded(Bytes::from(bytes)),
            label: Some(*label),
            key: self.key(index),
        })
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.files.get(index).map(|(_, label)| *label)
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The path relative to the root, with `/` between its parts.
    fn key(&self, index: usize) -> String {
        let Some((file, _)) = self.files.get(index) else { return format!("sample {index}") };
        let parts: Vec<_> = file.iter().map(|part| part.to_string_lossy()).collect();
        parts.join("/")
    }
}

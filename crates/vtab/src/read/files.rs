//! Image files that a list names, each with a label.

use std::path::{Component, Path, PathBuf};
use visrep_data::{Error, ImageFiles};

/// The files under `root`, each a path with `/` between its parts and a label, an index into `classes`. None is read.
///
/// # Errors
/// No files; a label beyond the classes; a path that leads out of `root`.
pub(super) fn labelled_files(
    root: impl Into<PathBuf>,
    files: impl IntoIterator<Item = (String, u32)>,
    classes: Vec<String>,
) -> Result<ImageFiles, Error> {
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
        return Err(crate::error::layout(root, "names no images"));
    }
    Ok(ImageFiles::new(root, all, classes))
}

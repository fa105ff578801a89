//! Where a suite's files lie, and folders of classes in the ways in which published sets name them.

use crate::Error;
use crate::classes::{ClassSubset, synset_index, synset_name};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use visrep_data::{Dataset, ImageFolder, Map};
use visrep_probe::SuiteInfo;

/// Where ImageNet's validation images may lie.
pub(super) const VAL: &[&str] = &["imagenet/val", "val"];

/// The published form of ImageNet's validation images.
pub(super) const VAL_PUBLISHED: &str =
    "image-net.org, ILSVRC2012_img_val.tar, sorted into a folder for each synset";

/// What the names of class folders say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClassFolders {
    /// Synsets, such as `n01440764`, of all classes or of a subset.
    Synsets(Option<ClassSubset>),
    /// The class's index as a number: ImageNet-V2's `0` to `999`, which as strings would be in another order.
    Numbers,
}

/// The first of `names` that is below `root`.
pub(super) fn find(root: &Path, names: &[&str]) -> Option<PathBuf> {
    names.iter().map(|name| root.join(name)).find(|path| path.exists())
}

/// [`find`], or the error that says what is missing.
pub(super) fn need(info: &SuiteInfo, root: &Path, names: &[&str]) -> Result<PathBuf, Error> {
    find(root, names).ok_or_else(|| missing(info, root, names))
}

/// The error for data of which nothing is there.
pub(super) fn missing(info: &SuiteInfo, root: &Path, names: &[&str]) -> Error {
    let paths = names.iter().map(|name| root.join(name)).collect();
    visrep_probe::Error::MissingData { suite: info.name, paths, published: info.published }.into()
}

/// The images below `path`, a folder for each class, labelled by the index of the 1000.
pub(super) fn class_folders(path: &Path, folders: ClassFolders) -> Result<Arc<dyn Dataset>, Error> {
    let base = ImageFolder::open(path)?;
    let wrong = |problem: String| Error::Layout { path: path.into(), problem };
    let label = |name: &String| match folders {
        ClassFolders::Synsets(subset) => {
            let index = synset_index(name).ok_or_else(|| {
                wrong(format!("has the folder '{name}', which is no synset of ImageNet-1k's 1000 classes"))
            })?;
            match subset {
                Some(subset) if subset.label_of(index).is_none() => Err(wrong(format!(
                    "has the folder '{name}', which is none of the 200 classes of ImageNet-{subset:?}: is it another set?"
                ))),
                _ => Ok(u32::from(index)),
            }
        }
        ClassFolders::Numbers => match name.parse() {
            Ok(index @ 0..1000) => Ok(index),
            _ => Err(wrong(format!(
                "has the folder '{name}', which is no class index from 0 to 999, as ImageNet-V2 names its folders"
            ))),
        },
    };
    let labels = base.classes().iter().map(label).collect::<Result<Vec<_>, _>>()?;
    let names = (0..1000).filter_map(synset_name).collect();
    let map = move |label: Option<u32>| label.and_then(|label| labels.get(label as usize).copied());
    Ok(Arc::new(Map::labels(Arc::new(base), names, map)))
}

/// Those images of a labelled set whose label `keep` accepts.
pub(super) fn with_labels(
    data: Arc<dyn Dataset>,
    keep: impl Fn(u16) -> bool,
) -> Result<Arc<dyn Dataset>, Error> {
    let labels = data.labels()?;
    let kept = |label: &Option<u32>| label.and_then(|label| u16::try_from(label).ok()).is_some_and(&keep);
    let indices =
        labels.iter().enumerate().filter(|(_, label)| kept(label)).map(|(index, _)| index).collect();
    Ok(Arc::new(visrep_data::Subset::new(data, indices)))
}

/// How many images there are of those published, for the protocol.
pub(super) fn coverage(found: usize, published: usize) -> String {
    if found == published {
        format!("all {published}")
    } else {
        format!("{found} of the {published} published")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(classes: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for class in classes {
            std::fs::create_dir(root.path().join(class)).unwrap();
            std::fs::write(root.path().join(class).join("a.JPEG"), [0]).unwrap();
        }
        root
    }

    #[test]
    fn numbers_are_no_strings() {
        let root = folder(&["0", "1", "2", "10", "999", "100"]);
        let data = class_folders(root.path(), ClassFolders::Numbers).unwrap();
        let mut found: Vec<_> = (0..6).map(|i| (data.key(i), data.label(i).unwrap())).collect();
        found.sort_by_key(|(_, label)| *label);
        let expected = [0, 1, 2, 10, 100, 999].map(|label| (format!("{label}/a.JPEG"), label));
        assert_eq!(found, expected);
        let wrong = folder(&["0", "1000"]);
        let error = class_folders(wrong.path(), ClassFolders::Numbers).err().unwrap().to_string();
        assert!(error.contains("'1000'"), "{error}");
    }

    #[test]
    fn synsets_are_known_and_belong() {
        let root = folder(&["n01440764", "n01498041", "n15075141"]);
        let data = class_folders(root.path(), ClassFolders::Synsets(None)).unwrap();
        assert_eq!((0..3).map(|i| data.label(i).unwrap()).collect::<Vec<_>>(), [0, 6, 999]);
        assert_eq!(data.classes().len(), 1000);
        let of = |subset| {
            class_folders(root.path(), ClassFolders::Synsets(Some(subset))).err().unwrap().to_string()
        };
        assert!(of(ClassSubset::A).contains("'n01440764', which is none of the 200 classes of ImageNet-A"));
        let wrong = folder(&["cat"]);
        let error = class_folders(wrong.path(), ClassFolders::Synsets(None)).err().unwrap().to_string();
        assert!(error.contains("'cat', which is no synset"), "{error}");
    }
}

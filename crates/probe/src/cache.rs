//! Features on disk: one safetensors file for each (weights, data, preprocessing, pooling, kind of device).

use crate::identity::{bytes, field, hex};
use crate::{Error, FeatureSet};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use tch::Tensor;
use visrep_models::write_atomically;

/// The file's metadata entry with the checksum of its contents.
const CHECKSUM: &str = "visrep.sha256";

/// The file in `folder` for features that depend on `parts`.
pub(crate) fn path(folder: &Path, parts: &[&str]) -> PathBuf {
    let mut hash = Sha256::new();
    field(&mut hash, b"visrep features 1");
    parts.iter().for_each(|part| field(&mut hash, part.as_bytes()));
    folder.join(format!("{}.safetensors", hex(hash)))
}

/// Reads an entry; `None` when it is missing, damaged, or not of `samples` samples: it is then made again.
pub(crate) fn read(path: &Path, samples: usize) -> Option<FeatureSet> {
    let file = std::fs::read(path).ok()?;
    let names = [("features", Dtype::F32), ("labels", Dtype::I64), ("keys", Dtype::U8)];
    let [(shape, features), (_, labels), (_, keys)] = sealed(&file, names)?;
    let [rows, dim] = shape[..] else { return None };
    let values: Vec<f32> = numbers(features, f32::from_le_bytes);
    let values = Tensor::from_slice(&values).f_view([rows as i64, dim as i64]).ok()?;
    let labels: Vec<i64> = numbers(labels, i64::from_le_bytes);
    let keys: Vec<String> = serde_json::from_slice(keys).ok()?;
    FeatureSet::new(values, labels, keys).ok().filter(|set| set.len() == samples)
}

/// Writes an entry; it appears whole or not at all.
pub(crate) fn write(path: &Path, set: &FeatureSet) -> Result<(), Error> {
    let features = bytes(&set.features)?;
    let labels: Vec<u8> = set.labels.iter().flat_map(|label| label.to_le_bytes()).collect();
    let keys = serde_json::to_vec(&set.keys)
        .map_err(|error| Error::Io { path: path.to_owned(), source: error.into() })?;
    let tensors = [
        ("features", Dtype::F32, vec![set.len(), set.dim() as usize], &features[..]),
        ("labels", Dtype::I64, vec![set.len()], &labels[..]),
        ("keys", Dtype::U8, vec![keys.len()], &keys[..]),
    ];
    seal(path, tensors)
}

/// The shapes and bytes of these tensors in a file of [`seal`]'s; `None` where one is missing or of another kind, or the bytes are not
/// those that were written.
pub(crate) fn sealed<'a, const N: usize>(
    file: &'a [u8],
    names: [(&str, Dtype); N],
) -> Option<[(Vec<usize>, &'a [u8]); N]> {
    let (_, metadata) = SafeTensors::read_metadata(file).ok()?;
    let checksum = metadata.metadata().as_ref()?.get(CHECKSUM)?;
    let tensors = SafeTensors::deserialize(file).ok()?;
    let mut found = Vec::with_capacity(N);
    for (name, dtype) in names {
        let tensor = tensors.tensor(name).ok().filter(|tensor| tensor.dtype() == dtype)?;
        found.push((tensor.shape().to_vec(), tensor.data()));
    }
    (checksum_of(found.iter().map(|(_, data)| *data)) == *checksum).then_some(found)?.try_into().ok()
}

/// Writes tensors with a checksum of their bytes, in a file that appears whole or not at all.
pub(crate) fn seal<const N: usize>(
    path: &Path,
    tensors: [(&str, Dtype, Vec<usize>, &[u8]); N],
) -> Result<(), Error> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let invalid = |error: safetensors::SafeTensorError| io(std::io::Error::other(error));
    let checksum = checksum_of(tensors.iter().map(|(_, _, _, data)| *data));
    let metadata = HashMap::from([(CHECKSUM.to_owned(), checksum)]);
    let views = tensors
        .into_iter()
        .map(|(name, dtype, shape, data)| Ok((name, TensorView::new(dtype, shape, data).map_err(invalid)?)))
        .collect::<Result<Vec<_>, Error>>()?;
    let file = safetensors::serialize(views, Some(metadata)).map_err(invalid)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(io)?;
    write_atomically(path, &file).map_err(|error| io(error.into()))
}

fn checksum_of<'a>(parts: impl Iterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    parts.for_each(|part| field(&mut hash, part));
    hex(hash)
}

pub(crate) fn numbers<T, const N: usize>(bytes: &[u8], parse: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|chunk| parse(*chunk)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> FeatureSet {
        let features = Tensor::from_slice(&[1.0_f32, -2.0, f32::MIN_POSITIVE, 0.0, 5.5, 6.0]).view([3, 2]);
        FeatureSet::new(features, vec![4, -1, 0], vec!["a/b.png".into(), "line\nbreak".into(), "é".into()])
            .unwrap()
    }

    #[test]
    fn what_is_written_is_read_and_damage_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = path(&folder.path().join("new"), &["weights", "data"]);
        assert!(read(&path, 3).is_none());
        write(&path, &set()).unwrap();
        let read_back = read(&path, 3).unwrap();
        assert_eq!(read_back.features, set().features);
        assert_eq!((read_back.labels, read_back.keys), (set().labels, set().keys));
        assert!(read(&path, 4).is_none(), "an entry for another number of samples");

        let whole = std::fs::read(&path).unwrap();
        for at in [0, 9, whole.len() / 2, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            std::fs::write(&path, &damaged).unwrap();
            assert!(read(&path, 3).is_none_or(|set| set.features == self::set().features), "byte {at}");
        }
        for len in [0, 7, 50, whole.len() - 1] {
            std::fs::write(&path, &whole[..len]).unwrap();
            assert!(read(&path, 3).is_none(), "{len} bytes");
        }
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let folder = Path::new("");
        assert_ne!(path(folder, &["ab", "c"]), path(folder, &["a", "bc"]));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = write(&file.join("x.safetensors"), &set()).unwrap_err().to_string();
        assert!(error.contains("x.safetensors"), "{error}");
    }
}

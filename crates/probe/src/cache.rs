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
    let (_, metadata) = SafeTensors::read_metadata(&file).ok()?;
    let checksum = metadata.metadata().as_ref()?.get(CHECKSUM)?.clone();
    let tensors = SafeTensors::deserialize(&file).ok()?;
    let get = |name: &str, dtype: Dtype| tensors.tensor(name).ok().filter(|tensor| tensor.dtype() == dtype);
    let (features, labels, keys) =
        (get("features", Dtype::F32)?, get("labels", Dtype::I64)?, get("keys", Dtype::U8)?);
    if checksum_of(features.data(), labels.data(), keys.data()) != checksum {
        return None;
    }
    let [rows, dim] = features.shape() else { return None };
    let values: Vec<f32> = numbers(features.data(), f32::from_le_bytes);
    let values = Tensor::from_slice(&values).f_view([*rows as i64, *dim as i64]).ok()?;
    let labels: Vec<i64> = numbers(labels.data(), i64::from_le_bytes);
    let keys: Vec<String> = serde_json::from_slice(keys.data()).ok()?;
    FeatureSet::new(values, labels, keys).ok().filter(|set| set.len() == samples)
}

/// Writes an entry; it appears whole or not at all.
pub(crate) fn write(path: &Path, set: &FeatureSet) -> Result<(), Error> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let features = bytes(&set.features)?;
    let labels: Vec<u8> = set.labels.iter().flat_map(|label| label.to_le_bytes()).collect();
    let keys = serde_json::to_vec(&set.keys).map_err(|error| io(error.into()))?;
    let metadata = HashMap::from([(CHECKSUM.to_owned(), checksum_of(&features, &labels, &keys))]);
    let invalid = |error: safetensors::SafeTensorError| io(std::io::Error::other(error));
    let view = |dtype, shape, data| TensorView::new(dtype, shape, data).map_err(invalid);
    let tensors = [
        ("features", view(Dtype::F32, vec![set.len(), set.dim() as usize], &features)?),
        ("labels", view(Dtype::I64, vec![set.len()], &labels)?),
        ("keys", view(Dtype::U8, vec![keys.len()], &keys)?),
    ];
    let file = safetensors::serialize(tensors, Some(metadata)).map_err(invalid)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(io)?;
    write_atomically(path, &file).map_err(|error| io(error.into()))
}

fn checksum_of(features: &[u8], labels: &[u8], keys: &[u8]) -> String {
    let mut hash = Sha256::new();
    [features, labels, keys].into_iter().for_each(|part| field(&mut hash, part));
    hex(hash)
}

fn numbers<T, const N: usize>(bytes: &[u8], parse: impl Fn([u8; N]) -> T) -> Vec<T> {
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

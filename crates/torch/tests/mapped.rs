//! Tensors in a mapped file share its memory, keep it alive, and never change it.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::sync::Arc;

use tch::{Kind, Tensor};
use tempfile::TempDir;
use visrep_torch::{Error, MappedFile};

/// A folder with a file of these bytes.
fn file(bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights");
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn floats(count: u8) -> Vec<u8> {
    (0..count).flat_map(|i| f32::from(i).to_ne_bytes()).collect()
}

#[test]
fn a_tensor_is_the_bytes_where_they_are() {
    let (_folder, path) = file(&floats(6));
    let map = MappedFile::open(&path).unwrap();
    let tensor = map.tensor(4, &[2, 2], Kind::Float).unwrap();
    assert_eq!(tensor, Tensor::from_slice2(&[[1f32, 2.0], [3.0, 4.0]]));
    let again = map.tensor(0, &[6], Kind::Float).unwrap();
    assert_eq!(again.data_ptr().addr() + 4, tensor.data_ptr().addr());
    assert_eq!(map.bytes(), floats(6));
    assert_eq!(map.path(), path);
}

#[test]
fn every_kind_comes_as_that_kind() {
    let (_folder, path) = file(&[0; 64]);
    let map = MappedFile::open(&path).unwrap();
    for kind in [
        Kind::Uint8,
        Kind::Int8,
        Kind::Int16,
        Kind::Int,
        Kind::Int64,
        Kind::Half,
        Kind::Float,
        Kind::Double,
        Kind::ComplexHalf,
        Kind::ComplexFloat,
        Kind::ComplexDouble,
        Kind::Bool,
        Kind::BFloat16,
        Kind::Float8e5m2,
        Kind::Float8e4m3fn,
        Kind::Float8e5m2fnuz,
        Kind::Float8e4m3fnuz,
    ] {
        let tensor = map.tensor(16, &[3], kind).unwrap();
        assert_eq!((tensor.kind(), tensor.size()), (kind, vec![3]));
        assert_eq!(tensor.data_ptr().addr() % 4096, 16, "{kind:?} is not copied");
    }
}

#[test]
fn writing_reaches_the_tensors_and_not_the_file() {
    let (_folder, path) = file(&floats(4));
    let map = MappedFile::open(&path).unwrap();
    let mut tensor = map.tensor(0, &[4], Kind::Float).unwrap();
    let _ = tensor.fill_(7.0);
    assert_eq!(map.tensor(8, &[], Kind::Float).unwrap().double_value(&[]), 7.0);
    assert_eq!(map.bytes(), floats(4));
    drop((tensor, map));
    assert_eq!(std::fs::read(&path).unwrap(), floats(4));
}

#[test]
fn a_tensor_outlives_its_map_and_its_file_and_the_last_one_ends_it() {
    let (folder, path) = file(&floats(4));
    let map = MappedFile::open(&path).unwrap();
    let weak = Arc::downgrade(&map);
    let tensor = map.tensor(0, &[2, 2], Kind::Float).unwrap();
    let part = tensor.select(0, 1);
    drop((map, tensor, folder));
    assert!(weak.upgrade().is_some());
    let sum = std::thread::spawn(move || part.sum(Kind::Float).double_value(&[])).join().unwrap();
    assert_eq!(sum, 5.0);
    assert!(weak.upgrade().is_none(), "the mapping is gone with its last tensor");
}

#[test]
fn a_mapped_parameter_trains() {
    let (_folder, path) = file(&floats(4));
    let map = MappedFile::open(&path).unwrap();
    let mut weight = map.tensor(0, &[4], Kind::Float).unwrap().set_requires_grad(true);
    weight.square().sum(Kind::Float).backward();
    tch::no_grad(|| weight -= weight.grad() * 0.5);
    assert_eq!(weight.detach(), Tensor::zeros([4], (Kind::Float, tch::Device::Cpu)));
}

#[test]
fn what_is_not_aligned_is_copied() {
    let mut bytes = vec![9];
    bytes.extend(floats(3));
    let (_folder, path) = file(&bytes);
    let map = MappedFile::open(&path).unwrap();
    let tensor = map.tensor(1, &[3], Kind::Float).unwrap();
    assert_eq!(tensor, Tensor::from_slice(&[0f32, 1.0, 2.0]));
    assert_eq!(tensor.data_ptr().addr() % 4, 0);
}

#[test]
fn nothing_can_be_had_of_nothing() {
    let (_folder, path) = file(&[]);
    let map = MappedFile::open(&path).unwrap();
    assert!(map.bytes().is_empty());
    for shape in [&[0][..], &[3, 0, 2], &[0, 7]] {
        let tensor = map.tensor(0, shape, Kind::Float).unwrap();
        assert_eq!((tensor.size(), tensor.numel()), (shape.to_vec(), 0));
    }
    let message = map.tensor(0, &[], Kind::Uint8).unwrap_err().to_string();
    assert!(message.contains("weights has 0 bytes"), "{message}");
}

#[test]
fn ranges_outside_the_file_are_refused() {
    let (_folder, path) = file(&floats(4));
    let map = MappedFile::open(&path).unwrap();
    assert!(map.tensor(16, &[0], Kind::Float).is_ok());
    for (offset, shape) in
        [(0, &[5][..]), (4, &[4]), (16, &[1]), (17, &[0]), (usize::MAX, &[2]), (usize::MAX, &[])]
    {
        let error = map.tensor(offset, shape, Kind::Float).unwrap_err();
        assert!(matches!(error, Error::MappedRange { length: 16, .. }), "{error}");
    }
}

#[test]
fn absurd_shapes_are_refused() {
    let (_folder, path) = file(&floats(4));
    let map = MappedFile::open(&path).unwrap();
    for shape in [&[-1][..], &[i64::MIN], &[i64::MAX], &[1 << 32, 1 << 32], &[i64::MAX, 0], &[2, -3, 0]] {
        let error = map.tensor(0, shape, Kind::Float).unwrap_err();
        assert!(matches!(error, Error::MappedShape { .. }), "{error}");
    }
}

#[test]
fn kinds_that_bytes_cannot_be_are_refused() {
    let (_folder, path) = file(&[0, 1, 2, 1]);
    let map = MappedFile::open(&path).unwrap();
    assert_eq!(map.tensor(0, &[2], Kind::Bool).unwrap(), Tensor::from_slice(&[false, true]));
    for (shape, kind) in
        [(&[4][..], Kind::Bool), (&[4], Kind::QInt8), (&[4], Kind::QUInt8), (&[1], Kind::QInt32)]
    {
        let error = map.tensor(0, shape, kind).unwrap_err();
        assert!(matches!(error, Error::MappedKind { .. }), "{error}");
    }
}

#[test]
fn what_cannot_be_mapped_is_an_error_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().to_path_buf(), folder.path().join("absent")] {
        let message = MappedFile::open(&path).unwrap_err().to_string();
        assert!(message.contains(path.to_str().unwrap()), "{message}");
    }
}

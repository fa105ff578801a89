//! Reading weight files of every format, as PyTorch, safetensors and NumPy write them.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tch::{Kind, Tensor};
use visrep_models::{Format, StateDict};

/// What `make.py` says of a file.
#[derive(Deserialize)]
struct Expected {
    tensors: BTreeMap<String, ExpectedTensor>,
    unread: BTreeMap<String, (Vec<i64>, String)>,
    notes: Vec<String>,
    metadata: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct ExpectedTensor {
    dtype: String,
    shape: Vec<i64>,
    values: Vec<f64>,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden/models/weights")
}

fn kind(dtype: &str) -> Kind {
    match dtype {
        "float64" => Kind::Double,
        "float32" => Kind::Float,
        "float16" => Kind::Half,
        "bfloat16" => Kind::BFloat16,
        "int64" => Kind::Int64,
        "int32" => Kind::Int,
        "int16" => Kind::Int16,
        "int8" => Kind::Int8,
        "uint8" => Kind::Uint8,
        "bool" => Kind::Bool,
        "complex64" => Kind::ComplexFloat,
        "float8_e4m3fn" => Kind::Float8e4m3fn,
        other => panic!("{other}"),
    }
}

fn values(tensor: &Tensor) -> Vec<f64> {
    let tensor = match tensor.kind() {
        Kind::ComplexFloat => tensor.to_kind(Kind::ComplexDouble).view_as_real(),
        _ => tensor.to_kind(Kind::Double),
    };
    tensor.contiguous().view(-1).try_into().unwrap()
}

#[test]
fn every_format_is_read_as_its_peer_reads_it() {
    let text = std::fs::read_to_string(folder().join("expected.json")).unwrap();
    let files: BTreeMap<String, Expected> = serde_json::from_str(&text).unwrap();
    assert!(files.len() >= 20, "{}", files.len());
    for (file, expected) in files {
        let state = StateDict::read(folder().join(&file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let names: Vec<_> = state.names().collect();
        assert_eq!(names, expected.tensors.keys().collect::<Vec<_>>(), "{file}");
        for (name, expected) in &expected.tensors {
            let tensor = state.get(name).unwrap();
            assert_eq!(tensor.kind(), kind(&expected.dtype), "{file}: {name}");
            assert_eq!(tensor.size(), expected.shape, "{file}: {name}");
            assert!(tensor.is_contiguous(), "{file}: {name}");
            assert_eq!(values(tensor), expected.values, "{file}: {name}");
        }
        let unread: BTreeMap<_, _> = state
            .unread()
            .iter()
            .map(|(name, tensor)| (name.clone(), (tensor.shape.clone(), tensor.dtype.clone())))
            .collect();
        assert_eq!(unread, expected.unread, "{file}");
        assert_eq!(state.notes(), expected.notes, "{file}");
        assert_eq!(*state.metadata(), expected.metadata, "{file}");
        let format = match file.rsplit('.').next().unwrap() {
            "npz" => Format::Npz,
            "safetensors" | "hub" => Format::Safetensors,
            _ => Format::Torch,
        };
        assert_eq!(state.format(), format, "{file}");
    }
}

#[test]
fn the_content_decides_not_the_name() {
    let other = tempfile::tempdir().unwrap();
    for (file, format) in
        [("kinds.pth", Format::Torch), ("kinds_legacy.pth", Format::Torch), ("big_vision.npz", Format::Npz)]
    {
        let path = other.path().join("weights.safetensors");
        std::fs::copy(folder().join(file), &path).unwrap();
        assert_eq!(StateDict::read(&path).unwrap().format(), format, "{file}");
    }
}

#[test]
fn there_and_back_as_safetensors() {
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("out.safetensors");
    for file in ["layouts.pth", "layouts_legacy.pth", "big_vision.npz", "kinds_legacy.pth"] {
        let state = StateDict::read(folder().join(file)).unwrap();
        state.save(&path, None).unwrap();
        let again = StateDict::read(&path).unwrap();
        let differences = visrep_models::diff(&state, &again).unwrap();
        assert_eq!(differences.len(), state.tensors().len());
        assert!(differences.iter().all(|tensor| tensor.difference.is_none()), "{file}: {differences:?}");

        state.save(&path, Some(Kind::BFloat16)).unwrap();
        let again = StateDict::read(&path).unwrap();
        for (name, tensor) in state.tensors() {
            let float = matches!(tensor.kind(), Kind::Float | Kind::Double | Kind::Half | Kind::BFloat16);
            let expected = if float { Kind::BFloat16 } else { tensor.kind() };
            assert_eq!(again.get(name).unwrap().kind(), expected, "{file}: {name}");
        }
    }
}

#[test]
fn a_folder_is_checked_as_its_files_are() {
    let hub = tempfile::tempdir().unwrap();
    let message = || StateDict::read(hub.path()).unwrap_err().to_string();
    assert!(message().contains("none of model.safetensors"), "{}", message());
    let index = hub.path().join("model.safetensors.index.json");
    for (text, expected) in [
        ("{", "no JSON"),
        ("{}", "no weight_map"),
        (r#"{"weight_map": {"a": "../a.safetensors"}}"#, "no file beside the index"),
        (r#"{"weight_map": {"a": 3}}"#, "no file beside the index"),
        (r#"{"weight_map": {"a": "absent.safetensors"}}"#, "absent.safetensors"),
        (r#"{"weight_map": {"z": "one.safetensors"}}"#, "does not have `z`"),
    ] {
        let shard = folder().join("hub/model-00001-of-00002.safetensors");
        std::fs::copy(shard, hub.path().join("one.safetensors")).unwrap();
        std::fs::write(&index, text).unwrap();
        assert!(message().contains(expected), "{text}: {}", message());
    }
    let config = StateDict::read(folder().join("hub")).unwrap().config().unwrap()["architecture"].clone();
    assert_eq!(config, "resnet18");
}

#[test]
fn renaming_is_all_or_nothing() {
    let mut state = StateDict::read(folder().join("protocol_4.pth")).unwrap();
    assert!(state.rename(|_| Some("same".into())).unwrap_err().to_string().contains("`same`"));
    assert_eq!(state.names().collect::<Vec<_>>(), ["a", "b.c"]);
    state.rename(|name| name.strip_prefix("b.").map(str::to_owned)).unwrap();
    assert_eq!(state.names().collect::<Vec<_>>(), ["c"]);
}

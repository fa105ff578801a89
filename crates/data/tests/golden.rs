//! Datasets that the peers wrote, in every format: keys, labels and pixels. Made by `fixtures/golden/data/make.py`.
#![allow(missing_docs, clippy::unwrap_used)]

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use visrep_data::{
    Dataset, Error, NpyOptions, RawImages, SampleStream, StreamOptions, TarStream, decode_sample, open,
    open_splits,
};
use visrep_decode::DecodeOptions;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden/data").join(name)
}

#[derive(serde::Deserialize, Debug, PartialEq)]
struct Expected {
    key: String,
    label: Option<u32>,
    sha256: String,
}

fn expected() -> BTreeMap<String, Vec<Expected>> {
    serde_json::from_slice(&std::fs::read(fixture("expected.json")).unwrap()).unwrap()
}

fn found(sample: visrep_data::Sample) -> Expected {
    let image = decode_sample(&sample, &DecodeOptions::default()).unwrap();
    let sha256 = Sha256::digest(image.data()).iter().map(|byte| format!("{byte:02x}")).collect();
    Expected { key: sample.key, label: sample.label, sha256 }
}

fn check(data: &dyn Dataset, expected: &[Expected], name: &str) {
    assert_eq!(data.len(), expected.len(), "{name}");
    // Backwards, so that nothing depends on the order.
    for (index, expected) in expected.iter().enumerate().rev() {
        assert_eq!(data.label(index), expected.label, "{name}:{index}");
        assert_eq!(data.key(index), expected.key, "{name}:{index}");
        assert_eq!(found(data.get(index).unwrap()), *expected, "{name}:{index}");
    }
    assert_eq!(data.labels().unwrap(), expected.iter().map(|e| e.label).collect::<Vec<_>>(), "{name}");
    assert!(matches!(data.get(data.len()), Err(Error::Index { .. })), "{name}");
    assert_eq!(data.label(data.len()), None, "{name}");
    let groups: Vec<usize> = data.groups().into_iter().flatten().collect();
    assert_eq!(groups, (0..data.len()).collect::<Vec<_>>(), "{name}");
}

#[test]
fn every_format_holds_what_its_peer_wrote() {
    let all = expected();
    assert!(all.len() > 20);
    for (name, expected) in &all {
        check(&*open(&fixture(name)).unwrap_or_else(|error| panic!("{name}: {error}")), expected, name);
    }
}

#[test]
fn class_names_come_from_where_the_format_has_them() {
    let classes = |name: &str| open(&fixture(name)).unwrap().classes().to_vec();
    assert_eq!(classes("cifar10/test")[9], "name9");
    assert_eq!(classes("cifar100/test").len(), 100);
    assert_eq!(classes("arrow/stream.arrow"), ["a", "b", "c"]);
    assert_eq!(classes("parquet/brotli.parquet"), ["a", "b", "c"]);
    assert_eq!(classes("webdataset/pax.tar"), ["cat", "dog"]);
    assert_eq!(classes("webdataset/shard-0.tar"), ["0", "1"]);
    assert_eq!(classes("lists/headed.csv"), ["ant", "zebra"]);
    assert!(classes("lists/paths.txt").is_empty() && classes("dsprites.npz").is_empty());
}

#[test]
fn a_factor_of_dsprites_is_a_column() {
    let option = |label_column| NpyOptions { label_column: Some(label_column), ..NpyOptions::default() };
    let data = RawImages::open_npz(fixture("dsprites.npz"), None, &option(5)).unwrap();
    assert!(data.labels().unwrap().iter().all(|label| label.is_some_and(|label| label < 3)));
    let error = RawImages::open_npz(fixture("dsprites.npz"), None, &option(6)).err().unwrap().to_string();
    assert!(error.contains("latents_classes") && error.contains("6 columns"), "{error}");
}

#[test]
fn places_with_several_splits_or_arrays_ask_for_one() {
    for (name, names) in [
        ("mnist", &["train", "test"][..]),
        ("cifar10", &["train", "test"]),
        ("cifar100", &["train", "test"]),
        ("splits.npz", &["train", "test"]),
    ] {
        let error = open(&fixture(name)).err().unwrap().to_string();
        assert!(names.iter().all(|split| error.contains(split)), "{error}");
        let splits = open_splits(&fixture(name)).err().map(|error| error.to_string());
        // The files are too small for both splits to have every class.
        assert!(splits.is_none() || splits.unwrap().contains("different classes"));
    }
    let single = open(&fixture("cifar-c")).unwrap();
    assert_eq!((single.len(), single.key(3)), (4, "fog.npy:3".into()));
    let error = open(&fixture("make.py")).err().unwrap().to_string();
    assert!(error.contains("WebDataset") && error.contains("MNIST"), "{error}");
}

#[test]
fn archives_are_streamed_as_they_are_read_at_random() {
    for (files, classes) in [
        (&["webdataset/shard-0.tar", "webdataset/shard-1.tar.gz"][..], &[][..]),
        (&["webdataset/gnu.tar"], &["cat", "dog"]),
        (&["webdataset/pax.tar"], &["cat", "dog"]),
        (&["webdataset/ustar.tar"], &["cat", "dog"]),
    ] {
        let all = expected();
        let expected = all.get(files[0]).or(all.get("webdataset/shard-{0.tar,1.tar.gz}")).unwrap();
        let files: Vec<_> = files.iter().map(|file| fixture(file)).collect();
        let classes = classes.iter().map(|class| (*class).to_owned()).collect();
        let stream = TarStream::new(&files, StreamOptions { classes, ..StreamOptions::default() }).unwrap();
        for skip in 0..=expected.len() + 1 {
            let rest: Vec<_> = stream.epoch(3, skip).map(|sample| found(sample.unwrap())).collect();
            assert_eq!(rest, expected[skip.min(expected.len())..]);
        }
    }
}

//! The repository's own fixtures, as users would open them.
#![allow(missing_docs, clippy::unwrap_used)]

use std::path::PathBuf;
use std::sync::Arc;
use visrep_augment::Compose;
use visrep_data::{Dataset, Loader, LoaderOptions, Parquet, PatchOptions, Patches, Views, open};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name)
}

#[test]
fn every_digit_loads_and_the_labels_agree() {
    let path = fixture("digits.parquet");
    let data = open(&path).unwrap();
    assert_eq!((data.len(), data.classes().len()), (1797, 10));
    assert!(data.groups().len() > 1, "the file has several row groups");
    let options = LoaderOptions { shuffle: true, ..LoaderOptions::default() };
    let loader = Loader::new(data.clone(), Views::single(Compose::new()), options).unwrap();
    let mut seen = vec![false; 1797];
    for batch in loader.epoch(0, 0) {
        let batch = batch.unwrap();
        assert_eq!((batch.views[0].width, batch.views[0].height), (8, 8));
        for (index, label) in batch.indices.iter().zip(&batch.labels) {
            assert_eq!(data.label(*index).map(i64::from), Some(*label));
            assert!(!std::mem::replace(&mut seen[*index], true));
        }
    }
    assert!(seen.into_iter().all(|seen| seen));

    let embedded = Parquet::from_bytes(std::fs::read(&path).unwrap().into(), "digits").unwrap();
    assert_eq!(embedded.labels().unwrap(), data.labels().unwrap());
}

#[test]
fn the_photographs_make_a_patch_set() {
    let photos = open(&fixture("photos")).unwrap();
    let (train, test) = Patches::new(photos.clone(), &PatchOptions::default()).unwrap();
    assert_eq!(train.classes().len(), photos.len());
    assert_eq!(train.classes(), test.classes());
    let loader =
        Loader::new(Arc::new(test), Views::single(Compose::new()), LoaderOptions::default()).unwrap();
    let images: usize = loader.epoch(0, 0).map(|batch| batch.unwrap().views[0].n).sum();
    assert_eq!(images, photos.len() * 40);
}

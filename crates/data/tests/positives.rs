//! Views of positives: which samples they show, and that nothing but the seed, the epoch and the sample decides it.
#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::Arc;
use visrep_augment::{Compose, Rng};
use visrep_data::{
    ClassPositives, Error, InMemory, Loader, LoaderOptions, Positives, Sample, SampleImage,
    SequencePositives, Views,
};
use visrep_decode::RgbImage;

const CLASSES: u32 = 3;

/// `n` images whose every byte is their index, in three classes and in videos of four frames.
fn data(n: u32) -> InMemory {
    let sample = |i: u32| Sample {
        image: SampleImage::Decoded(RgbImage::from_fn(2, 3, |_, _| [i as u8; 3])),
        label: Some(i % CLASSES),
        key: format!("video-{:02}/{i}", i / 4),
    };
    InMemory::new((0..n).map(sample).collect(), ["a", "b", "c"].map(str::to_owned).to_vec())
}

fn options(workers: usize) -> LoaderOptions {
    LoaderOptions { batch_size: 5, workers, shuffle: true, seed: 4, ..LoaderOptions::default() }
}

/// What each view of each sample shows, sample by sample: the sample's index, its label, and the index in each view.
fn shown(views: Views, workers: usize, epoch: u64) -> Vec<(usize, i64, Vec<u8>)> {
    let loader = Loader::new(Arc::new(data(20)), views, options(workers)).unwrap();
    let mut shown = Vec::new();
    for batch in loader.epoch(epoch, 0) {
        let batch = batch.unwrap();
        for (slot, (&index, &label)) in batch.indices.iter().zip(&batch.labels).enumerate() {
            let views = batch.views.iter().map(|view| view.data[slot * 2 * 3 * 3]).collect();
            shown.push((index, label, views));
        }
    }
    shown
}

fn views() -> Views {
    Views::same(Compose::new(), 3)
}

#[test]
fn the_first_view_is_the_sample_and_the_others_are_positives() {
    let class: Arc<dyn Positives> = Arc::new(ClassPositives::new(&data(20)).unwrap());
    let near: Arc<dyn Positives> = Arc::new(SequencePositives::by_folder(&data(20), 1).unwrap());
    let mut differ = 0;
    for (index, label, views) in shown(views().with_positives(class), 2, 0) {
        assert_eq!((views[0] as usize, label), (index, (index as u32 % CLASSES).into()));
        assert!(views[1..].iter().all(|&view| view as usize != index && view as usize % 3 == index % 3));
        differ += usize::from(views[1] != views[2]);
    }
    assert!(differ > 5, "each view draws a positive of its own");
    for (index, _, views) in shown(views().with_positives(near), 2, 0) {
        assert_eq!(views[0] as usize, index);
        for &view in &views[1..] {
            assert_eq!((view as usize / 4, (view as usize).abs_diff(index)), (index / 4, 1));
        }
    }
    assert!(shown(views(), 2, 0).iter().all(|(index, _, views)| *views == [*index as u8; 3]));
}

#[test]
fn positives_do_not_depend_on_the_workers_and_change_with_the_epoch() {
    let class: Arc<dyn Positives> = Arc::new(ClassPositives::new(&data(20)).unwrap());
    let run = |workers, epoch| {
        let mut shown = shown(views().with_positives(class.clone()), workers, epoch);
        shown.sort();
        shown
    };
    assert_eq!(run(0, 0), run(3, 0));
    assert_ne!(run(0, 0), run(0, 1));
}

struct Beyond;

impl Positives for Beyond {
    fn positive(&self, _: usize, _: &mut Rng) -> usize {
        1000
    }
}

#[test]
fn a_positive_that_does_not_exist_is_an_error() {
    let loader =
        Loader::new(Arc::new(data(20)), views().with_positives(Arc::new(Beyond)), options(1)).unwrap();
    let error = loader.epoch(0, 0).next().unwrap().unwrap_err();
    assert!(matches!(error, Error::Index { index: 1000, len: 20 }), "{error}");
    let one = Views::single(Compose::new()).with_positives(Arc::new(Beyond));
    let loader = Loader::new(Arc::new(data(20)), one, options(1)).unwrap();
    assert_eq!(loader.epoch(0, 0).count(), 4, "a single view needs none");
}

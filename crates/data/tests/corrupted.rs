//! Samples under corruptions, made when they are asked for, and their way to Parquet.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use support::image;
use visrep_augment::Compose;
use visrep_corrupt::{Corruption, Corruptor, Scale, Severity, keyed_seed};
use visrep_data::{
    Column, ConvertOptions, CorruptedViews, Dataset, Error, InMemory, Parquet, Sample, SampleImage, convert,
    decode_sample, recorded,
};
use visrep_decode::DecodeOptions;

fn data() -> Arc<dyn Dataset> {
    let sample = |i: u32| Sample {
        image: SampleImage::Decoded(image(i as usize, 32, 24)),
        label: Some(i % 2),
        key: format!("sample {i}"),
    };
    Arc::new(InMemory::new((0..5).map(sample).collect(), vec!["even".into(), "odd".into()]))
}

fn views() -> CorruptedViews {
    let conditions =
        vec![None, Some((Corruption::Fog, Severity::ALL[1])), Some((Corruption::Sparkles, Severity::ALL[4]))];
    CorruptedViews::new(data(), Compose::new(), Corruptor::new(Scale::Cifar32), conditions, 6).unwrap()
}

#[test]
fn conditions_follow_each_other_and_depend_on_the_key_alone() {
    let (data, views) = (data(), views());
    assert_eq!(views.len(), 15);
    let expected: Vec<_> = (0..15).map(|row| data.label(row / 3)).collect();
    assert_eq!(views.labels().unwrap(), expected);
    let options = DecodeOptions::default();
    for row in 0..15 {
        let clean = decode_sample(&data.get(row / 3).unwrap(), &options).unwrap();
        let sample = views.get(row).unwrap();
        assert_eq!((sample.label, &sample.key), (data.label(row / 3), &format!("sample {}", row / 3)));
        let made = match views.conditions()[row % 3] {
            None => clean,
            Some((corruption, severity)) => {
                let seed = keyed_seed(&sample.key, corruption, severity, 6);
                Corruptor::new(Scale::Cifar32).corrupt(&clean, corruption, severity, seed).unwrap()
            }
        };
        assert_eq!(decode_sample(&sample, &options).unwrap(), made);
    }
    let none = CorruptedViews::new(data, Compose::new(), Corruptor::new(Scale::Cifar32), vec![], 0);
    assert!(matches!(none, Err(Error::Option { parameter: "conditions", .. })));
}

#[test]
fn further_columns_and_a_note_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a.parquet");
    let note = serde_json::json!({"seed": 6});
    let columns = vec![
        Column::text("what", |row| ["clean", "fog", "sparkles"][row % 3].into()),
        Column::integer("nth", |row| row as i64),
    ];
    let options = ConvertOptions { columns, note: Some(note.clone()), ..ConvertOptions::default() };
    let made = convert(&views(), &out, &options, |_| {}).unwrap();
    assert_eq!((made.rows, made.kept), (15, 0));
    assert_eq!(recorded(&out).unwrap()["note"], note);
    assert_eq!(Parquet::open(&out).unwrap().len(), 15);
    assert_eq!(convert(&views(), &out, &options, |_| {}).unwrap().kept, 1);
    let other = ConvertOptions { note: None, ..options };
    assert!(matches!(convert(&views(), &out, &other, |_| {}), Err(Error::Layout { .. })));
    assert!(recorded(&folder.path().join("none")).is_none());
}

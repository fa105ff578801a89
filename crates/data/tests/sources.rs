//! Samplers, shares, streams, maps and caches under the loader.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use support::{hugging_face, image, in_memory, png, tar};
use visrep_augment::{Compose, RandomResizedCrop};
use visrep_data::{
    Batch, Dataset, Error, Loader, LoaderOptions, Map, OnBadSample, Parquet, PixelCache, ProcessShare,
    Sample, SampleImage, SampleStream, Sampling, StreamLoader, StreamOptions, Subset, TarStream, Views,
    WebDataset, decode_sample, open,
};
use visrep_decode::{DecodeOptions, RgbImage};

fn views() -> Views {
    Views::same(RandomResizedCrop::new(4).unwrap(), 2)
}

fn options(batch_size: usize) -> LoaderOptions {
    LoaderOptions { batch_size, workers: 2, ..LoaderOptions::default() }
}

fn same(a: &Batch, b: &Batch) -> bool {
    (&a.views, &a.labels, &a.indices, &a.keys) == (&b.views, &b.labels, &b.indices, &b.keys)
}

/// `shards` archives of `per_shard` images each, every second one packed.
fn shards(folder: &Path, shards: usize, per_shard: usize) -> Vec<PathBuf> {
    let shard = |shard: usize| {
        let sample = |i: usize| {
            let index = shard * per_shard + i;
            [
                (format!("{index:04}.cls"), format!("{}", index % 3).into_bytes()),
                (format!("{index:04}.png"), png(index)),
            ]
        };
        let content = tar(&(0..per_shard).flat_map(sample).collect::<Vec<_>>());
        let packed = shard % 2 == 1;
        let path = folder.join(format!("shard-{shard:03}.tar{}", if packed { ".gz" } else { "" }));
        if packed {
            let file = std::fs::File::create(&path).unwrap();
            flate2::write::GzEncoder::new(file, flate2::Compression::fast()).write_all(&content).unwrap();
        } else {
            std::fs::write(&path, content).unwrap();
        }
        path
    };
    (0..shards).map(shard).collect()
}

#[test]
fn every_way_to_draw_resumes_at_any_batch() {
    let weights: Arc<[f64]> = (0..50).map(f64::from).collect();
    let share = |rank, drop_uneven| Some(ProcessShare { rank, world: 3, drop_uneven });
    for (sampling, share) in [
        (Sampling::Balanced, None),
        (Sampling::Weighted(weights), None),
        (Sampling::Balanced, share(1, true)),
        (Sampling::Each, share(2, false)),
        (Sampling::Each, share(0, true)),
    ] {
        let options = LoaderOptions { shuffle: true, sampling, share, seed: 5, ..options(7) };
        let loader = |workers| {
            let options = LoaderOptions { workers, ..options.clone() };
            Loader::new(Arc::new(in_memory(50)), views(), options).unwrap()
        };
        let whole: Vec<Batch> = loader(2).epoch(4, 0).map(Result::unwrap).collect();
        assert_eq!(whole.len(), loader(2).batches_per_epoch());
        for start in 0..=whole.len() {
            let rest: Vec<Batch> = loader(start % 3).epoch(4, start).map(Result::unwrap).collect();
            assert_eq!(rest.len(), whole.len() - start);
            assert!(rest.iter().zip(&whole[start..]).all(|(a, b)| same(a, b)));
        }
    }
}

#[test]
fn processes_share_an_epoch_without_a_gap() {
    let indices = |rank, drop_uneven, epoch| -> Vec<usize> {
        let share = Some(ProcessShare { rank, world: 4, drop_uneven });
        let options = LoaderOptions { shuffle: true, share, ..options(5) };
        let loader = Loader::new(Arc::new(in_memory(50)), views(), options).unwrap();
        loader.epoch(epoch, 0).flat_map(|batch| batch.unwrap().indices).collect()
    };
    let mut all: Vec<usize> = (0..4).flat_map(|rank| indices(rank, false, 1)).collect();
    assert_eq!(all.len(), 52);
    all.sort_unstable();
    all.dedup();
    assert_eq!(all, (0..50).collect::<Vec<_>>());
    let dropped: Vec<usize> = (0..4).flat_map(|rank| indices(rank, true, 1)).collect();
    assert_eq!(dropped.len(), 48);
    assert_ne!(indices(0, true, 1), indices(0, true, 2));
}

#[test]
fn a_balanced_epoch_has_the_classes_alike() {
    // One sample of class 2, two hundred of each other.
    let rare = (0..600).filter(|index| index % 3 != 2 || *index == 2).collect();
    let data = Subset::new(Arc::new(in_memory(600)), rare);
    let sampling = Sampling::Balanced;
    let loader = Loader::new(Arc::new(data), views(), LoaderOptions { sampling, ..options(64) }).unwrap();
    let mut counts = [0; 3];
    let mut rare_views = BTreeSet::new();
    for batch in loader.epoch(0, 0) {
        let batch = batch.unwrap();
        batch.labels.iter().for_each(|label| counts[*label as usize] += 1);
        let pixels = batch.views[0].data.chunks_exact(4 * 4 * 3).zip(&batch.labels);
        rare_views.extend(pixels.filter(|(_, label)| **label == 2).map(|(pixels, _)| pixels.to_vec()));
    }
    // Drawn again, a sample is not augmented again in the same way.
    assert!(rare_views.len() > 20, "{} views of {} draws", rare_views.len(), counts[2]);
    // A third of 401 expected, of standard deviation 9.
    assert!(counts.iter().all(|count: &usize| count.abs_diff(134) < 50), "{counts:?}");
}

#[test]
fn a_stream_is_shuffled_by_window_and_resumes_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    let files = shards(dir.path(), 5, 9);
    let stream = |window, seed| {
        let options = StreamOptions { shuffle: true, window, seed, ..StreamOptions::default() };
        Arc::new(TarStream::new(&files, options).unwrap())
    };
    let keys = |stream: &TarStream, epoch, skip| -> Vec<String> {
        stream.epoch(epoch, skip).map(|sample| sample.unwrap().key).collect()
    };
    for window in [1, 4, 10, 1000] {
        let whole = keys(&stream(window, 1), 0, 0);
        let mut sorted = whole.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted.len(), 45);
        assert_ne!(sorted, whole);
        assert_ne!(keys(&stream(window, 1), 1, 0), whole);
        assert_ne!(keys(&stream(window, 2), 0, 0), whole);
        for skip in 0..47 {
            assert_eq!(keys(&stream(window, 1), 0, skip), whole[skip.min(45)..], "{window} {skip}");
        }
    }
    let loader = |workers, drop_last| {
        let options = LoaderOptions { workers, drop_last, ..options(8) };
        StreamLoader::new(stream(10, 1), views(), options).unwrap()
    };
    let whole: Vec<Batch> = loader(2, false).epoch(0, 0).map(Result::unwrap).collect();
    assert_eq!((whole.len(), whole[5].labels.len(), whole[0].views[1].n), (6, 5, 8));
    assert_eq!(loader(2, true).epoch(0, 0).count(), 5);
    for start in 0..8 {
        let rest: Vec<Batch> = loader(start % 3, false).epoch(0, start).map(Result::unwrap).collect();
        assert_eq!(rest.len(), 6_usize.saturating_sub(start));
        assert!(rest.iter().zip(&whole[start.min(6)..]).all(|(a, b)| same(a, b)), "{start}");
    }
    // Each process has its own shards.
    let shared = |rank| {
        let options = StreamOptions { rank: (rank, 2), shuffle: true, ..StreamOptions::default() };
        keys(&TarStream::new(&files, options).unwrap(), 0, 0)
    };
    let mut all = [shared(0), shared(1)].concat();
    all.sort();
    all.dedup();
    assert_eq!((all.len(), shared(0).len()), (45, 27));
}

#[test]
fn a_shard_that_was_cut_gives_one_error_in_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let files = shards(dir.path(), 3, 5);
    for file in &files[..2] {
        let content = std::fs::read(file).unwrap();
        std::fs::write(file, &content[..content.len() * 2 / 3]).unwrap();
    }
    let stream = Arc::new(TarStream::new(&files, StreamOptions::default()).unwrap());
    let whole: Vec<_> =
        stream.epoch(0, 0).map(|sample| sample.map(|s| s.key).map_err(|e| e.to_string())).collect();
    assert_eq!(whole.iter().filter(|sample| sample.is_err()).count(), 2, "{whole:?}");
    assert!(whole[whole.len() - 5..].iter().all(Result::is_ok));
    for skip in 0..whole.len() {
        let rest: Vec<_> =
            stream.epoch(0, skip).map(|sample| sample.map(|s| s.key).map_err(|e| e.to_string())).collect();
        assert_eq!(rest, whole[skip..], "{skip}");
    }
    let load = |on_bad_sample| {
        let options = LoaderOptions { on_bad_sample, ..options(4) };
        let mut epoch = StreamLoader::new(stream.clone(), views(), options).unwrap().epoch(0, 0);
        let samples =
            epoch.by_ref().map(|batch| batch.map(|batch| batch.labels.len())).collect::<Result<Vec<_>, _>>();
        (samples.map(|n| n.iter().sum::<usize>()).map_err(|error| error.to_string()), epoch.skipped().len())
    };
    assert_eq!(load(OnBadSample::Skip), (Ok(whole.len() - 2), 2));
    assert!(load(OnBadSample::Fail).0.unwrap_err().contains("shard-000.tar"));
    let error = WebDataset::open_files(&files[..1]).err().unwrap().to_string();
    assert!(error.contains("is cut short") && error.contains("shard-000.tar"), "{error}");
}

#[test]
fn maps_and_caches_give_what_they_should() {
    let base = Arc::new(in_memory(30));
    let halves = Map::labels(base.clone(), vec!["odd".into(), "rest".into()], |label| match label? {
        1 => Some(0),
        2 => None,
        _ => Some(1),
    });
    assert_eq!(
        (halves.label(1), halves.label(2), halves.label(3), halves.label(30)),
        (Some(0), None, Some(1), None)
    );
    assert_eq!(halves.labels().unwrap()[4], halves.get(4).unwrap().label);
    let renamed = Map::keys(base.clone(), |key| format!("{key}!"));
    assert_eq!((renamed.get(3).unwrap().key.as_str(), renamed.key(3).as_str()), ("image-3!", "image-3!"));
    let dark = Map::images(base.clone(), |_, key| match key {
        "image-9" => Err(Error::Row { key: key.into(), problem: "is too bright".into() }),
        _ => Ok(SampleImage::Decoded(RgbImage::filled(1, 1, [0; 3]))),
    });
    let sample = dark.get(4).unwrap();
    assert_eq!((sample.key, sample.label, dark.key(4)), ("image-4".into(), Some(1), "image-4".into()));
    assert!(dark.get(9).unwrap_err().to_string().contains("too bright"));

    let decode = DecodeOptions::default();
    let cache = PixelCache::new(base.clone(), &decode, 1 << 20).unwrap();
    assert_eq!((cache.len(), cache.bytes()), (30, 30 * 6 * 5 * 3));
    for index in 0..30 {
        let (a, b) = (cache.get(index).unwrap(), base.get(index).unwrap());
        assert_eq!((a.label, &a.key), (b.label, &b.key));
        assert_eq!(decode_sample(&a, &decode).unwrap(), image(index, 6, 5));
    }
    let error = PixelCache::new(base, &decode, 1000).err().unwrap().to_string();
    assert!(error.contains("max_bytes") && error.contains("of 30 images"), "{error}");
}

#[test]
fn a_stream_that_panics_or_is_dropped_ends_well() {
    struct Panics;
    impl SampleStream for Panics {
        fn epoch(&self, _: u64, skip: usize) -> Box<dyn Iterator<Item = Result<Sample, Error>> + Send> {
            Box::new((skip..).map(|index| {
                assert!(index < 20, "no more");
                in_memory(3).get(index % 3)
            }))
        }
        fn classes(&self) -> &[String] {
            &[]
        }
    }
    let loader = StreamLoader::new(Arc::new(Panics), Views::single(Compose::new()), options(8)).unwrap();
    let mut all: Vec<_> = loader.epoch(0, 0).collect();
    let error = all.pop().unwrap().err().unwrap().to_string();
    assert!(error.contains("sample 20 of the stream") && error.contains("no more"), "{error}");
    assert_eq!(all.len(), 2);
    let mut epoch = loader.epoch(0, 0);
    assert!(epoch.next().unwrap().is_ok());
}

#[test]
fn many_shards_are_one_dataset() {
    let dir = tempfile::tempdir().unwrap();
    let files = shards(dir.path(), 4, 6);
    let data = open(&dir.path().join("shard-00{0..3}.tar*")).err();
    assert!(data.is_none(), "{data:?}");
    let data = WebDataset::open_files(&files).unwrap();
    assert_eq!((data.len(), data.classes().len(), data.key(7)), (24, 3, "shard-001.tar.gz/0007".into()));
    assert_eq!(data.labels().unwrap(), (0..24).map(|i| Some(i % 3)).collect::<Vec<_>>());
    for part in 0..3 {
        let path = dir.path().join(format!("part-{part}.parquet"));
        std::fs::write(path, hugging_face(5, 2, &["a"])).unwrap();
    }
    let globbed = open(&dir.path().join("part-*.parquet")).unwrap();
    let listed = open(&dir.path().join("part-{0,2}.parquet")).unwrap();
    assert_eq!((globbed.len(), listed.len(), listed.key(5)), (15, 10, "part-2.parquet:0".into()));
    let mixed = open(&dir.path().join("*")).err().unwrap().to_string();
    assert!(mixed.contains("different kinds"), "{mixed}");
    assert!(Parquet::open(dir.path()).unwrap().len() == 15);
}

#[test]
fn files_of_one_name_have_keys_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    for folder in ["a", "b"] {
        std::fs::create_dir(dir.path().join(folder)).unwrap();
        shards(&dir.path().join(folder), 1, 2);
        std::fs::write(dir.path().join(folder).join("x.parquet"), hugging_face(2, 2, &["a"])).unwrap();
    }
    let keys = |data: &dyn Dataset| (0..data.len()).map(|index| data.key(index)).collect::<Vec<_>>();
    let expected =
        ["a/shard-000.tar/0000", "a/shard-000.tar/0001", "b/shard-000.tar/0000", "b/shard-000.tar/0001"];
    let pattern = dir.path().join("{a,b}/shard-000.tar");
    assert_eq!(keys(&*open(&pattern).unwrap()), expected);
    let stream = TarStream::open(pattern.to_str().unwrap(), StreamOptions::default()).unwrap();
    assert_eq!(stream.epoch(0, 0).map(|sample| sample.unwrap().key).collect::<Vec<_>>(), expected);
    let parquet = open(&dir.path().join("*/x.parquet")).unwrap();
    assert_eq!(keys(&*parquet), ["a/x.parquet:0", "a/x.parquet:1", "b/x.parquet:0", "b/x.parquet:1"]);
}

#[test]
fn an_archive_without_its_end_is_read_with_a_warning_and_one_cut_in_a_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, content: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let entries: Vec<_> = (0..4).map(|index| (format!("{index}.png"), png(index))).collect();
    let whole = tar(&entries);
    // Without both blocks, without one of them.
    let (none, one) = (&whole[..whole.len() - 1024], &whole[..whole.len() - 512]);
    let files = [put("a.tar", &whole), put("b.tar", none), put("c.tar", one)];
    let data = WebDataset::open_files(&files).unwrap();
    assert_eq!(data.len(), 12);
    let warnings = data.warnings();
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].contains("b.tar: 1 of 3 archives") && warnings[0].contains("end without"),
        "{warnings:?}"
    );
    assert!(WebDataset::open_files(&files[..1]).unwrap().warnings().is_empty());
    let kept = Subset::new(Arc::new(data), vec![0]);
    assert_eq!(kept.warnings(), warnings);
    let stream = TarStream::new(&files, StreamOptions::default()).unwrap();
    assert_eq!(stream.epoch(0, 0).filter(Result::is_ok).count(), 12);
    // Packed, it is the same.
    let packed = dir.path().join("d.tar.gz");
    let mut encoder =
        flate2::write::GzEncoder::new(std::fs::File::create(&packed).unwrap(), flate2::Compression::fast());
    encoder.write_all(none).unwrap();
    encoder.finish().unwrap();
    assert!(WebDataset::open_files(&[packed]).unwrap().warnings()[0].contains("d.tar.gz"));

    // At every block: between two files there are as many samples as files, elsewhere an error.
    let mut complete = 0;
    for blocks in 1..none.len() / 512 {
        match WebDataset::open_files(&[put("cut.tar", &none[..blocks * 512])]) {
            Ok(data) => {
                complete += 1;
                assert_eq!((data.len(), data.warnings().len()), (complete, 1), "{blocks} blocks");
            }
            Err(error) => assert!(error.to_string().contains("is cut short"), "{error}"),
        }
    }
    assert_eq!(complete, 3);
    // The header of a long name belongs to a file that has gone.
    let mut long = tar(&[("x".into(), b"folder/long.png\0".to_vec())]);
    long[156] = b'L';
    long[148..156].copy_from_slice(b"        ");
    let sum: u64 = long[..512].iter().map(|byte| u64::from(*byte)).sum();
    long[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let long = [none, &long[..1024]].concat();
    let error = WebDataset::open_files(&[put("long.tar", &long)]).err().unwrap().to_string();
    assert!(error.contains("is cut short"), "{error}");
}

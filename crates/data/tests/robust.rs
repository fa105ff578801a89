//! The loader under bad luck: sources that vanish, samples that panic, workers that die, consumers that are slow or leave.
//! Each test fails, and does not hang, where a thread waits for ever.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use support::{hugging_face, in_memory, png, tar, within};
use visrep_augment::{Compose, Op, Rng, Transform, View};
use visrep_data::{
    Dataset, Error, InMemory, Loader, LoaderOptions, OnBadSample, Sample, SampleStream, StreamLoader,
    StreamOptions, TarStream, Views, open,
};

/// Runs a test by itself, for the threads that are counted are the process's, and for a limited time: far more than it takes
/// on a busy machine.
fn robust(test: impl FnOnce() + Send + 'static) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    within(120, move || {
        expect_workers(0);
        test();
        expect_workers(0);
    });
}

/// Fails unless this process has so many threads of loaders. A thread takes its name after it has begun, and is listed
/// for a moment after it has ended. Linux alone lists them.
fn expect_workers(expected: usize) {
    let count = || -> Option<usize> {
        let tasks = std::fs::read_dir("/proc/self/task").ok()?.flatten();
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
        Some(names.filter(|name| name.starts_with("visrep-data-")).count())
    };
    let start = Instant::now();
    while count().is_some_and(|found| found != expected) {
        assert!(start.elapsed() < Duration::from_secs(5), "{:?} threads, expected {expected}", count());
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn plain() -> Views {
    Views::single(Compose::new())
}

fn options(batch_size: usize, workers: usize) -> LoaderOptions {
    LoaderOptions { batch_size, workers, ..LoaderOptions::default() }
}

/// A dataset that counts its reads, each of which may take a while or end in a panic.
struct Watched {
    inner: InMemory,
    reads: AtomicUsize,
    delay: Duration,
    panics_at: Option<usize>,
}

impl Watched {
    fn new(n: usize, delay: Duration, panics_at: Option<usize>) -> Arc<Self> {
        Arc::new(Self { inner: in_memory(n), reads: AtomicUsize::new(0), delay, panics_at })
    }

    fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }
}

impl Dataset for Watched {
    fn len(&self) -> usize {
        self.inner.len()
    }
    fn get(&self, index: usize) -> Result<Sample, Error> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(self.delay);
        assert!(self.panics_at != Some(index), "no luck with {index}");
        self.inner.get(index)
    }
    fn label(&self, index: usize) -> Option<u32> {
        self.inner.label(index)
    }
    fn classes(&self) -> &[String] {
        self.inner.classes()
    }
    fn key(&self, index: usize) -> String {
        self.inner.key(index)
    }
}

#[test]
fn a_dataset_that_panics_on_one_sample_ends_the_epoch_there() {
    robust(|| {
        for workers_asked in [0, 1, 4] {
            for on_bad_sample in [OnBadSample::Fail, OnBadSample::Skip] {
                let data = Watched::new(100, Duration::from_micros(200), Some(37));
                let options = LoaderOptions { on_bad_sample, prefetch: 4, ..options(8, workers_asked) };
                let loader = Loader::new(data.clone(), plain(), options).unwrap();
                let mut epoch = loader.epoch(0, 0);
                assert_eq!(epoch.by_ref().take(4).filter(Result::is_ok).count(), 4);
                let error = epoch.next().unwrap().unwrap_err();
                assert!(
                    matches!(&error, Error::Panic { key, message } if key == "image-37" && message == "no luck with 37"),
                    "{error}"
                );
                // The epoch is over, and so are its threads, before it is dropped.
                expect_workers(0);
                assert!(epoch.next().is_none() && epoch.next().is_none());
                // The next one is none the worse for it.
                assert_eq!(loader.epoch(1, 0).filter(Result::is_ok).count(), 4);
            }
        }
    });
}

#[test]
fn a_worker_that_dies_is_reported_with_its_batch() {
    /// What a panic carries, and panics again when it is thrown away, outside of any guard.
    struct Payload;
    impl Drop for Payload {
        fn drop(&mut self) {
            panic!("twice");
        }
    }
    struct Bomb;
    impl Transform for Bomb {
        fn draw(&self, view: &mut View, _: &mut Rng) {
            view.push(Op::custom("bomb", None, |image| {
                if image.data()[0] == 5 { std::panic::panic_any(Payload) } else { image }
            }));
        }
    }
    robust(|| {
        for workers in [1, 3] {
            let loader =
                Loader::new(Arc::new(in_memory(9)), Views::single(Bomb), options(3, workers)).unwrap();
            let mut epoch = loader.epoch(0, 0);
            assert!(epoch.next().unwrap().is_ok());
            let error = epoch.next().unwrap().unwrap_err();
            assert!(matches!(error, Error::WorkerLost { batch: 1 }), "{error}");
            assert!(error.to_string().starts_with("batch 1 was lost: a worker thread ended"), "{error}");
            assert!(epoch.next().is_none());
        }
    });
}

#[test]
fn a_slow_consumer_is_never_run_ahead_of_by_more_than_prefetch() {
    robust(|| {
        for (prefetch, workers) in [(1, 1), (1, 3), (2, 3), (4, 10)] {
            let data = Watched::new(100, Duration::ZERO, None);
            let options = LoaderOptions { prefetch, ..options(5, workers) };
            let loader = Loader::new(data.clone(), plain(), options).unwrap();
            for (delivered, batch) in (1..).zip(loader.epoch(0, 0)) {
                batch.unwrap();
                std::thread::sleep(Duration::from_millis(2));
                let reads = data.reads();
                assert!(
                    reads <= (delivered + prefetch) * 5,
                    "{reads} reads, {delivered} delivered, {prefetch} ahead"
                );
            }
            assert_eq!(data.reads(), 100);
        }
    });
}

/// An endless stream that counts what is taken of it.
struct Endless(Arc<AtomicUsize>);

impl SampleStream for Endless {
    fn epoch(&self, _: u64, skip: usize) -> Box<dyn Iterator<Item = Result<Sample, Error>> + Send> {
        let (taken, samples) = (self.0.clone(), in_memory(3));
        Box::new((skip..).map(move |index| {
            taken.fetch_add(1, Ordering::SeqCst);
            samples.get(index % 3)
        }))
    }
    fn classes(&self) -> &[String] {
        &[]
    }
}

#[test]
fn a_stream_is_held_back_too_and_may_be_left_at_any_moment() {
    robust(|| {
        for taken in 0..5 {
            let count = Arc::<AtomicUsize>::default();
            let options = LoaderOptions { prefetch: 3, ..options(4, 2) };
            let loader = StreamLoader::new(Arc::new(Endless(count.clone())), plain(), options).unwrap();
            let mut epoch = loader.epoch(0, 0);
            for _ in 0..taken {
                epoch.next().unwrap().unwrap();
            }
            std::thread::sleep(Duration::from_millis(5));
            assert_eq!(count.load(Ordering::SeqCst), (taken + 3) * 4);
        }
    });
}

#[test]
fn an_epoch_dropped_at_any_moment_leaves_no_thread_behind() {
    robust(|| {
        for taken in 0..8 {
            let data = Watched::new(100, Duration::from_millis(1), None);
            let loader = Loader::new(data.clone(), plain(), options(5, 4)).unwrap();
            let mut epoch = loader.epoch(0, 0);
            for _ in 0..taken {
                epoch.next().unwrap().unwrap();
            }
            expect_workers(4);
            drop(epoch);
            expect_workers(0);
            let reads = data.reads();
            drop(loader);
            // The threads shared the dataset: nobody has it any more, and nobody reads on.
            assert_eq!(Arc::strong_count(&data), 1);
            std::thread::sleep(Duration::from_millis(3));
            assert_eq!(data.reads(), reads);
            assert!(reads <= (taken + 2) * 5);
        }
    });
}

#[test]
fn a_consumer_that_panics_takes_its_workers_along() {
    robust(|| {
        let data = Watched::new(100, Duration::from_millis(1), None);
        let loader = Loader::new(data.clone(), plain(), options(5, 4)).unwrap();
        let epoch = loader.epoch(0, 0);
        let consumer = std::thread::spawn(move || {
            for (number, batch) in epoch.enumerate() {
                batch.unwrap();
                assert!(number < 2, "enough");
            }
        });
        assert!(consumer.join().is_err());
        expect_workers(0);
        // Those of the loader are left.
        assert_eq!(Arc::strong_count(&data), 3);
    });
}

#[test]
fn epochs_side_by_side_do_not_wait_for_each_other() {
    robust(|| {
        let loader = Loader::new(Watched::new(60, Duration::ZERO, None), plain(), options(4, 3)).unwrap();
        let (mut first, mut second) = (loader.epoch(0, 0), loader.epoch(1, 0));
        for _ in 0..15 {
            assert!(first.next().unwrap().is_ok() && second.next().unwrap().is_ok());
        }
        assert!(first.next().is_none() && second.next().is_none());
    });
}

/// What becomes of a file while it is read.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Deleted,
    Truncated,
    Replaced,
}

impl Fate {
    fn strike(self, file: &Path) {
        match self {
            Self::Deleted => std::fs::remove_file(file).unwrap(),
            Self::Truncated => {
                let file = std::fs::File::options().write(true).open(file).unwrap();
                file.set_len(file.metadata().unwrap().len() / 3).unwrap();
            }
            Self::Replaced => {
                // As long as it was, and written at another time.
                let len = std::fs::metadata(file).unwrap().len() as usize;
                std::fs::write(file, vec![7; len]).unwrap();
                let file = std::fs::File::options().write(true).open(file).unwrap();
                file.set_modified(SystemTime::now() + Duration::from_secs(10)).unwrap();
            }
        }
    }
}

/// 400 samples in a source of each kind in `folder`: what is opened, and the file that something happens to.
fn sources(folder: &Path) -> Vec<(PathBuf, PathBuf)> {
    let put = |name: &str, content: &[u8]| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    };
    let parquet = put("set.parquet", &hugging_face(400, 10, &["a", "b"]));
    let archive: Vec<_> = (0..400).map(|index| (format!("{index}.png"), png(index))).collect();
    let archive = put("set.tar", &tar(&archive));
    let list: String = (0..400).map(|index| format!("list/{index}.png,{}\n", index % 2)).collect();
    (0..400).for_each(|index| drop(put(&format!("list/{index}.png"), &png(index))));
    let list = put("set.csv", list.as_bytes());
    let records: Vec<u8> =
        (0..400).flat_map(|index| std::iter::once((index % 10) as u8).chain([index as u8; 3072])).collect();
    let cifar = put("test_batch.bin", &records);
    for index in 0..400 {
        put(&format!("folder/{}/{index:03}.png", index / 200), &png(index));
    }
    let one = folder.join("folder/0/123.png");
    let whole = [parquet, archive, list, cifar].map(|file| (file.clone(), file));
    whole.into_iter().chain([(folder.join("folder"), one)]).collect()
}

#[test]
fn a_source_that_vanishes_ends_the_epoch_with_its_name() {
    robust(|| {
        for fate in [Fate::Deleted, Fate::Truncated, Fate::Replaced] {
            let dir = tempfile::tempdir().unwrap();
            for (path, file) in sources(dir.path()) {
                let data = open(&path).unwrap();
                let mut epoch = Loader::new(data, plain(), options(4, 2)).unwrap().epoch(0, 0);
                assert!(epoch.next().unwrap().is_ok());
                fate.strike(&file);
                let name = file.file_name().unwrap().to_str().unwrap();
                let mut rest: Vec<_> = epoch.by_ref().collect();
                // An open file outlives its name, where the system is a Unix.
                if fate == Fate::Deleted && name == "test_batch.bin" && rest.iter().all(Result::is_ok) {
                    assert_eq!(rest.len(), 99);
                    continue;
                }
                let error = rest.pop().unwrap().unwrap_err();
                assert!(
                    error.is_bad_sample() && error.to_string().contains(name),
                    "{fate:?} {name}: {error}"
                );
                assert!(rest.len() < 60 && rest.iter().all(Result::is_ok), "{fate:?} {name}");
                assert!(epoch.next().is_none());
            }
        }
    });
}

#[test]
fn where_bad_samples_are_skipped_what_vanished_is_counted() {
    robust(|| {
        for fate in [Fate::Deleted, Fate::Truncated, Fate::Replaced] {
            let dir = tempfile::tempdir().unwrap();
            for (path, file) in sources(dir.path()) {
                let data = open(&path).unwrap();
                let skip = LoaderOptions { on_bad_sample: OnBadSample::Skip, ..options(4, 2) };
                let mut epoch = Loader::new(data, plain(), skip).unwrap().epoch(0, 0);
                let mut delivered = epoch.next().unwrap().unwrap().labels.len();
                fate.strike(&file);
                delivered += epoch.by_ref().map(|batch| batch.unwrap().labels.len()).sum::<usize>();
                assert_eq!(delivered + epoch.skipped().len(), 400, "{fate:?} {}", path.display());
                if path.is_dir() {
                    let keys: Vec<_> = epoch.skipped().iter().map(|skipped| skipped.key.as_str()).collect();
                    assert_eq!(keys, ["0/123.png"]);
                }
            }
        }
    });
}

#[test]
fn a_stream_whose_archive_vanishes_ends_with_its_name() {
    robust(|| {
        let dir = tempfile::tempdir().unwrap();
        let files: Vec<PathBuf> = (0..3).map(|shard| dir.path().join(format!("{shard}.tar"))).collect();
        // Far more than is read ahead.
        let archive: Vec<_> = (0..40).map(|index| (format!("{index}.dat"), vec![0; 1 << 16])).collect();
        let samples: Vec<_> = (0..40).map(|index| (format!("{index}.png"), png(index))).collect();
        let whole = tar(&[samples, archive].concat());
        files.iter().for_each(|file| std::fs::write(file, &whole).unwrap());
        let stream = Arc::new(TarStream::new(&files, StreamOptions::default()).unwrap());
        let loader = StreamLoader::new(stream, plain(), options(8, 2)).unwrap();
        let mut epoch = loader.epoch(0, 0);
        assert!(epoch.next().unwrap().is_ok());
        Fate::Truncated.strike(&files[0]);
        std::fs::remove_file(&files[1]).unwrap();
        let error = epoch.find_map(Result::err).unwrap();
        assert!(error.is_bad_sample() && error.to_string().contains("0.tar"), "{error}");
        assert!(epoch.next().is_none());

        let skip = LoaderOptions { on_bad_sample: OnBadSample::Skip, ..options(8, 2) };
        let stream = Arc::new(TarStream::new(&files[1..], StreamOptions::default()).unwrap());
        let mut epoch = StreamLoader::new(stream, plain(), skip).unwrap().epoch(0, 0);
        assert_eq!(epoch.by_ref().map(|batch| batch.unwrap().labels.len()).sum::<usize>(), 40);
        assert_eq!(epoch.skipped().len(), 1);
        assert!(epoch.skipped()[0].key.ends_with("1.tar"), "{}", epoch.skipped()[0].key);
    });
}

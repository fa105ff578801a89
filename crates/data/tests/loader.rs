//! The loader: order, resume, bad samples, shutting down, memory.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::{hugging_face, image, in_memory};
use visrep_augment::{Compose, Op, Rng, Transform, View};
use visrep_data::{
    Batch, Dataset, Error, InMemory, Loader, LoaderOptions, OnBadSample, Parquet, Sample, SampleImage, Views,
};
use visrep_decode::RgbImage;

/// Changes every pixel by random numbers, so that equal output means equal draws.
struct Noise;

impl Transform for Noise {
    fn draw(&self, view: &mut View, rng: &mut Rng) {
        use rand::RngExt;
        let (width, height) = view.size();
        let noise: Vec<u8> = (0..width * height * 3).map(|_| rng.random()).collect();
        view.push(Op::custom("noise", None, move |mut image| {
            image.data_mut().iter_mut().zip(&noise).for_each(|(byte, by)| *byte = byte.wrapping_add(*by));
            image
        }));
    }
}

struct Call<F>(F);

impl<F: Fn(RgbImage) -> RgbImage + Clone + Send + Sync + 'static> Transform for Call<F> {
    fn draw(&self, view: &mut View, _: &mut Rng) {
        view.push(Op::custom("call", None, self.0.clone()));
    }
}

fn options(batch_size: usize, workers: usize) -> LoaderOptions {
    LoaderOptions { batch_size, workers, seed: 9, ..LoaderOptions::default() }
}

fn plain() -> Views {
    Views::single(Compose::new())
}

/// Everything in a batch.
type Content = (Vec<Vec<u8>>, Vec<i64>, Vec<usize>, Vec<String>);

fn content(batch: Batch) -> Content {
    (batch.views.into_iter().map(|view| view.data).collect(), batch.labels, batch.indices, batch.keys)
}

fn run(loader: &Loader, epoch: u64, start: usize) -> Vec<Content> {
    loader.epoch(epoch, start).map(|batch| content(batch.unwrap())).collect()
}

/// `n` good samples, except that those in `bad` are no images.
fn with_bad(n: usize, bad: &[usize]) -> Arc<InMemory> {
    let good = in_memory(n);
    let sample = |index| {
        let sample = good.get(index).unwrap();
        let junk = SampleImage::Encoded(Bytes::from_static(b"junk"));
        if bad.contains(&index) { Sample { image: junk, ..sample } } else { sample }
    };
    Arc::new(InMemory::new((0..n).map(sample).collect(), good.classes().to_vec()))
}

#[test]
fn workers_prefetch_and_resume_change_nothing() {
    let parquet = Parquet::from_bytes(Bytes::from(hugging_face(103, 9, &["a", "b"])), "p").unwrap();
    let sets: [Arc<dyn Dataset>; 2] = [Arc::new(in_memory(103)), Arc::new(parquet)];
    for (data, shuffle) in sets.iter().flat_map(|data| [(data, false), (data, true)]) {
        let loader = |workers, prefetch| {
            let options = LoaderOptions { shuffle, prefetch, ..options(10, workers) };
            Loader::new(data.clone(), Views::same(Noise, 2), options).unwrap()
        };
        let expected = run(&loader(0, 1), 3, 0);
        assert_eq!(expected.len(), 11);
        assert_ne!(expected[0].0[0], expected[0].0[1], "views draw their own numbers");
        for (workers, prefetch) in [(0, 3), (1, 1), (1, 2), (2, 2), (4, 1), (4, 8)] {
            assert_eq!(
                run(&loader(workers, prefetch), 3, 0),
                expected,
                "{workers} workers, {prefetch} ahead"
            );
        }
        for start in [1, 5, 10, 11, 99] {
            assert_eq!(run(&loader(2, 2), 3, start), expected[start.min(11)..], "from batch {start}");
        }
        assert_ne!(run(&loader(2, 2), 4, 0)[0].0, expected[0].0, "another epoch, other draws");
    }
}

#[test]
fn an_epoch_holds_every_sample_once_with_its_own_pixels_label_and_key() {
    let data = Arc::new(in_memory(50));
    let loader = Loader::new(data, plain(), LoaderOptions { shuffle: true, ..options(8, 2) }).unwrap();
    assert_eq!(loader.batches_per_epoch(), 7);
    let order =
        |epoch| -> Vec<usize> { run(&loader, epoch, 0).into_iter().flat_map(|batch| batch.2).collect() };
    let mut first = order(0);
    assert_ne!(first, order(1));
    first.sort_unstable();
    assert_eq!(first, (0..50).collect::<Vec<_>>());
    for batch in loader.epoch(0, 0) {
        let batch = batch.unwrap();
        let view = &batch.views[0];
        assert_eq!((view.height, view.width, view.data.len()), (5, 6, view.n * 90));
        for (slot, index) in batch.indices.iter().enumerate() {
            assert_eq!(view.data[slot * 90..][..90], *image(*index, 6, 5).data());
            assert_eq!(batch.labels[slot], (*index % 3) as i64);
            assert_eq!(batch.keys[slot], format!("image-{index}"));
        }
    }
}

#[test]
fn drop_last_leaves_out_the_short_batch_only() {
    let data = Arc::new(in_memory(25));
    for (n, drop_last, sizes) in
        [(10, false, vec![10, 10, 5]), (10, true, vec![10, 10]), (25, true, vec![25])]
    {
        let loader =
            Loader::new(data.clone(), plain(), LoaderOptions { drop_last, ..options(n, 2) }).unwrap();
        assert_eq!(loader.batches_per_epoch(), sizes.len());
        assert_eq!(run(&loader, 0, 0).iter().map(|batch| batch.1.len()).collect::<Vec<_>>(), sizes);
    }
    let views = |count| Views::same(Compose::new(), count);
    let bad = [
        (views(1), LoaderOptions { drop_last: true, ..options(26, 2) }),
        (views(1), options(0, 2)),
        (views(1), options(4, 100_000)),
        (views(1), LoaderOptions { prefetch: 0, ..options(4, 2) }),
        (views(0), options(4, 2)),
    ];
    for (views, options) in bad {
        assert!(matches!(Loader::new(data.clone(), views, options), Err(Error::Option { .. })));
    }
    assert!(Loader::new(Arc::new(InMemory::new(vec![], vec![])), plain(), options(4, 2)).is_err());
}

#[test]
fn the_first_bad_sample_in_order_ends_a_strict_epoch() {
    let data = with_bad(60, &[23, 25, 40]);
    for workers in [0, 1, 4] {
        let mut epoch = Loader::new(data.clone(), plain(), options(10, workers)).unwrap().epoch(0, 0);
        assert!(epoch.next().unwrap().is_ok() && epoch.next().unwrap().is_ok());
        let error = epoch.next().unwrap().unwrap_err();
        assert!(matches!(&error, Error::Decode { key, .. } if key == "image-23"), "{error}");
        assert!(epoch.next().is_none());
        assert_eq!(epoch.position(), 2);
    }
}

#[test]
fn skipped_samples_are_listed_and_do_not_move_the_others() {
    let bad = [3, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 27];
    let whole = run(&Loader::new(with_bad(33, &[]), Views::same(Noise, 2), options(10, 0)).unwrap(), 0, 0);
    for workers in [0, 1, 2, 4] {
        let skip = LoaderOptions { on_bad_sample: OnBadSample::Skip, ..options(10, workers) };
        let loader = Loader::new(with_bad(33, &bad), Views::same(Noise, 2), skip).unwrap();
        let mut epoch = loader.epoch(0, 0);
        let mut batches = Vec::new();
        let mut positions = Vec::new();
        for batch in epoch.by_ref() {
            batches.push(content(batch.unwrap()));
        }
        for (index, key) in bad.iter().zip(epoch.skipped()) {
            assert_eq!((key.index, key.key.as_str()), (*index, format!("image-{index}").as_str()));
        }
        assert_eq!(epoch.skipped().len(), bad.len());
        // Batch 1 is bad throughout and is not delivered; the rest are the whole batches less the bad slots.
        let expected: Vec<Content> = [0, 2, 3]
            .map(|b: usize| {
                let (views, labels, indices, keys) = &whole[b];
                let good: Vec<usize> =
                    (0..labels.len()).filter(|slot| !bad.contains(&indices[*slot])).collect();
                let pixels =
                    |view: &Vec<u8>| good.iter().flat_map(|s| view[s * 90..][..90].to_vec()).collect();
                (
                    views.iter().map(pixels).collect(),
                    good.iter().map(|s| labels[*s]).collect(),
                    good.iter().map(|s| indices[*s]).collect(),
                    good.iter().map(|s| keys[*s].clone()).collect(),
                )
            })
            .into();
        assert_eq!(batches, expected);
        // A resume from any position gives the rest.
        let mut epoch = loader.epoch(0, 0);
        while let Some(batch) = epoch.next() {
            batch.unwrap();
            positions.push(epoch.position());
        }
        assert_eq!(positions, [1, 3, 4]);
        for (done, position) in positions.into_iter().enumerate() {
            assert_eq!(run(&loader, 0, position), expected[done + 1..]);
        }
    }
}

#[test]
fn nothing_but_bad_samples_is_an_error_even_when_they_may_be_skipped() {
    let skip = LoaderOptions { on_bad_sample: OnBadSample::Skip, ..options(2, 2) };
    let mut epoch = Loader::new(with_bad(5, &[0, 1, 2, 3, 4]), plain(), skip).unwrap().epoch(0, 0);
    let error = epoch.next().unwrap().unwrap_err();
    assert!(matches!(&error, Error::NothingReadable { count: 5, .. }), "{error}");
    assert!(epoch.next().is_none());
}

#[test]
fn a_broken_row_group_fails_or_is_skipped_by_key() {
    let mut bytes = hugging_face(40, 10, &["a"]);
    // The first page's header: nothing of the first row group can be read.
    bytes[4..20].fill(0xff);
    let data: Arc<dyn Dataset> = Arc::new(Parquet::from_bytes(Bytes::from(bytes), "p.parquet").unwrap());
    let mut strict = Loader::new(data.clone(), plain(), options(8, 2)).unwrap().epoch(0, 0);
    let error = strict.next().unwrap().unwrap_err();
    assert!(error.to_string().starts_with("p.parquet: row group 0: "), "{error}");
    let skip = LoaderOptions { on_bad_sample: OnBadSample::Skip, ..options(8, 2) };
    let mut epoch = Loader::new(data, plain(), skip).unwrap().epoch(0, 0);
    assert_eq!(epoch.by_ref().map(|batch| batch.unwrap().labels.len()).sum::<usize>(), 30);
    let skipped: Vec<_> = epoch.skipped().iter().map(|skipped| skipped.key.clone()).collect();
    assert_eq!(skipped, (0..10).map(|row| format!("p.parquet:{row}")).collect::<Vec<_>>());
}

#[test]
fn a_panic_is_an_error_with_the_key_and_is_never_skipped() {
    for workers in [0, 2] {
        let bomb = Call(|image: RgbImage| if image.data()[0] == 7 { panic!("boom {}", 7) } else { image });
        let skip = LoaderOptions { on_bad_sample: OnBadSample::Skip, ..options(4, workers) };
        let mut epoch = Loader::new(Arc::new(in_memory(20)), Views::single(bomb), skip).unwrap().epoch(0, 0);
        assert!(epoch.next().unwrap().is_ok());
        let error = epoch.next().unwrap().unwrap_err();
        assert!(
            matches!(&error, Error::Panic { key, message } if key == "image-7" && message == "boom 7"),
            "{error}"
        );
        assert!(epoch.next().is_none());
    }
}

#[test]
fn views_may_differ_in_size_but_samples_may_not() {
    let half = Call(|image: RgbImage| RgbImage::filled(image.width() / 2, image.height(), [1; 3]));
    let views = Views::new(vec![Box::new(Compose::new()), Box::new(half)]);
    let loader = Loader::new(Arc::new(in_memory(10)), views, options(5, 2)).unwrap();
    for batch in loader.epoch(0, 0) {
        let sizes: Vec<_> = batch.unwrap().views.iter().map(|v| (v.n, v.width, v.height)).collect();
        assert_eq!(sizes, [(5, 6, 5), (5, 3, 5)]);
    }
    let odd =
        Call(|image: RgbImage| if image.data()[0] == 4 { RgbImage::filled(9, 9, [0; 3]) } else { image });
    let mut epoch =
        Loader::new(Arc::new(in_memory(10)), Views::single(odd), options(10, 0)).unwrap().epoch(0, 0);
    let text = epoch.next().unwrap().unwrap_err().to_string();
    assert!(
        text.starts_with("image-4: view 0 is 9x9, but that of image-0 in the same batch is 6x5"),
        "{text}"
    );
}

#[test]
fn other_views_of_the_same_samples() {
    let loader = Loader::new(Arc::new(in_memory(10)), plain(), options(5, 2)).unwrap();
    let half = Call(|image: RgbImage| RgbImage::filled(image.width() / 2, image.height(), [1; 3]));
    let halves = loader.with_views(Views::single(half)).unwrap();
    for (whole, half) in loader.epoch(3, 0).zip(halves.epoch(3, 0)) {
        let (whole, half) = (whole.unwrap(), half.unwrap());
        assert_eq!((whole.indices, whole.views[0].width), (half.indices, 2 * half.views[0].width));
    }
    assert!(loader.with_views(Views::new(Vec::new())).is_err());
}

/// Counts reads, and threads that are inside one; each takes a while.
struct Counting {
    inner: InMemory,
    reads: AtomicUsize,
    delay: Duration,
}

impl Counting {
    fn new(n: usize, delay: Duration) -> Arc<Self> {
        Arc::new(Self { inner: in_memory(n), reads: AtomicUsize::new(0), delay })
    }
}

impl Dataset for Counting {
    fn len(&self) -> usize {
        self.inner.len()
    }
    fn get(&self, index: usize) -> Result<Sample, Error> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(self.delay);
        self.inner.get(index)
    }
    fn label(&self, index: usize) -> Option<u32> {
        self.inner.label(index)
    }
    fn classes(&self) -> &[String] {
        self.inner.classes()
    }
    fn groups(&self) -> Vec<Range<usize>> {
        self.inner.groups()
    }
}

#[test]
fn an_epoch_outlives_its_loader_and_may_be_moved() {
    let epoch = Loader::new(Arc::new(in_memory(20)), plain(), options(6, 2)).unwrap().epoch(0, 0);
    let sizes =
        std::thread::spawn(move || epoch.map(|batch| batch.unwrap().labels.len()).collect::<Vec<_>>());
    assert_eq!(sizes.join().unwrap(), [6, 6, 6, 2]);
}

#[test]
fn each_image_is_read_once_for_all_its_views() {
    let data = Counting::new(12, Duration::ZERO);
    let loader = Loader::new(data.clone(), Views::same(Noise, 5), options(4, 2)).unwrap();
    assert_eq!(run(&loader, 0, 0).iter().map(|batch| batch.0.len()).collect::<Vec<_>>(), [5, 5, 5]);
    assert_eq!(data.reads.load(Ordering::SeqCst), 12);
}

#[test]
fn a_resumed_epoch_of_bad_samples_only_just_ends() {
    let skip = LoaderOptions { on_bad_sample: OnBadSample::Skip, ..options(2, 2) };
    let loader = Loader::new(with_bad(6, &[2, 3, 4, 5]), plain(), skip).unwrap();
    let mut resumed = loader.epoch(0, 1);
    assert!(resumed.next().is_none());
    assert_eq!((resumed.skipped().len(), resumed.position()), (4, 3));
}

#[test]
fn an_error_is_the_last_thing_of_an_epoch() {
    for workers in [0, 2] {
        let bomb = Call(|image: RgbImage| if image.data()[0] == 3 { panic!("boom") } else { image });
        let skip = LoaderOptions { on_bad_sample: OnBadSample::Skip, ..options(2, workers) };
        let loader = Loader::new(with_bad(6, &[0, 1]), Views::single(bomb), skip).unwrap();
        let mut epoch = loader.epoch(0, 0);
        assert!(matches!(epoch.next(), Some(Err(Error::Panic { .. }))));
        assert_eq!(epoch.skipped().len(), 2);
        assert!(epoch.next().is_none());
    }
}

#[test]
fn an_absurd_prefetch_means_the_whole_epoch() {
    for workers in [0, 2] {
        let options = LoaderOptions { prefetch: usize::MAX, ..options(7, workers) };
        let loader = Loader::new(Arc::new(in_memory(30)), plain(), options).unwrap();
        assert_eq!(run(&loader, 0, 0).len(), 5);
    }
}

/// A dataset of which nothing can be read, nor a key given.
struct Hostile;

impl Dataset for Hostile {
    fn len(&self) -> usize {
        3
    }
    fn get(&self, index: usize) -> Result<Sample, Error> {
        Err(Error::Row { key: index.to_string(), problem: "is bad".into() })
    }
    fn label(&self, _: usize) -> Option<u32> {
        None
    }
    fn classes(&self) -> &[String] {
        &[]
    }
    fn key(&self, _: usize) -> String {
        panic!("no key")
    }
}

#[test]
fn a_dataset_that_panics_over_a_key_stops_no_worker() {
    for workers in [0, 1] {
        let skip = LoaderOptions { on_bad_sample: OnBadSample::Skip, ..options(2, workers) };
        let mut epoch = Loader::new(Arc::new(Hostile), plain(), skip).unwrap().epoch(0, 0);
        assert!(matches!(epoch.next(), Some(Err(Error::NothingReadable { count: 3, .. }))));
        let keys: Vec<_> = epoch.skipped().iter().map(|skipped| skipped.key.as_str()).collect();
        assert_eq!(keys, ["sample 0", "sample 1", "sample 2"]);
    }
}

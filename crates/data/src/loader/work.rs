//! A batch in the making: samples are loaded by any thread, and the thread that is last completes it.

use super::{OnBadSample, Shared};
use crate::decode::decode_views;
use crate::error::panic_message;
use crate::fingerprint::Fingerprint;
use crate::{Batch, Error, ImageBatch, Sample};
use crossbeam_channel::Sender;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use visrep_augment::{Transform, View, view_rng};
use visrep_decode::RgbImage;

/// Keeps the random numbers that choose positives apart from those of the views, which have a view's number here.
const POSITIVE: u64 = 1 << 32;

/// Those of what all views of a sample begin with.
const COMMON: u64 = 1 << 33;

/// A sample that was left out under [`OnBadSample::Skip`].
#[derive(Debug)]
pub struct Skipped {
    /// Index in the dataset.
    pub index: usize,
    /// The sample's key.
    pub key: String,
    /// Why it cannot be used.
    pub error: Error,
}

/// A batch and the samples that were left out of it.
pub(super) struct Finished {
    pub(super) batch: Batch,
    pub(super) skipped: Vec<Skipped>,
}

/// What a slot of a batch is filled from.
pub(super) enum Item {
    /// A sample of the dataset, and what tells its random numbers from others'.
    Index { index: usize, identity: u64 },
    /// A sample that was read already, its place in the epoch, and its key. A worker takes it out.
    Sample { position: usize, key: String, sample: Mutex<Option<Result<Sample, Error>>> },
}

impl Item {
    /// An item of a stream.
    pub(super) fn sample(position: usize, sample: Result<Sample, Error>) -> Self {
        let key = match &sample {
            Ok(Sample { key, .. }) | Err(Error::Row { key, .. } | Error::Panic { key, .. }) => key.clone(),
            Err(Error::Io { path, .. }) => path.display().to_string(),
            Err(_) => format!("sample {position} of the stream"),
        };
        Self::Sample { position, key, sample: Mutex::new(Some(sample)) }
    }

    fn index(&self) -> usize {
        match self {
            Self::Index { index, .. } => *index,
            Self::Sample { position, .. } => *position,
        }
    }

    /// What tells the sample's random numbers from others'; of a stream's sample, a hash of its key.
    fn identity(&self) -> u64 {
        match self {
            Self::Index { identity, .. } => *identity,
            Self::Sample { key, .. } => Fingerprint::of(key),
        }
    }

    fn read(&self, shared: &Shared) -> Result<Sample, Error> {
        let gone = Error::Index { index: self.index(), len: 0 };
        match self {
            Self::Index { index, .. } => shared.dataset.as_ref().ok_or(gone)?.get(*index),
            Self::Sample { sample, .. } => {
                sample.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or(Err(gone))
            }
        }
    }

    /// The sample's key, also of a dataset that panics when it is asked for one.
    fn key(&self, shared: &Shared) -> String {
        match self {
            Self::Sample { key, .. } => key.clone(),
            Self::Index { index, .. } => {
                let key = || shared.dataset.as_ref().map(|dataset| dataset.key(*index));
                let key = catch_unwind(AssertUnwindSafe(key)).ok().flatten();
                key.unwrap_or_else(|| format!("sample {index}"))
            }
        }
    }
}

/// A batch in the making.
pub(super) struct Work {
    epoch: u64,
    /// A position here is a slot of the batch.
    items: Vec<Item>,
    assembly: Mutex<Assembly>,
    /// Has room for the one message that is sent, so that sending never blocks.
    done: Sender<Result<Finished, Error>>,
}

/// What is there of a batch. Pixels are copied in under the lock: a few microseconds for each sample's milliseconds.
struct Assembly {
    open_slots: usize,
    views: Vec<ImageBatch>,
    /// Label and key of each slot that is filled.
    meta: Vec<Option<(i64, String)>>,
    skipped: Vec<(usize, Skipped)>,
    /// The error in the lowest slot so far.
    failure: Option<(usize, Error)>,
}

/// One sample, ready to be put in place.
struct Loaded {
    views: Vec<RgbImage>,
    label: i64,
    key: String,
}

impl Work {
    pub(super) fn new(epoch: u64, items: Vec<Item>, done: Sender<Result<Finished, Error>>) -> Self {
        let assembly = Assembly {
            open_slots: items.len(),
            views: Vec::new(),
            meta: vec![None; items.len()],
            skipped: Vec::new(),
            failure: None,
        };
        Self { epoch, items, assembly: Mutex::new(assembly), done }
    }

    /// Loads the sample of slot `slot` and puts it in place; the last slot completes the batch. Never panics
    /// on account of a dataset or a transform.
    pub(super) fn run(&self, shared: &Shared, slot: usize) {
        // Slots after one that failed are of no use. Those before it still are: the error reported is
        // that of the first bad sample in the batch, whichever thread was faster.
        let pointless = matches!(&self.lock().failure, Some((failed, _)) if *failed < slot);
        let loaded = if pointless { None } else { Some(self.load(shared, slot)) };
        let skips = shared.options.on_bad_sample == OnBadSample::Skip;
        // The dataset's own code does not run under the lock.
        let skipped = match &loaded {
            Some(Err(error)) if skips && error.is_bad_sample() => Some(self.items[slot].key(shared)),
            _ => None,
        };
        let mut assembly = self.lock();
        if let Some(result) = loaded
            && let Err(error) = result.and_then(|sample| assembly.place(slot, sample))
        {
            if let Some(key) = skipped {
                assembly.skipped.push((slot, Skipped { index: self.items[slot].index(), key, error }));
            } else if assembly.failure.as_ref().is_none_or(|(failed, _)| slot < *failed) {
                assembly.failure = Some((slot, error));
            }
        }
        assembly.open_slots -= 1;
        if assembly.open_slots == 0 {
            // The receiver is gone when the epoch was dropped; then nobody wants the batch.
            let _ = self.done.send(assembly.finish(&self.items));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Assembly> {
        self.assembly.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads and decodes a sample once and draws all its views.
    fn load(&self, shared: &Shared, slot: usize) -> Result<Loaded, Error> {
        let item = &self.items[slot];
        let load = || {
            let sample = item.read(shared)?;
            let (label, key) = (sample.label.map_or(-1, i64::from), sample.key.clone());
            let rng = |coordinate| view_rng(shared.options.seed, self.epoch, item.identity(), coordinate);
            let view = |number: usize, transform: &dyn Transform, size| {
                let mut view = View::new(size);
                if let Some(common) = shared.views.common() {
                    common.draw(&mut view, &mut rng(COMMON));
                }
                transform.draw(&mut view, &mut rng(number as u64));
                view
            };
            let views = |sample: Sample, from: usize, to: usize| {
                let draw = |size| {
                    let chosen = shared.views.iter().enumerate().take(to).skip(from);
                    chosen.map(|(number, transform)| view(number, transform, size)).collect()
                };
                let options = &shared.options;
                decode_views(sample.image, &sample.key, &options.decode, options.decode_at_scale, draw)
            };
            let (Some(positives), Some(dataset)) = (shared.views.positives(), &shared.dataset) else {
                return Ok(Loaded { views: views(sample, 0, shared.views.len())?, label, key });
            };
            let mut images = views(sample, 0, 1)?;
            for number in 1..shared.views.len() {
                let index = positives.positive(item.index(), &mut rng(POSITIVE + number as u64));
                if index >= dataset.len() {
                    return Err(Error::Index { index, len: dataset.len() });
                }
                images.extend(views(dataset.get(index)?, number, number + 1)?);
            }
            Ok(Loaded { views: images, label, key })
        };
        catch_unwind(AssertUnwindSafe(load)).unwrap_or_else(|payload| {
            Err(Error::Panic { key: item.key(shared), message: panic_message(payload) })
        })
    }
}

/// Room for `n` views of a size.
fn blank(n: usize, width: u32, height: u32) -> Result<ImageBatch, Error> {
    let mut data = Vec::new();
    let bytes = (width as usize * height as usize * 3).checked_mul(n);
    match bytes.map(|bytes| (bytes, data.try_reserve_exact(bytes))) {
        Some((bytes, Ok(()))) => data.resize(bytes, 0),
        _ => {
            let problem = format!("{n} views of {width}x{height} do not fit into memory: lower it");
            return Err(Error::Option { parameter: "batch_size", problem });
        }
    }
    Ok(ImageBatch { n, height, width, data })
}

impl Assembly {
    /// Copies a sample's views into the batch.
    fn place(&mut self, slot: usize, sample: Loaded) -> Result<(), Error> {
        let slots = self.meta.len();
        if self.views.is_empty() {
            let views = sample.views.iter().map(|view| blank(slots, view.width(), view.height()));
            self.views = views.collect::<Result<_, Error>>()?;
        }
        for (view, (image, batch)) in sample.views.iter().zip(&self.views).enumerate() {
            let (found, expected) = ((image.width(), image.height()), (batch.width, batch.height));
            if found != expected {
                let other = self.meta.iter().flatten().next().map(|(_, key)| key.clone()).unwrap_or_default();
                return Err(Error::ViewSize { key: sample.key, view, found, other, expected });
            }
        }
        for (image, batch) in sample.views.iter().zip(&mut self.views) {
            let bytes = image.data();
            batch.data[slot * bytes.len()..][..bytes.len()].copy_from_slice(bytes);
        }
        self.meta[slot] = Some((sample.label, sample.key));
        Ok(())
    }

    /// The batch, without the slots that were skipped.
    fn finish(&mut self, items: &[Item]) -> Result<Finished, Error> {
        if let Some((_, error)) = self.failure.take() {
            return Err(error);
        }
        let mut views = std::mem::take(&mut self.views);
        let mut batch = Batch { views: vec![], labels: vec![], indices: vec![], keys: vec![] };
        for (slot, meta) in std::mem::take(&mut self.meta).into_iter().enumerate() {
            let Some((label, key)) = meta else { continue };
            let to = batch.labels.len();
            if to != slot {
                for view in &mut views {
                    let bytes = view.data.len() / view.n;
                    view.data.copy_within(slot * bytes..(slot + 1) * bytes, to * bytes);
                }
            }
            batch.labels.push(label);
            batch.indices.push(items[slot].index());
            batch.keys.push(key);
        }
        let n = batch.labels.len();
        for view in &mut views {
            view.data.truncate(view.data.len() / view.n * n);
            view.n = n;
        }
        batch.views = views;
        self.skipped.sort_by_key(|(slot, _)| *slot);
        let skipped = self.skipped.drain(..).map(|(_, skipped)| skipped).collect();
        Ok(Finished { batch, skipped })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_beyond_memory_is_an_error() {
        for n in [1 << 45, usize::MAX] {
            let text = blank(n, 224, 224).err().map(|error| error.to_string());
            let expected = format!("batch_size: {n} views of 224x224 do not fit into memory: lower it");
            assert_eq!(text, Some(expected));
        }
        assert_eq!(blank(2, 3, 4).map(|batch| batch.data).ok(), Some(vec![0; 72]));
    }
}

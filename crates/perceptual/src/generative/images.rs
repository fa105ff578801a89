//! Images on their way to the network: read, decoded and resized by several threads, a batch ahead of it.

use super::InceptionResize;
use super::resize::VALUES;
use crate::Error;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, PoisonError};
use visrep_data::{Dataset, decode_sample};
use visrep_decode::DecodeOptions;

/// Gives `take` the images `0..used` of `data` in their order, as batches of 299 x 299 pixels; it returns whether it wants more.
pub(super) fn for_each_batch(
    data: &dyn Dataset,
    used: usize,
    resize: InceptionResize,
    (batch_size, workers): (usize, usize),
    mut take: impl FnMut(&[f32]) -> Result<(), Error>,
) -> Result<(), Error> {
    std::thread::scope(|scope| {
        let (send, receive) = sync_channel(1);
        scope.spawn(move || {
            for first in (0..used).step_by(batch_size) {
                let batch = prepare(data, first..used.min(first + batch_size), resize, workers);
                let failed = batch.is_err();
                // The other side is gone after an error of its own.
                if send.send(batch).is_err() || failed {
                    break;
                }
            }
        });
        receive.into_iter().try_for_each(|batch| take(&batch?))
    })
}

/// The samples `range`, one after the other.
fn prepare(
    data: &dyn Dataset,
    range: Range<usize>,
    resize: InceptionResize,
    workers: usize,
) -> Result<Vec<f32>, Error> {
    let mut values = vec![0.0; range.len() * VALUES];
    let threads = workers.clamp(1, range.len().max(1));
    let samples = Mutex::new(range.zip(values.chunks_exact_mut(VALUES)));
    let (failed, error) = (AtomicBool::new(false), Mutex::new(None));
    let next = || samples.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        while let Some((index, place)) = next().filter(|_| !failed.load(Ordering::Relaxed)) {
            match prepared(data, index, resize) {
                Ok(values) => place.copy_from_slice(&values),
                Err(found) => {
                    failed.store(true, Ordering::Relaxed);
                    // Of several the first in the data's order, whichever thread is faster.
                    let mut error = error.lock().unwrap_or_else(PoisonError::into_inner);
                    if error.as_ref().is_none_or(|(earlier, _)| index < *earlier) {
                        *error = Some((index, found));
                    }
                }
            }
        }
    };
    std::thread::scope(|scope| {
        (1..threads).for_each(|_| drop(scope.spawn(work)));
        work();
    });
    match error.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some((_, error)) => Err(error),
        None => Ok(values),
    }
}

fn prepared(data: &dyn Dataset, index: usize, resize: InceptionResize) -> Result<Vec<f32>, Error> {
    let sample = data.get(index)?;
    let image = decode_sample(&sample, &DecodeOptions::default())?;
    if image.data().is_empty() {
        return Err(Error::NoPixels { key: sample.key });
    }
    Ok(resize.apply(&image))
}

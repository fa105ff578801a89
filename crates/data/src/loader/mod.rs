//! The threaded loader: a dataset, epoch by epoch, as batches of views.
//!
//! **How work is shared.** A few batches are in flight at once, and the unit of work is one sample: workers take
//! samples in order, the front batch's first, and write their views into that batch's buffers. So the batch
//! that the caller waits for is worked on by all threads (its delay does not grow with the batch size, and
//! there is no tail in which one thread finishes a whole batch while the others idle), while batches
//! behind it keep everybody busy when the caller is slow. Against whole batches per worker this needs a
//! fraction of the memory for the same throughput: `prefetch` batches, not `workers x prefetch`.
//!
//! **Memory.** At most `prefetch` batches are in flight, besides those the caller holds, and each has one
//! allocation per view. Nothing is read ahead of them.
//!
//! **Order.** Batches come in the order of the epoch, and every pixel is a function of the seed, the epoch, the
//! sample's index (its position, where samples are drawn with replacement) and the view. The number of workers, `prefetch` and a resume change nothing.
//!
//! **Bad samples.** Batch `b` is made of positions `b * batch_size ..` of the epoch's order, whichever samples turn
//! out bad. Under [`OnBadSample::Skip`] they are left out and the batch is shorter; nothing moves up. This
//! is what makes `epoch(e, b)` exact without knowing what was skipped before `b`. A batch with no good
//! sample is not delivered; [`Epoch::position`] says from which batch to resume in any case.

mod epoch;
mod order;
mod positives;
mod sampling;
mod views;
mod work;

use crate::{Dataset, Error, SampleStream};
use epoch::Supply;
use order::Order;
use sampling::Draw;
use std::sync::Arc;
use visrep_decode::DecodeOptions;

pub use epoch::Epoch;
pub use positives::{ClassPositives, Positives, SequencePositives};
pub use sampling::{ProcessShare, Sampling};
pub use views::Views;
pub use work::Skipped;

/// What to do about a sample that cannot be read or decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnBadSample {
    /// End the epoch with an error that names the sample.
    #[default]
    Fail,
    /// Leave the sample out of its batch and list it in [`Epoch::skipped`].
    Skip,
}

/// How a [`Loader`] works. The default is sequential and strict: batches of 64, a worker per core, no shuffle.
#[derive(Clone, Debug)]
pub struct LoaderOptions {
    /// Samples per batch.
    pub batch_size: usize,
    /// Worker threads; 0 does the work on the caller's thread. The result is the same.
    pub workers: usize,
    /// Whether each epoch draws its own order. Datasets with groups (row groups of Parquet files) are shuffled
    /// by group, and then within a window of as many groups as the dataset keeps in memory.
    pub shuffle: bool,
    /// Which samples an epoch has. What draws with replacement does not need `shuffle`.
    pub sampling: Sampling,
    /// This process's share of every epoch, where there are several.
    pub share: Option<ProcessShare>,
    /// What all randomness is drawn from: order and views.
    pub seed: u64,
    /// Whether to leave out the last batch when it would be short.
    pub drop_last: bool,
    /// What to do about a sample that cannot be read or decoded.
    pub on_bad_sample: OnBadSample,
    /// Batches in flight ahead of the caller, at least 1; more than an epoch has mean all of them.
    pub prefetch: usize,
    /// How images are decoded.
    pub decode: DecodeOptions,
    /// Whether a JPEG of which every view takes a resized crop may be decoded at 1/2, 1/4 or 1/8 where that leaves every view at
    /// least as many pixels as it makes: less work for large images, other pixels than the default's (by 1 to 3 levels in the mean).
    pub decode_at_scale: bool,
}

impl Default for LoaderOptions {
    fn default() -> Self {
        Self {
            batch_size: 64,
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            shuffle: false,
            sampling: Sampling::Each,
            share: None,
            seed: 0,
            drop_last: false,
            on_bad_sample: OnBadSample::Fail,
            prefetch: 2,
            decode: DecodeOptions::default(),
            decode_at_scale: false,
        }
    }
}

/// Loads a dataset epoch by epoch. See the crate's front page for an example.
pub struct Loader {
    shared: Arc<Shared>,
    dataset: Arc<dyn Dataset>,
    draw: Option<Arc<Draw>>,
    /// Samples of an epoch.
    len: usize,
}

/// Loads what comes as a stream, such as [`TarStream`](crate::TarStream), epoch by epoch.
///
/// The stream is read on the caller's thread, images are decoded by the workers. The random numbers of a sample's
/// views come from the seed, the epoch and its key. [`Batch::indices`](crate::Batch::indices) are positions in the epoch.
pub struct StreamLoader {
    shared: Arc<Shared>,
    stream: Arc<dyn SampleStream>,
}

/// What an epoch and its workers look at.
struct Shared {
    /// Where tasks are indices.
    dataset: Option<Arc<dyn Dataset>>,
    views: Views,
    options: LoaderOptions,
}

/// What cannot work with any source.
fn check(views: &Views, options: &LoaderOptions) -> Result<(), Error> {
    const MAX_WORKERS: usize = 1024;
    let fail = |parameter, problem: String| Err(Error::Option { parameter, problem });
    if options.batch_size == 0 {
        return fail("batch_size", "must be at least 1".into());
    }
    if options.prefetch == 0 {
        return fail("prefetch", "must be at least 1".into());
    }
    if options.workers > MAX_WORKERS {
        return fail("workers", format!("{} threads are more than {MAX_WORKERS}", options.workers));
    }
    if views.is_empty() {
        return fail("views", "there must be at least one".into());
    }
    Ok(())
}

impl Loader {
    /// A loader of `views` of `dataset`. Errs when an option cannot work or there is nothing to load.
    pub fn new(dataset: Arc<dyn Dataset>, views: Views, mut options: LoaderOptions) -> Result<Self, Error> {
        check(&views, &options)?;
        let fail = |parameter, problem: String| Err(Error::Option { parameter, problem });
        let len = dataset.len();
        if len == 0 {
            return fail("dataset", "has no samples".into());
        }
        options.share.map_or(Ok(()), |share| share.check(len))?;
        let len = options.share.map_or(len, |share| share.len(len));
        if options.drop_last && len < options.batch_size {
            let problem =
                format!("{} is more than the {len} samples, and drop_last leaves none", options.batch_size);
            return fail("batch_size", problem);
        }
        options.prefetch = options.prefetch.min(len.div_ceil(options.batch_size));
        let draw = Draw::new(&options.sampling, dataset.as_ref())?.map(Arc::new);
        Ok(Self {
            shared: Arc::new(Shared { dataset: Some(dataset.clone()), views, options }),
            dataset,
            draw,
            len,
        })
    }

    /// Batches in an epoch: of this process's share, where it has one.
    pub fn batches_per_epoch(&self) -> usize {
        let size = self.shared.options.batch_size;
        if self.shared.options.drop_last { self.len / size } else { self.len.div_ceil(size) }
    }

    /// The dataset.
    pub fn dataset(&self) -> &Arc<dyn Dataset> {
        &self.dataset
    }

    /// The same loader with other views of its samples.
    ///
    /// # Errors
    /// Views that do not go together.
    pub fn with_views(&self, views: Views) -> Result<Self, Error> {
        let options = self.shared.options.clone();
        check(&views, &options)?;
        let shared = Arc::new(Shared { dataset: self.shared.dataset.clone(), views, options });
        Ok(Self { shared, dataset: Arc::clone(&self.dataset), draw: self.draw.clone(), len: self.len })
    }

    /// Starts epoch `epoch` at batch `start_batch`, whose batches are bit for bit those of the whole epoch.
    pub fn epoch(&self, epoch: u64, start_batch: usize) -> Epoch {
        let LoaderOptions { shuffle, seed, share, batch_size, .. } = self.shared.options;
        let order = match &self.draw {
            Some(draw) => Order::drawn(draw.clone(), seed, epoch),
            None => Order::new(self.dataset.as_ref(), shuffle.then_some((seed, epoch))),
        };
        let position = (start_batch.min(self.batches_per_epoch())) * batch_size;
        // Without a short batch at the end where that is left out.
        let end = self.len.min(self.batches_per_epoch() * batch_size);
        let samples = self.dataset.len();
        let supply = Supply::Indices { order, share, samples, position, end };
        Epoch::start(self.shared.clone(), supply, epoch, start_batch.min(self.batches_per_epoch()))
    }
}

impl StreamLoader {
    /// A loader of `views` of `stream`. Errs when an option cannot work; `shuffle`, `sampling` and `share` are the
    /// stream's own business.
    pub fn new(stream: Arc<dyn SampleStream>, views: Views, options: LoaderOptions) -> Result<Self, Error> {
        check(&views, &options)?;
        if options.shuffle || options.share.is_some() || !matches!(options.sampling, Sampling::Each) {
            let problem =
                "a stream has one order: set its own options, such as those of `StreamOptions`".into();
            return Err(Error::Option { parameter: "shuffle", problem });
        }
        if views.positives().is_some() {
            let problem = "need a dataset: a stream's samples cannot be read by their index".into();
            return Err(Error::Option { parameter: "positives", problem });
        }
        Ok(Self { shared: Arc::new(Shared { dataset: None, views, options }), stream })
    }

    /// Starts epoch `epoch` at batch `start_batch`, whose batches are bit for bit those of the whole epoch.
    pub fn epoch(&self, epoch: u64, start_batch: usize) -> Epoch {
        let position = start_batch.saturating_mul(self.shared.options.batch_size);
        let samples = self.stream.epoch(epoch, position);
        Epoch::start(self.shared.clone(), Supply::Stream { samples, position }, epoch, start_batch)
    }
}

//! One pass through a dataset, and the threads that work for it.

use super::Shared;
use super::order::Order;
use super::sampling::ProcessShare;
use super::work::{Finished, Item, Skipped, Work};
use crate::error::panic_message;
use crate::{Batch, Error, Sample};
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// The batches of an epoch, in order. After an error there are no more.
///
/// Dropping an epoch stops its workers and waits for the samples that they are at, no longer.
pub struct Epoch {
    shared: Arc<Shared>,
    supply: Supply,
    epoch: u64,
    /// The batch that is delivered next.
    position: usize,
    /// Batches in flight, the next one first.
    pending: VecDeque<Pending>,
    /// Whether the caller has had something: a batch, or the error that ended the epoch.
    delivered: bool,
    skipped: Vec<Skipped>,
    failed: Option<Error>,
    pool: Pool,
}

/// What samples come from.
pub(super) enum Supply {
    /// A dataset: the positions from `position` to `end` of a share of its `samples`.
    Indices {
        order: Order,
        share: Option<ProcessShare>,
        samples: usize,
        position: usize,
        end: usize,
    },
    /// A stream, at sample `position`.
    Stream {
        samples: Box<dyn Iterator<Item = Result<Sample, Error>> + Send>,
        position: usize,
    },
    Ended,
}

impl Supply {
    /// The next samples, `size` of them or what is left.
    fn next(&mut self, size: usize) -> Vec<Item> {
        match self {
            Self::Indices { order, share, samples, position, end } => {
                let positions = *position..(*position + size).min(*end);
                *position = positions.end;
                let item = |position| {
                    let common = share.map_or(position, |share| share.position(position, *samples));
                    let index = order.index(common);
                    Item::Index { index, identity: order.identity(common, index) }
                };
                positions.map(item).collect()
            }
            Self::Stream { samples, position } => {
                let mut items = Vec::new();
                while items.len() < size {
                    let next = catch_unwind(AssertUnwindSafe(|| samples.next()));
                    let Some(sample) = next.unwrap_or_else(|payload| {
                        let key = format!("sample {position} of the stream");
                        Some(Err(Error::Panic { key, message: panic_message(payload) }))
                    }) else {
                        break;
                    };
                    items.push(Item::sample(*position, sample));
                    *position += 1;
                }
                items
            }
            Self::Ended => Vec::new(),
        }
    }

    /// How many batches are left, where that is known.
    fn left(&self, size: usize) -> Option<usize> {
        match self {
            Self::Indices { position, end, .. } => Some((end - position).div_ceil(size)),
            Self::Stream { .. } => None,
            Self::Ended => Some(0),
        }
    }
}

struct Pending {
    done: Receiver<Result<Finished, Error>>,
    /// What is still to do, where there are no workers to do it.
    todo: Option<(Arc<Work>, usize)>,
}

/// A sample to load.
struct Task {
    work: Arc<Work>,
    slot: usize,
}

/// Worker threads; empty when the caller's thread does the work.
struct Pool {
    /// Bounded in effect: it holds the samples of the batches in flight.
    tasks: Option<Sender<Task>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Epoch {
    pub(super) fn start(shared: Arc<Shared>, supply: Supply, epoch: u64, start_batch: usize) -> Self {
        let (pool, failed) = match Pool::start(&shared) {
            Ok(pool) => (pool, None),
            Err(error) => (Pool::inline(), Some(error)),
        };
        let mut this = Self {
            position: start_batch,
            shared,
            supply,
            epoch,
            pending: VecDeque::new(),
            // Of a resumed epoch, what came before is not known to have been unreadable.
            delivered: start_batch > 0,
            skipped: Vec::new(),
            failed,
            pool,
        };
        for _ in 0..this.shared.options.prefetch {
            this.schedule();
        }
        this
    }

    /// The samples left out so far under [`OnBadSample::Skip`](super::OnBadSample::Skip), in the epoch's order.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// The number of the batch after the last one delivered: what to pass as `start_batch` to go on from here.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Puts the next batch in flight, if there is one.
    fn schedule(&mut self) {
        if self.failed.is_some() {
            return;
        }
        let size = self.shared.options.batch_size;
        let items = self.supply.next(size);
        let slots = items.len();
        if slots == 0 || slots < size && self.shared.options.drop_last {
            self.supply = Supply::Ended;
            return;
        }
        let (sender, done) = bounded(1);
        let work = Arc::new(Work::new(self.epoch, items, sender));
        let todo = match &self.pool.tasks {
            Some(tasks) => {
                for slot in 0..slots {
                    // Fails only when there are no workers left, which receiving will tell.
                    let _ = tasks.send(Task { work: work.clone(), slot });
                }
                None
            }
            None => Some((work, slots)),
        };
        self.pending.push_back(Pending { done, todo });
    }

    /// Waits for the next batch in flight.
    fn receive(&mut self) -> Option<Result<Finished, Error>> {
        let Pending { done, todo } = self.pending.pop_front()?;
        if let Some((work, slots)) = todo {
            for slot in 0..slots {
                work.run(&self.shared, slot);
            }
        }
        Some(done.recv().unwrap_or(Err(Error::WorkerLost { batch: self.position })))
    }

    /// Ends the epoch with an error.
    fn fail(&mut self, error: Error) -> Option<Result<Batch, Error>> {
        self.pending.clear();
        self.delivered = true;
        self.supply = Supply::Ended;
        self.pool.shut_down();
        Some(Err(error))
    }
}

impl Iterator for Epoch {
    type Item = Result<Batch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            return self.fail(error);
        }
        loop {
            match self.receive() {
                Some(Ok(Finished { batch, skipped })) => {
                    self.position += 1;
                    self.skipped.extend(skipped);
                    self.schedule();
                    if !batch.labels.is_empty() {
                        self.delivered = true;
                        return Some(Ok(batch));
                    }
                }
                Some(Err(error)) => return self.fail(error),
                None if !self.delivered && !self.skipped.is_empty() => {
                    let (count, first) = (self.skipped.len(), self.skipped[0].error.to_string());
                    return self.fail(Error::NothingReadable { count, first });
                }
                None => return None,
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, self.supply.left(self.shared.options.batch_size).map(|left| self.pending.len() + left + 1))
    }
}

impl std::iter::FusedIterator for Epoch {}

impl Pool {
    fn inline() -> Self {
        Self { tasks: None, stop: Arc::default(), threads: Vec::new() }
    }

    fn start(shared: &Arc<Shared>) -> Result<Self, Error> {
        let mut pool = Self::inline();
        if shared.options.workers == 0 {
            return Ok(pool);
        }
        let (sender, tasks) = unbounded::<Task>();
        pool.tasks = Some(sender);
        for worker in 0..shared.options.workers {
            let (shared, tasks, stop) = (shared.clone(), tasks.clone(), pool.stop.clone());
            let work = move || {
                for Task { work, slot } in tasks {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    work.run(&shared, slot);
                }
            };
            let thread = std::thread::Builder::new().name(format!("visrep-data-{worker}")).spawn(work);
            pool.threads.push(thread.map_err(Error::Thread)?);
        }
        Ok(pool)
    }

    /// Ends the threads once each has finished the sample that it is at.
    fn shut_down(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.tasks = None;
        for thread in self.threads.drain(..) {
            // A worker catches what it runs; were it to panic all the same, the epoch has reported it.
            let _ = thread.join();
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shut_down();
    }
}

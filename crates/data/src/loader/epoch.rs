//! One pass through a dataset, and the threads that work for it.

use super::Shared;
use super::order::Order;
use super::work::{Finished, Skipped, Work};
use crate::{Batch, Error};
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// The batches of an epoch, in order. After an error there are no more.
///
/// Dropping an epoch stops its workers and waits for the samples that they are at, no longer.
pub struct Epoch {
    shared: Arc<Shared>,
    order: Order,
    epoch: u64,
    /// The batch that is delivered next.
    position: usize,
    /// The batch that is started next.
    scheduled: usize,
    /// Batches in flight, the next one first.
    pending: VecDeque<Pending>,
    /// Whether the caller has had something: a batch, or the error that ended the epoch.
    delivered: bool,
    skipped: Vec<Skipped>,
    failed: Option<Error>,
    pool: Pool,
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
    pub(super) fn start(shared: Arc<Shared>, order: Order, epoch: u64, start_batch: usize) -> Self {
        let (pool, failed) = match Pool::start(&shared) {
            Ok(pool) => (pool, None),
            Err(error) => (Pool::inline(), Some(error)),
        };
        let mut this = Self {
            position: start_batch.min(shared.batches_per_epoch()),
            scheduled: start_batch.min(shared.batches_per_epoch()),
            shared,
            order,
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
        if self.scheduled == self.shared.batches_per_epoch() || self.failed.is_some() {
            return;
        }
        let size = self.shared.options.batch_size;
        let first = self.scheduled * size;
        let indices = self.order.indices(first..(first + size).min(self.shared.dataset.len()));
        let slots = indices.len();
        let (sender, done) = bounded(1);
        let work = Arc::new(Work::new(self.epoch, indices, sender));
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
        self.scheduled += 1;
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
        self.scheduled = self.shared.batches_per_epoch();
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
        (0, Some(self.pending.len() + self.shared.batches_per_epoch() - self.scheduled + 1))
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

//! What was read lately, shared by all threads: blocks of rows, footers, pieces of remote files, videos.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Something of which a [`Cache`] keeps as much as fits into its budget.
pub(crate) trait Weighted {
    /// Whether a failure is kept like everything else: what is damaged stays so, what could not be fetched may
    /// be fetched yet.
    const KEEPS_FAILURES: bool = true;

    /// Roughly the bytes that it occupies.
    fn size(&self) -> usize;
}

/// Keeps the items used last, up to a number of bytes. An item that several threads want at once is read by
/// one of them while the others wait for it.
pub(crate) struct Cache<T> {
    /// The item used last comes last.
    entries: Mutex<Vec<Entry<T>>>,
    budget: usize,
}

struct Entry<T> {
    number: u64,
    slot: Slot<T>,
}

type Slot<T> = Arc<OnceLock<Arc<Result<T, String>>>>;

impl<T: Weighted> Cache<T> {
    /// A cache that holds items of `budget` bytes together, and the last one in any case.
    pub(crate) fn new(budget: usize) -> Self {
        Self { entries: Mutex::new(Vec::new()), budget }
    }

    /// Item `number`, which `load` reads when it is not there.
    pub(crate) fn get(
        &self,
        number: u64,
        load: impl FnOnce() -> Result<T, String>,
    ) -> Arc<Result<T, String>> {
        let slot = {
            let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
            let entry = match entries.iter().rposition(|entry| entry.number == number) {
                Some(at) => entries.remove(at),
                None => Entry { number, slot: Arc::default() },
            };
            let slot = entry.slot.clone();
            entries.push(entry);
            slot
        };
        let mut loaded_here = false;
        let loaded = slot.get_or_init(|| {
            loaded_here = true;
            Arc::new(load())
        });
        if loaded_here {
            if loaded.is_err() && !T::KEEPS_FAILURES {
                let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
                entries.retain(|entry| entry.number != number);
            }
            self.evict();
        }
        loaded.clone()
    }

    /// Whether item `number` is there or on its way.
    pub(crate) fn has(&self, number: u64) -> bool {
        self.slot(number).is_some()
    }

    /// Whether another thread is reading item `number`.
    pub(crate) fn in_progress(&self, number: u64) -> bool {
        self.slot(number).is_some_and(|slot| slot.get().is_none())
    }

    fn slot(&self, number: u64) -> Option<Slot<T>> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().rfind(|entry| entry.number == number).map(|entry| entry.slot.clone())
    }

    fn evict(&self) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let mut total: usize = entries.iter().map(Entry::size).sum();
        let mut gone = 0;
        while total > self.budget && gone + 1 < entries.len() {
            total -= entries[gone].size();
            gone += 1;
        }
        entries.drain(..gone);
    }
}

impl<T: Weighted> Entry<T> {
    fn size(&self) -> usize {
        match self.slot.get().map(AsRef::as_ref) {
            Some(Ok(item)) => item.size(),
            Some(Err(problem)) => problem.len(),
            None => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Block(usize);

    impl Weighted for Block {
        fn size(&self) -> usize {
            self.0
        }
    }

    fn block(bytes: usize) -> Result<Block, String> {
        Ok(Block(bytes))
    }

    #[test]
    fn keeps_what_was_used_last_within_its_budget() {
        let cache = Cache::new(2500);
        let loads = AtomicUsize::new(0);
        let get = |at| {
            cache.get(at, || {
                loads.fetch_add(1, Ordering::Relaxed);
                block(1000)
            })
        };
        get(0);
        get(1);
        get(0);
        assert_eq!(loads.load(Ordering::Relaxed), 2);
        get(2); // evicts 1, the one not used for longest
        get(0);
        assert_eq!(loads.load(Ordering::Relaxed), 3);
        get(1);
        assert_eq!(loads.load(Ordering::Relaxed), 4);
    }

    #[test]
    fn a_block_beyond_the_budget_is_still_served() {
        let cache = Cache::new(10);
        assert!(cache.get(0, || block(1000)).is_ok());
        assert!(cache.get(0, || unreachable!("is cached")).is_ok());
    }

    #[test]
    fn threads_that_want_one_block_read_it_once() {
        let (cache, loads) = (Cache::new(10_000), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    cache.get(7, || {
                        loads.fetch_add(1, Ordering::Relaxed);
                        std::thread::sleep(std::time::Duration::from_millis(5));
                        block(10)
                    })
                });
            }
        });
        assert_eq!(loads.load(Ordering::Relaxed), 1);
    }
}

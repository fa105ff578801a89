//! Blocks of rows that were read lately, shared by all threads.

use super::shard::Row;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A block's rows, or why it cannot be read.
pub(super) type Loaded = Result<Vec<Row>, String>;

/// Keeps the blocks used last, up to a number of bytes. A block that several threads want at once is read by
/// one of them while the others wait for it.
pub(super) struct Cache {
    /// The block used last comes last.
    entries: Mutex<Vec<Entry>>,
    budget: usize,
}

struct Entry {
    block: usize,
    slot: Arc<OnceLock<Arc<Loaded>>>,
}

impl Cache {
    /// A cache that holds blocks of `budget` bytes together, and the last one in any case.
    pub(super) fn new(budget: usize) -> Self {
        Self { entries: Mutex::new(Vec::new()), budget }
    }

    /// Block `block`, which `load` reads when it is not there.
    pub(super) fn get(&self, block: usize, load: impl FnOnce() -> Loaded) -> Arc<Loaded> {
        let slot = {
            let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
            let entry = match entries.iter().rposition(|entry| entry.block == block) {
                Some(at) => entries.remove(at),
                None => Entry { block, slot: Arc::default() },
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
            self.evict();
        }
        loaded.clone()
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

impl Entry {
    fn size(&self) -> usize {
        match self.slot.get().map(AsRef::as_ref) {
            Some(Ok(rows)) => rows.iter().map(Row::size).sum(),
            Some(Err(problem)) => problem.len(),
            None => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn block(bytes: usize) -> Loaded {
        Ok(vec![Row { bytes: Some(Bytes::from(vec![0; bytes])), label: 0 }])
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

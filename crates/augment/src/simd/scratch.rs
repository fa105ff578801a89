//! Memory that a thread uses again and again, so that an operation does not wait for fresh pages.

use std::cell::Cell;

/// What is kept between operations is at most so large, in bytes.
const KEPT: usize = 8 << 20;

thread_local! {
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Calls `f` with `len` bytes of whatever content.
pub(crate) fn with_scratch<R>(len: usize, f: impl FnOnce(&mut [u8]) -> R) -> R {
    // Taken, not borrowed: what `f` calls may come here again, and then gets memory of its own.
    let mut spare = SPARE.take();
    if spare.len() < len {
        spare.resize(len, 0);
    }
    let result = f(&mut spare[..len]);
    if spare.len() <= KEPT {
        SPARE.set(spare);
    }
    result
}

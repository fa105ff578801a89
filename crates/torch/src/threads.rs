//! How many threads LibTorch's operations use on the CPU.

use std::num::NonZeroUsize;
use std::thread::available_parallelism;

/// Sets the number of threads that one operation may use, and returns it.
///
/// `None` takes LibTorch's own choice, one for each core, but no more than this process may use: LibTorch
/// does not know of the processor quota of a container, and with more threads than that it crawls.
pub fn set_threads(threads: Option<NonZeroUsize>) -> usize {
    let chosen = match threads {
        Some(threads) => threads.get(),
        None => {
            let own = usize::try_from(tch::get_num_threads()).unwrap_or(1);
            own.min(available_parallelism().map_or(own, usize::from)).max(1)
        }
    };
    tch::set_num_threads(i32::try_from(chosen).unwrap_or(i32::MAX));
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_taken_and_the_default_fits_the_machine() {
        assert_eq!(set_threads(NonZeroUsize::new(1)), 1);
        assert_eq!(tch::get_num_threads(), 1);
        let default = set_threads(None);
        assert!((1..=available_parallelism().unwrap().get()).contains(&default));
    }
}

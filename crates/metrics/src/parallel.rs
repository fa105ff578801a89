//! The same for each of many, on all cores, and for each of many against each of many others.

use crate::linalg::vectorised;

/// Samples that are compared with as many others while both are in the cache.
const BLOCK: usize = 64;

/// `take` of each query's number and what `pair` makes of it and of each row, in the queries' order. `pair` should be marked
/// `#[inline(always)]`, so that it is compiled for this machine.
pub(crate) fn each_against<R: Send>(
    queries: &[&[f64]],
    rows: &[&[f64]],
    pair: impl Fn(&[f64], &[f64]) -> f64 + Sync,
    take: impl Fn(usize, &[f64]) -> R + Sync,
) -> Vec<R> {
    let block = |nth: usize| -> Vec<R> {
        let first = nth * BLOCK;
        let queries = &queries[first..queries.len().min(first + BLOCK)];
        let mut found = vec![0.0; queries.len() * rows.len()];
        vectorised(
            #[inline(always)]
            || {
                for (nth, block) in rows.chunks(BLOCK).enumerate() {
                    for (query, found) in queries.iter().zip(found.chunks_exact_mut(rows.len())) {
                        let places = &mut found[nth * BLOCK..];
                        places.iter_mut().zip(block).for_each(|(place, row)| *place = pair(query, row));
                    }
                }
            },
        );
        found.chunks_exact(rows.len()).zip(first..).map(|(values, query)| take(query, values)).collect()
    };
    let work =
        queries.len().saturating_mul(rows.len()).saturating_mul(rows.first().map_or(0, |row| row.len()));
    each(queries.len().div_ceil(BLOCK), work, block).into_iter().flatten().collect()
}

/// `f` of each number below `count`, in order; `work` says about how many operations all of it takes.
pub(crate) fn each<R: Send>(count: usize, work: usize, f: impl Fn(usize) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    // Threads cost more than little work.
    if threads == 1 || work < 1 << 22 {
        return (0..count).map(f).collect();
    }
    let share = count.div_ceil(threads).max(1);
    let of = |first: usize| (first..count.min(first + share)).map(&f).collect::<Vec<R>>();
    std::thread::scope(|scope| {
        let parts: Vec<_> = (0..count).step_by(share).map(|first| scope.spawn(move || of(first))).collect();
        parts
            .into_iter()
            .flat_map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_is_seen_once() {
        let values: Vec<f64> = (0..150).map(f64::from).collect();
        let rows: Vec<&[f64]> = values.chunks_exact(1).collect();
        let found =
            each_against(&rows[..70], &rows, |a, b| a[0] * 1000.0 + b[0], |query, of| (query, of.to_vec()));
        assert_eq!(found.len(), 70);
        for (nth, (query, of)) in found.into_iter().enumerate() {
            assert_eq!(query, nth);
            assert_eq!(of, values.iter().map(|b| nth as f64 * 1000.0 + b).collect::<Vec<_>>());
        }
    }

    #[test]
    fn order_and_number_are_kept() {
        for work in [0, usize::MAX] {
            assert_eq!(each(0, work, |n| n), Vec::<usize>::new());
            assert_eq!(each(1, work, |n| n + 1), [1]);
            assert_eq!(each(101, work, |n| n * n), (0..101).map(|n| n * n).collect::<Vec<_>>());
        }
    }
}

//! Valid weight files of every format with bytes changed: an error or a state dict, never a panic, and never memory out of
//! proportion. `VISREP_MUTATIONS=N` tries N of each format instead of a few.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use std::cell::Cell;
use std::path::Path;
use visrep_models::StateDict;

const FILES: [&str; 10] = [
    "kinds.safetensors",
    "kinds.pth",
    "kinds_legacy.pth",
    "layouts.pth",
    "layouts_legacy.pth",
    "deflated.pth",
    "dino.pth",
    "special.pth",
    "big_vision.npz",
    "odd.npz",
];
/// Files of a few kilobytes may cost this much at most: what the reader allows for copies and inflation, and as much again
/// for LibTorch and the test.
const MAX_MEMORY: usize = 512 << 20;

/// One change of a file.
#[derive(Clone, Debug)]
enum Mutation {
    /// Another value for a byte.
    Set(Index, u8),
    /// A number of up to 8 bytes, of those that break arithmetic.
    Number(Index, usize, u64),
    /// Bytes taken out.
    Cut(Index, usize),
    /// Bytes put in.
    Put(Index, Vec<u8>),
    /// A stretch of the file copied elsewhere.
    Copy(Index, Index, usize),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let number = prop_oneof![
        Just(0),
        Just(u64::MAX),
        Just(i64::MAX as u64),
        Just(i64::MIN as u64),
        Just(u32::MAX.into()),
        Just(1 << 31),
        (0..64_u32).prop_map(|bit| 1 << bit),
        any::<u64>(),
    ];
    prop_oneof![
        4 => (any::<Index>(), any::<u8>()).prop_map(|(at, value)| Mutation::Set(at, value)),
        3 => (any::<Index>(), 1..=8_usize, number).prop_map(|(at, width, number)| Mutation::Number(at, width, number)),
        1 => (any::<Index>(), 1..64_usize).prop_map(|(at, length)| Mutation::Cut(at, length)),
        1 => (any::<Index>(), prop::collection::vec(any::<u8>(), 1..16)).prop_map(|(at, bytes)| Mutation::Put(at, bytes)),
        1 => (any::<Index>(), any::<Index>(), 1..64_usize).prop_map(|(from, to, length)| Mutation::Copy(from, to, length)),
    ]
}

fn apply(bytes: &mut Vec<u8>, mutation: &Mutation) {
    if bytes.is_empty() {
        return;
    }
    let length = bytes.len();
    match mutation {
        Mutation::Set(at, value) => bytes[at.index(length)] = *value,
        Mutation::Number(at, width, number) => {
            for (byte, value) in bytes[at.index(length)..].iter_mut().zip(&number.to_le_bytes()[..*width]) {
                *byte = *value;
            }
        }
        Mutation::Cut(at, count) => {
            let at = at.index(length);
            bytes.drain(at..length.min(at + count));
        }
        Mutation::Put(at, new) => {
            let at = at.index(length);
            bytes.splice(at..at, new.iter().copied());
        }
        Mutation::Copy(from, to, count) => {
            let (from, to) = (from.index(length), to.index(length));
            let count = (*count).min(length - from).min(length - to);
            bytes.copy_within(from..from + count, to);
        }
    }
}

/// The most memory that the process has had, where the system tells.
fn peak_memory() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<usize>().ok()? << 10)
}

#[test]
fn changed_bytes_do_no_harm() {
    let cases = std::env::var("VISREP_MUTATIONS").map_or(200, |cases| cases.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let (path, out) = (folder.path().join("weights"), folder.path().join("out.safetensors"));
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden/models/weights");
    let start = peak_memory();
    let (tried, read) = (Cell::new(0), Cell::new(0));
    for file in FILES {
        let good = std::fs::read(fixtures.join(file)).unwrap();
        let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
        runner
            .run(&prop::collection::vec(mutation(), 1..6), |mutations| {
                let mut bytes = good.clone();
                mutations.iter().for_each(|mutation| apply(&mut bytes, mutation));
                std::fs::remove_file(&path).ok();
                std::fs::write(&path, &bytes).unwrap();
                tried.set(tried.get() + 1);
                match StateDict::read(&path) {
                    Ok(state) => {
                        read.set(read.get() + 1);
                        // Every byte of every tensor is there to be read.
                        state.save(&out, None).ok();
                    }
                    Err(error) => prop_assert!(error.to_string().contains("weights"), "{error}"),
                }
                Ok(())
            })
            .unwrap_or_else(|failure| panic!("{file}: {failure}"));
    }
    let (tried, read) = (tried.get(), read.get());
    println!("{tried} files, {read} of them still readable");
    assert!(read > tried / 50 && read < tried, "{read} of {tried}");
    if let (Some(start), Some(end)) = (start, peak_memory()) {
        println!("{} MiB of memory at most", (end - start) >> 20);
        assert!(end - start < MAX_MEMORY, "{} MiB", (end - start) >> 20);
    }
}

//! Damaged and hostile files: each container's entry, on mutations of what the peers wrote. No panic, no hang, and no
//! more memory than the limits allow.
//!
//! `VISREP_MUTATIONS` is the number of mutations of each file; the default suits every test run.
#![allow(missing_docs, clippy::unwrap_used)]

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use std::path::{Path, PathBuf};
use visrep_data::{SampleStream, StreamOptions, TarStream, open};

/// The most memory that was resident since the last call, in bytes above what is now. Linux alone keeps account of it.
fn peak() -> usize {
    if !cfg!(target_os = "linux") {
        return 0;
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    // Where the account cannot be begun anew, the test is of panics and hangs alone.
    if std::fs::write("/proc/self/clear_refs", "5").is_err() {
        return 0;
    }
    let kilobytes = |name: &str| -> usize {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
    };
    kilobytes("VmHWM:").saturating_sub(kilobytes("VmRSS:")) << 10
}

/// No honest reading of files of a few kilobytes needs more.
const LIMIT: usize = 64 << 20;

fn mutations() -> u32 {
    std::env::var("VISREP_MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(100)
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden/data").join(name)
}

/// A change of a file.
#[derive(Clone, Debug)]
enum Change {
    Set(prop::sample::Index, u8),
    Flip(prop::sample::Index, u8),
    /// A little-endian or big-endian number that is on an edge.
    Number(prop::sample::Index, u64, bool, usize),
    Cut(prop::sample::Index),
    Repeat(prop::sample::Index, prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>;
    let edge = prop_oneof![
        Just(0),
        Just(1),
        Just(u64::MAX),
        Just(u64::from(u32::MAX)),
        Just(i64::MAX as u64),
        Just(i32::MAX as u64),
        Just(1 << 31),
        any::<u64>()
    ];
    prop_oneof![
        4 => (at(), any::<u8>()).prop_map(|(at, value)| Change::Set(at, value)),
        4 => (at(), 0..8_u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        4 => (at(), edge, any::<bool>(), prop_oneof![Just(2_usize), Just(4), Just(8)])
            .prop_map(|(at, value, big, width)| Change::Number(at, value, big, width)),
        1 => at().prop_map(Change::Cut),
        1 => (at(), at()).prop_map(|(from, to)| Change::Repeat(from, to)),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    if bytes.is_empty() {
        return;
    }
    match change {
        Change::Set(at, value) => {
            let at = at.index(bytes.len());
            bytes[at] = *value;
        }
        Change::Flip(at, bit) => {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        Change::Number(at, value, big, width) => {
            let at = at.index(bytes.len());
            let value = if *big {
                value.to_be_bytes()[8 - width..].to_vec()
            } else {
                value.to_le_bytes()[..*width].to_vec()
            };
            bytes.iter_mut().skip(at).zip(value).for_each(|(byte, value)| *byte = value);
        }
        Change::Cut(at) => bytes.truncate(at.index(bytes.len())),
        Change::Repeat(from, to) => {
            let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
            let part = bytes[from.min(to)..from.max(to)].to_vec();
            bytes.extend(part);
        }
    }
}

/// A tar header's checksum made right again, so that what is behind it is reached.
fn mend_tar(bytes: &mut [u8]) {
    for header in bytes.chunks_exact_mut(512) {
        if header[257..262] == *b"ustar" {
            header[148..156].copy_from_slice(b"        ");
            let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
            header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
}

/// Opens mutations of `name` in a folder with its neighbours, and reads what opens.
fn mutate(name: &str, beside: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(Path::new(name).file_name().unwrap());
    for other in beside {
        std::fs::copy(golden(other), dir.path().join(Path::new(other).file_name().unwrap())).unwrap();
    }
    let original = std::fs::read(golden(name)).unwrap();
    let is_tar = name.ends_with(".tar");
    let config = Config { cases: mutations(), failure_persistence: None, ..Config::default() };
    let strategy = (prop::collection::vec(change(), 1..6), any::<bool>());
    let result = TestRunner::new(config).run(&strategy, |(changes, mends)| {
        let mut bytes = original.clone();
        changes.iter().for_each(|change| apply(&mut bytes, change));
        if is_tar && mends {
            mend_tar(&mut bytes);
        }
        std::fs::write(&file, &bytes).unwrap();
        peak();
        if let Ok(data) = open(&file) {
            for index in (0..data.len()).take(20).chain(data.len().checked_sub(1)) {
                let _ = (data.get(index), data.label(index), data.key(index));
            }
            let _ = data.labels();
        }
        if is_tar || name.ends_with(".gz") {
            let stream = TarStream::new(std::slice::from_ref(&file), StreamOptions::default()).unwrap();
            let _ = stream.epoch(0, 0).take(100).count();
        }
        let peak = peak();
        if peak > LIMIT {
            return Err(TestCaseError::fail(format!("{peak} bytes of memory were used")));
        }
        Ok(())
    });
    if let Err(error) = result {
        let kept = std::env::temp_dir()
            .join(format!("visrep-hostile-{}", file.file_name().unwrap().to_string_lossy()));
        std::fs::copy(&file, &kept).unwrap();
        panic!("{name} (kept as {}): {error}", kept.display());
    }
}

// One test, for the memory is the process's.
#[test]
fn mutations_of_every_container_are_read_or_refused() {
    std::panic::set_hook(Box::new(|_| {}));
    for (name, beside) in [
        ("mnist/train-images-idx3-ubyte", &["mnist/train-labels-idx1-ubyte"][..]),
        ("mnist/train-labels-idx1-ubyte", &["mnist/train-images-idx3-ubyte"]),
        ("mnist/t10k-images-idx3-ubyte.gz", &["mnist/t10k-labels-idx1-ubyte.gz"]),
        ("cifar10/test_batch.bin", &["cifar10/batches.meta.txt"]),
        ("cifar-c/fog.npy", &["cifar-c/labels.npy"]),
        ("cifar-c/labels.npy", &["cifar-c/fog.npy"]),
        ("dsprites.npz", &[]),
        ("splits.npz", &[]),
        ("arrow/file.arrow", &[]),
        ("arrow/stream-large.arrow", &[]),
        ("parquet/none.parquet", &[]),
        ("parquet/gzip.parquet", &[]),
        ("parquet/brotli.parquet", &[]),
        ("parquet/lz4.parquet", &[]),
        ("parquet/zstd.parquet", &[]),
        ("webdataset/pax.tar", &[]),
        ("webdataset/gnu.tar", &[]),
        ("webdataset/shard-1.tar.gz", &[]),
        ("lists/headed.csv", &[]),
        ("lists/plain.txt", &[]),
    ] {
        if std::env::var("VISREP_CONTAINER").is_ok_and(|only| !name.contains(&only)) {
            continue;
        }
        mutate(name, beside);
    }
}

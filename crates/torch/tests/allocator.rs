//! What `keep_freed_memory` does to a process. Without the usual harness, whose threads would be there before the call.
#![allow(clippy::unwrap_used)]

use tch::{Device, Kind, Tensor};

/// The page faults of this process that needed no disk (`man 5 proc`, `minflt`).
fn faults() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(") ").unwrap().1;
    after_name.split(' ').nth(7).unwrap().parse().unwrap()
}

/// Of three tensors of so many MiB, one after the other.
fn faults_of_tensors(mib: i64) -> u64 {
    let before = faults();
    for _ in 0..3 {
        drop(Tensor::ones([mib << 18], (Kind::Float, Device::Cpu)));
    }
    faults() - before
}

/// Large tensors take the pages of those before them, in other threads up to the size of their arenas.
fn main() {
    if !cfg!(all(target_os = "linux", target_env = "gnu")) {
        assert!(!visrep_torch::keep_freed_memory());
        return;
    }
    let fresh = faults_of_tensors(64);
    assert!(fresh > 3 * 10_000, "each page is new: {fresh}");
    assert!(visrep_torch::keep_freed_memory());
    // The heap grows until its gaps fit: an aligned block asks for a little more than it takes.
    let settled = |mib| {
        for _ in 0..9 {
            faults_of_tensors(mib);
        }
        faults_of_tensors(mib)
    };
    for kept in [settled(64), std::thread::spawn(move || settled(24)).join().unwrap()] {
        assert!(kept < 1000, "{kept} page faults instead of {fresh}");
    }
}

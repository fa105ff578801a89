//! What `keep_freed_memory` does to a process. Without the usual harness, whose threads would be there before the call.
#![allow(clippy::unwrap_used)]

use tch::{Device, Kind, Tensor};

/// The page faults of this process that needed no disk (`man 5 proc`, `minflt`).
fn faults() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(") ").unwrap().1;
    after_name.split(' ').nth(7).unwrap().parse().unwrap()
}

/// Of three tensors of 64 MiB, one after the other.
fn faults_of_tensors() -> u64 {
    let before = faults();
    for _ in 0..3 {
        drop(Tensor::ones([16 << 20], (Kind::Float, Device::Cpu)));
    }
    faults() - before
}

/// Large tensors take the pages of those before them, in every thread.
fn main() {
    if !cfg!(all(target_os = "linux", target_env = "gnu")) {
        assert!(!visrep_torch::keep_freed_memory());
        return;
    }
    let fresh = faults_of_tensors();
    assert!(fresh > 3 * 10_000, "each page is new: {fresh}");
    assert!(visrep_torch::keep_freed_memory());
    // The heap grows until its gaps fit: an aligned block asks for a little more than it takes.
    let settled = || (0..10).map(|_| faults_of_tensors()).last().unwrap();
    for kept in [settled(), std::thread::spawn(settled).join().unwrap()] {
        assert!(kept < 1000, "{kept} page faults instead of {fresh}");
    }
}

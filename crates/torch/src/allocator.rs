//! What the C library does with memory that is given back to it.

/// Has this process keep the memory that tensors on the CPU give back, for the next ones, instead of returning it to
/// the system. Returns whether that could be set: with glibc it can, elsewhere nothing changes.
///
/// LibTorch takes every tensor from `malloc`. glibc maps each large one anew and unmaps it when it is freed, so that
/// each activation of a forward pass costs a page fault for every 4 KiB, which is as much as computing many of them. With the
/// memory kept, passes after the first touch warm pages. The process stays as large as it was at its peak.
///
/// All threads share one arena then, since only that one can hold large tensors.
///
/// A choice of the whole process: call it once, at the start of a program, before the first tensor and before other
/// threads, which keep the arenas that they have.
pub fn keep_freed_memory() -> bool {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const LARGEST: libc::c_int = libc::c_int::MAX;
        // SAFETY: `mallopt` takes numbers and changes glibc's own state, under its own lock.
        let set = |parameter, value| unsafe { libc::mallopt(parameter, value) } == 1;
        // Not above 1 GiB: what is larger is rare, and worth giving back.
        set(libc::M_MMAP_THRESHOLD, 1 << 30)
            && set(libc::M_TRIM_THRESHOLD, LARGEST)
            && set(libc::M_ARENA_MAX, 1)
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    false
}

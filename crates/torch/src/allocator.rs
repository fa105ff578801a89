//! What the C library does with memory that is given back to it.

/// Has this process keep the memory that tensors on the CPU give back, for the next ones, instead of returning it to
/// the system. Returns whether that could be set: with glibc it can, elsewhere nothing changes.
///
/// LibTorch takes every tensor from `malloc`. glibc maps each large one anew and unmaps it when it is freed, so that
/// each activation of a forward pass costs a page fault for every 4 KiB, which is as much as computing many of them. With the
/// memory kept, passes after the first touch warm pages. The process stays as large as it was at its peak.
///
/// In threads other than the first this holds for tensors of up to some 60 MiB: glibc's arenas of other threads hold no larger ones.
/// Without these arenas (`M_ARENA_MAX` 1) the threads within an operation would wait for each other at every `malloc`: a training
/// step of ViT-S/16 in bf16 then takes 1.3 times as long on two cores, and more on many.
///
/// A choice of the whole process: call it once, at the start of a program, before the first tensor.
pub fn keep_freed_memory() -> bool {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const LARGEST: libc::c_int = libc::c_int::MAX;
        // SAFETY: `mallopt` takes numbers and changes glibc's own state, under its own lock.
        let set = |parameter, value| unsafe { libc::mallopt(parameter, value) } == 1;
        // Not above 1 GiB: what is larger is rare, and worth giving back.
        set(libc::M_MMAP_THRESHOLD, 1 << 30) && set(libc::M_TRIM_THRESHOLD, LARGEST)
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    false
}

//! The instruction sets of the machine that the program runs on.

use pulp::Arch;
#[cfg(target_arch = "x86_64")]
use pulp::x86::V3;

/// What loops are compiled for, and what code in instructions' own terms may use.
#[derive(Clone, Copy)]
pub(super) struct Simd {
    pub(super) arch: Arch,
    /// AVX2.
    #[cfg(target_arch = "x86_64")]
    pub(super) v3: Option<V3>,
}

impl Simd {
    /// What this machine has.
    pub(super) fn detect() -> Self {
        Self {
            arch: Arch::new(),
            #[cfg(target_arch = "x86_64")]
            v3: V3::try_new(),
        }
    }

    /// Runs `f` compiled for the widest instruction set. `f` is to be marked `#[inline(always)]`.
    ///
    /// Within, only loops are sure to be inlined: `for_each` is not.
    #[inline(always)]
    pub(super) fn run<R>(self, f: impl FnMut() -> R) -> R {
        self.arch.dispatch(Inlined(f))
    }
}

/// What `Arch::dispatch` compiles for each instruction set.
///
/// A closure handed over as it is goes through `FnOnce::call_once`, which is compiled once, for the baseline, and
/// not inlined; `FnMut` calls the closure's own body, which is.
struct Inlined<F>(F);

impl<R, F: FnMut() -> R> pulp::NullaryFnOnce for Inlined<F> {
    type Output = R;

    #[inline(always)]
    fn call(mut self) -> R {
        (self.0)()
    }
}

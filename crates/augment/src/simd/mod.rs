//! Loops that the compiler vectorises, compiled once per instruction set and chosen at run time; where its vectors fall short,
//! AVX2's instructions by their names.

mod pixels;
mod scratch;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(crate) use pixels::{GROUP, Pixels, grey};
pub(crate) use scratch::with_scratch;

/// Runs `f` compiled for the widest instruction set of this machine (AVX-512, AVX2, else the baseline).
///
/// What `f` calls must be inlined into it to profit, and `f` itself must be marked `#[inline(always)]`. No
/// instruction set changes a result: floating-point operations are never fused or reordered.
#[inline(always)]
pub(crate) fn vectorised<R>(f: impl FnMut() -> R) -> R {
    pulp::Arch::new().dispatch(Inlined(f))
}

/// A closure handed over as it is goes through `FnOnce::call_once`, which is compiled once, for the baseline, and not
/// inlined; `FnMut` calls the closure's own body, which is.
struct Inlined<F>(F);

impl<R, F: FnMut() -> R> pulp::NullaryFnOnce for Inlined<F> {
    type Output = R;

    #[inline(always)]
    fn call(mut self) -> R {
        (self.0)()
    }
}

/// How many pixels [`Planes`] holds.
pub(crate) const LANES: usize = 32;

/// A run of pixels, one array per channel.
pub(crate) struct Planes {
    pub(crate) r: [u8; LANES],
    pub(crate) g: [u8; LANES],
    pub(crate) b: [u8; LANES],
}

impl Planes {
    #[inline(always)]
    pub(crate) fn load(pixels: &[u8; LANES * 3]) -> Self {
        let mut planes = Self { r: [0; LANES], g: [0; LANES], b: [0; LANES] };
        for i in 0..LANES {
            planes.r[i] = pixels[i * 3];
            planes.g[i] = pixels[i * 3 + 1];
            planes.b[i] = pixels[i * 3 + 2];
        }
        planes
    }

    #[inline(always)]
    fn store(&self, pixels: &mut [u8; LANES * 3]) {
        for i in 0..LANES {
            pixels[i * 3] = self.r[i];
            pixels[i * 3 + 1] = self.g[i];
            pixels[i * 3 + 2] = self.b[i];
        }
    }
}

/// Shows all pixels of `data` (interleaved RGB) to `f`, the last run filled up with black.
#[inline(always)]
pub(crate) fn for_planes(data: &[u8], mut f: impl FnMut(&Planes)) {
    let (runs, rest) = data.as_chunks::<{ LANES * 3 }>();
    for run in runs {
        f(&Planes::load(run));
    }
    if !rest.is_empty() {
        let mut run = [0; LANES * 3];
        run[..rest.len()].copy_from_slice(rest);
        f(&Planes::load(&run));
    }
}

/// Lets `f` change all pixels of `data` (interleaved RGB); the last run is filled up with black.
#[inline(always)]
pub(crate) fn for_planes_mut(data: &mut [u8], mut f: impl FnMut(&mut Planes)) {
    let (runs, rest) = data.as_chunks_mut::<{ LANES * 3 }>();
    for run in runs {
        let mut planes = Planes::load(run);
        f(&mut planes);
        planes.store(run);
    }
    if !rest.is_empty() {
        let mut run = [0; LANES * 3];
        run[..rest.len()].copy_from_slice(rest);
        let mut planes = Planes::load(&run);
        f(&mut planes);
        planes.store(&mut run);
        let len = rest.len();
        rest.copy_from_slice(&run[..len]);
    }
}

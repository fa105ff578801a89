//! Loops that the compiler vectorises, compiled once per instruction set and chosen at run time.

/// Runs `f` compiled for the widest instruction set of this machine (AVX-512, AVX2, else the baseline).
///
/// What `f` calls must be inlined into it to profit, and `f` itself must be marked `#[inline(always)]`. No
/// instruction set changes a result: floating-point operations are never fused or reordered.
#[inline(always)]
pub(crate) fn vectorised<R>(f: impl FnMut() -> R) -> R {
    pulp::Arch::new().dispatch(Inlined(f))
}

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

/// Clips to `0..=255` and truncates, as `value as u8` does.
#[inline(always)]
pub(crate) fn truncate(value: f32) -> u8 {
    let value = if value > 0.0 { value } else { 0.0 };
    let value = if value < 255.0 { value } else { 255.0 };
    floor(value) as u8
}

/// The whole part of a number of at least 0 and below `2^22`. The compiler does not vectorise `value as i32`, which
/// has to saturate.
#[inline(always)]
pub(crate) fn floor(value: f32) -> i32 {
    // From 2^23 on, neighbouring numbers differ by 1, and the low bits count them.
    const ONES: f32 = 8_388_608.0;
    let nearest = value + ONES;
    let above = i32::from(nearest - ONES > value);
    nearest.to_bits() as i32 - ONES.to_bits() as i32 - above
}

/// How many pixels go through [`map_planes`] side by side.
pub(crate) const LANES: usize = 32;

/// A run of pixels, one array per channel.
pub(crate) type Planes = [[u8; LANES]; 3];

/// Lets `f` change all pixels of `data` (interleaved RGB), [`LANES`] at a time; its first argument is the number of
/// the first of them. The last run is filled up with black.
#[inline(always)]
pub(crate) fn map_planes(data: &mut [u8], mut f: impl FnMut(usize, &mut Planes)) {
    for (i, pixels) in data.chunks_mut(LANES * 3).enumerate() {
        let mut planes = load_planes(pixels);
        f(i * LANES, &mut planes);
        store_planes(&planes, pixels);
    }
}

/// The next [`LANES`] of `values`, the last run filled up with the default.
#[inline(always)]
pub(crate) fn next_run<T: Copy + Default>(values: &[T]) -> [T; LANES] {
    match values.first_chunk() {
        Some(run) => *run,
        None => {
            let mut run = [T::default(); LANES];
            run[..values.len()].copy_from_slice(values);
            run
        }
    }
}

/// Takes interleaved pixels apart. A run shorter than [`LANES`] is filled up with black.
#[inline(always)]
pub(crate) fn load_planes(pixels: &[u8]) -> Planes {
    let mut planes = [[0; LANES]; 3];
    match pixels.first_chunk::<{ LANES * 3 }>() {
        Some(run) => deinterleave(run, &mut planes),
        None => {
            let mut run = [0; LANES * 3];
            run[..pixels.len()].copy_from_slice(pixels);
            deinterleave(&run, &mut planes);
        }
    }
    planes
}

#[inline(always)]
fn deinterleave(run: &[u8; LANES * 3], [r, g, b]: &mut Planes) {
    for i in 0..LANES {
        r[i] = run[3 * i];
        g[i] = run[3 * i + 1];
        b[i] = run[3 * i + 2];
    }
}

/// Puts pixels together again; what `pixels` has no room for is dropped.
#[inline(always)]
pub(crate) fn store_planes([r, g, b]: &Planes, pixels: &mut [u8]) {
    let mut run = [0; LANES * 3];
    for i in 0..LANES {
        run[3 * i] = r[i];
        run[3 * i + 1] = g[i];
        run[3 * i + 2] = b[i];
    }
    let len = pixels.len().min(run.len());
    pixels[..len].copy_from_slice(&run[..len]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncation_is_what_the_cast_does() {
        for i in -3000..30_000 {
            let value = i as f32 * 0.01;
            for value in [value, value.next_up(), value.next_down(), value.round()] {
                assert_eq!(truncate(value), value as u8, "{value}");
            }
        }
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, f32::MIN_POSITIVE] {
            assert_eq!(truncate(value), value as u8, "{value}");
        }
        for i in 0..(1 << 22) {
            let value = i as f32;
            assert_eq!((floor(value), floor(value.next_up())), (i, i));
            assert_eq!(floor(value.next_down().max(0.0)), (i - 1).max(0));
        }
    }

    #[test]
    fn runs_of_any_length_come_back() {
        for len in [1, 31, 32, 33, 100] {
            let mut data: Vec<u8> = (0..len * 3).map(|i| i as u8).collect();
            map_planes(&mut data, |first, planes| {
                for (c, plane) in planes.iter_mut().enumerate() {
                    for (i, value) in plane.iter_mut().enumerate().take(len - first) {
                        assert_eq!(*value, (3 * (first + i) + c) as u8);
                        *value = value.wrapping_add(1);
                    }
                }
            });
            assert!(data.iter().enumerate().all(|(i, &v)| v == (i + 1) as u8));
        }
    }
}

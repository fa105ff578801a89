//! From JPEG's colour spaces to RGB, with libjpeg's 16-bit fixed point (`jdcolor.c`).

#[cfg(target_arch = "x86_64")]
mod x86;

use super::simd::Simd;
use crate::convert::cmyk_to_rgb;

/// What the components of an image mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    Gray,
    Rgb,
    YCbCr,
    Cmyk,
    Ycck,
}

impl Space {
    /// libjpeg's guess from the number of components, their ids, and the JFIF and Adobe markers.
    pub(super) fn guess(ids: &[u8], jfif: bool, adobe: Option<u8>) -> Self {
        match (ids.len(), adobe) {
            (1, _) => Self::Gray,
            (3, _) if jfif => Self::YCbCr,
            (3, Some(0)) => Self::Rgb,
            (3, None) if ids == b"RGB" => Self::Rgb,
            (3, _) => Self::YCbCr,
            (_, None | Some(0)) => Self::Cmyk,
            _ => Self::Ycck,
        }
    }
}

#[inline(always)]
fn rgb_of(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
    const HALF: i32 = 1 << 15;
    [
        y + ((91881 * cr + HALF) >> 16),
        y + ((-22554 * cb - 46802 * cr + HALF) >> 16),
        y + ((116_130 * cb + HALF) >> 16),
    ]
    .map(|v| v.clamp(0, 255) as u8)
}

/// A row of YCbCr to RGB.
#[inline(always)]
fn from_ycbcr(simd: Simd, [y, cb, cr]: [&[u8]; 3], out: &mut [u8]) {
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = simd.v3 {
        const PIXELS: usize = x86::PIXELS;
        let (ys, y) = y.as_chunks::<PIXELS>();
        let (cbs, cb) = cb.as_chunks::<PIXELS>();
        let (crs, cr) = cr.as_chunks::<PIXELS>();
        let (outs, rest) = out.as_chunks_mut::<{ 3 * PIXELS }>();
        for (((out, y), cb), cr) in outs.iter_mut().zip(ys).zip(cbs).zip(crs) {
            *out = pulp::cast(x86::rgb(v3, y, cb, cr));
        }
        if !rest.is_empty() {
            let filled = |part: &[u8]| {
                let mut filled = [0; PIXELS];
                filled[..part.len()].copy_from_slice(part);
                filled
            };
            let last = x86::rgb(v3, &filled(y), &filled(cb), &filled(cr));
            rest.copy_from_slice(&last.as_flattened()[..rest.len()]);
        }
        return;
    }
    plain(y, cb, cr, out);
}

/// [`from_ycbcr`] for any machine.
#[inline(always)]
fn plain(y: &[u8], cb: &[u8], cr: &[u8], out: &mut [u8]) {
    for (((out, &y), &cb), &cr) in out.as_chunks_mut::<3>().0.iter_mut().zip(y).zip(cb).zip(cr) {
        *out = rgb_of(y, cb, cr);
    }
}

/// A row of any colour space to RGB. `parts` has as many rows as the space has components.
#[inline(always)]
pub(super) fn convert(simd: Simd, space: Space, parts: &[&[u8]], out: &mut [u8]) {
    let pixels = out.as_chunks_mut::<3>().0.iter_mut().enumerate();
    match (space, parts) {
        (Space::YCbCr, &[y, cb, cr]) => from_ycbcr(simd, [y, cb, cr], out),
        (Space::Rgb, [r, g, b]) => pixels.for_each(|(x, out)| *out = [r[x], g[x], b[x]]),
        // Pillow takes every CMYK JPEG as Adobe writes them: inverted, 255 is no ink.
        (Space::Cmyk, [c, m, y, k]) => {
            pixels.for_each(|(x, out)| *out = cmyk_to_rgb([c[x], m[x], y[x], k[x]].map(|v| 255 - v)));
        }
        (Space::Ycck, [y, cb, cr, k]) => pixels.for_each(|(x, out)| {
            // libjpeg's CMY is 255 - RGB; inverted again, that is RGB.
            let [c, m, y] = rgb_of(y[x], cb[x], cr[x]);
            *out = cmyk_to_rgb([c, m, y, 255 - k[x]]);
        }),
        (_, parts) => pixels.for_each(|(x, out)| *out = [parts[0][x]; 3]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_gives_the_same_colours() {
        let simd = Simd::detect();
        let cr: Vec<u8> = (0..=255).chain(0..9).collect();
        let (mut fast, mut plainly) = (vec![0; cr.len() * 3], vec![0; cr.len() * 3]);
        for luma in [0, 1, 90, 128, 200, 254, 255] {
            for chroma in 0..=255 {
                let (y, cb) = (vec![luma; cr.len()], vec![chroma; cr.len()]);
                from_ycbcr(simd, [&y, &cb, &cr], &mut fast);
                plain(&y, &cb, &cr, &mut plainly);
                assert!(fast == plainly, "y {luma}, cb {chroma}");
            }
        }
    }
}

//! From JPEG's colour spaces to RGB, with libjpeg's 16-bit fixed point (`jdcolor.c`).

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
pub(super) fn from_ycbcr(y: &[u8], cb: &[u8], cr: &[u8], out: &mut [u8]) {
    for (((out, &y), &cb), &cr) in out.as_chunks_mut::<3>().0.iter_mut().zip(y).zip(cb).zip(cr) {
        *out = rgb_of(y, cb, cr);
    }
}

/// A row of any colour space to RGB. `parts` has as many rows as the space has components.
#[inline(always)]
pub(super) fn convert(space: Space, parts: &[&[u8]], out: &mut [u8]) {
    let pixels = out.as_chunks_mut::<3>().0.iter_mut().enumerate();
    match (space, parts) {
        (Space::YCbCr, [y, cb, cr]) => from_ycbcr(y, cb, cr, out),
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

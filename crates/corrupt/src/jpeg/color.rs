//! RGB to YCbCr and back (JFIF), in libjpeg's 16-bit fixed point, with the digits of its constants.

use visrep_decode::RgbImage;

use super::Plane;
use crate::simd::{LANES, Planes, load_planes, next_run, store_planes};

const HALF: i32 = 1 << 15;

/// A real number in 16-bit fixed point.
const fn fix(x: f64) -> i32 {
    (x * 65536.0 + 0.5) as i32
}

#[inline(always)]
pub(super) fn to_ycc(image: &RgbImage) -> [Plane; 3] {
    let (width, height) = (image.width() as usize, image.height() as usize);
    // 128 plus just under a half: a full blue or red then rounds to 255, not 256.
    let offset = (128 << 16) + HALF - 1;
    let [mut luma, mut blue, mut red] = [(); 3].map(|()| vec![0; width * height]);
    for (i, run) in image.data().chunks(LANES * 3).enumerate() {
        let [r, g, b] = load_planes(run);
        let (mut y, mut cb, mut cr) = ([0; LANES], [0; LANES], [0; LANES]);
        for i in 0..LANES {
            let (r, g, b) = (i32::from(r[i]), i32::from(g[i]), i32::from(b[i]));
            y[i] = ((fix(0.299) * r + fix(0.587) * g + fix(0.114) * b + HALF) >> 16) as u8;
            cb[i] = ((fix(0.5) * b - fix(0.168_735_892) * r - fix(0.331_264_108) * g + offset) >> 16) as u8;
            cr[i] = ((fix(0.5) * r - fix(0.418_687_589) * g - fix(0.081_312_411) * b + offset) >> 16) as u8;
        }
        let len = run.len() / 3;
        for (plane, values) in [(&mut luma, y), (&mut blue, cb), (&mut red, cr)] {
            plane[i * LANES..][..len].copy_from_slice(&values[..len]);
        }
    }
    [luma, blue, red].map(|data| Plane { width, height, stride: width, data })
}

/// The planes may be larger than the image that `out` becomes; what lies beyond is dropped.
#[inline(always)]
pub(super) fn to_rgb(out: &mut [u8], width: usize, [y, cb, cr]: [&Plane; 3]) {
    for (at, row) in out.chunks_exact_mut(width * 3).enumerate() {
        let (y, cb, cr) = (&y.row(at)[..width], &cb.row(at)[..width], &cr.row(at)[..width]);
        for (i, pixels) in row.chunks_mut(LANES * 3).enumerate() {
            let samples = [y, cb, cr].map(|row| next_run(&row[i * LANES..]));
            store_planes(&pixels_of(samples), pixels);
        }
    }
}

#[inline(always)]
fn pixels_of([y, cb, cr]: Planes) -> Planes {
    let [mut red, mut green, mut blue] = [[0; LANES]; 3];
    for i in 0..LANES {
        let (y, cb, cr) = (i32::from(y[i]), i32::from(cb[i]) - 128, i32::from(cr[i]) - 128);
        let clip = |v: i32| v.clamp(0, 255) as u8;
        red[i] = clip(y + ((fix(1.402) * cr + HALF) >> 16));
        green[i] = clip(y + ((HALF - fix(0.344_14) * cb - fix(0.714_14) * cr) >> 16));
        blue[i] = clip(y + ((fix(1.772) * cb + HALF) >> 16));
    }
    [red, green, blue]
}

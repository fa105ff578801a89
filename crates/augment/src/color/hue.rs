//! Hue, turned in the 8-bit HSV of Pillow (`Convert.c`, after Python's `colorsys`).
//!
//! Written without branches, lane by lane, so that it vectorises. The mix of single and double precision is
//! Pillow's: where a result is truncated, it decides about a level.

use crate::simd::{LANES, Planes, for_planes_mut, vectorised};
use visrep_decode::RgbImage;

/// Turns the hue by `turns` of the colour circle, as torchvision's `adjust_hue` on PIL images.
///
/// The hue is one of 256 steps and wraps; the turn is truncated to whole steps of 1/255. At 0 the image still
/// goes through HSV and back, which is not exact.
pub fn adjust_hue(image: &mut RgbImage, turns: f64) {
    let shift = (turns * 255.0) as i32 as u8;
    vectorised(
        #[inline(always)]
        || {
            for_planes_mut(
                image.data_mut(),
                #[inline(always)]
                |planes| {
                    let mut hsv = Hsv::from_rgb(planes);
                    for h in &mut hsv.h {
                        *h = h.wrapping_add(shift);
                    }
                    *planes = hsv.to_rgb();
                },
            );
        },
    );
}

/// A run of pixels in HSV; every channel fills 0..=255.
struct Hsv {
    h: [u8; LANES],
    s: [u8; LANES],
    v: [u8; LANES],
}

impl Hsv {
    #[inline(always)]
    fn from_rgb(rgb: &Planes) -> Self {
        let mut hsv = Self { h: [0; LANES], s: [0; LANES], v: [0; LANES] };
        for i in 0..LANES {
            let (r, g, b) = (rgb.r[i], rgb.g[i], rgb.b[i]);
            let max = r.max(g).max(b);
            let range = f32::from(max - r.min(g).min(b));
            // A grey pixel has a range of 0, and with it a hue and a saturation of 0.
            let saturation = range / f32::from(max.max(1));
            let distance = |channel: u8| f32::from(max - channel) / range.max(1.0);
            let (rc, gc, bc) = (distance(r), distance(g), distance(b));
            let red = bc - gc;
            let green = (2.0 + f64::from(rc) - f64::from(bc)) as f32;
            let blue = (4.0 + f64::from(gc) - f64::from(rc)) as f32;
            let sixths = if r == max {
                red
            } else if g == max {
                green
            } else {
                blue
            };
            let turn = f64::from(sixths) / 6.0 + 1.0;
            let hue = (if turn >= 1.0 { turn - 1.0 } else { turn }) as f32;
            hsv.h[i] = whole(f64::from(hue) * 255.0);
            hsv.s[i] = whole(f64::from(saturation) * 255.0);
            hsv.v[i] = max;
        }
        hsv
    }

    #[inline(always)]
    fn to_rgb(&self) -> Planes {
        let (mut p, mut q, mut t) = ([0; LANES], [0; LANES], [0; LANES]);
        let mut sectors = [0; LANES];
        for i in 0..LANES {
            let sixths = f64::from(self.h[i]) * 6.0 / 255.0;
            let sector = sixths.floor();
            let within = (sixths - sector) as f32;
            let saturation = (f64::from(self.s[i]) / 255.0) as f32;
            let value = f64::from(self.v[i]);
            p[i] = whole(value * (1.0 - f64::from(saturation)) + 0.5);
            q[i] = whole(value * (1.0 - f64::from(saturation * within)) + 0.5);
            t[i] = whole(value * (1.0 - f64::from(saturation) * (1.0 - f64::from(within))) + 0.5);
            sectors[i] = whole(sector);
        }
        let mut rgb = Planes { r: p, g: p, b: p };
        for i in 0..LANES {
            let (v, p, q, t) = (self.v[i], p[i], q[i], t[i]);
            let sector = sectors[i];
            // Hue 255 is the seventh sector, which is the first again.
            let first = (sector == 0) | (sector == 6);
            rgb.r[i] = if first | (sector == 5) { v } else { select(sector, 1, q, select(sector, 4, t, p)) };
            rgb.g[i] = if (sector == 1) | (sector == 2) {
                v
            } else {
                select(sector, 3, q, if first { t } else { p })
            };
            rgb.b[i] =
                if (sector == 3) | (sector == 4) { v } else { select(sector, 5, q, select(sector, 2, t, p)) };
        }
        rgb
    }
}

#[inline(always)]
fn select(sector: u8, wanted: u8, then: u8, otherwise: u8) -> u8 {
    if sector == wanted { then } else { otherwise }
}

/// The whole part of a number within 0..256, which then lies in the lowest bits of the sum.
#[inline(always)]
fn whole(value: f64) -> u8 {
    (value.floor() + (1u64 << 52) as f64).to_bits() as u8
}

//! Fog and snow.

use visrep_decode::RgbImage;

use crate::Error;
use crate::constants::{FogBank, SnowFall};
use crate::field::Field;
use crate::motion::motion_blur;
use crate::simd::{LANES, map_planes, next_run, truncate, vectorised};
use crate::zoom::{clipped_zoom, zoom_window};

/// The widest map that fog is drawn from: 64 MiB, wider than which images only a long, thin one would need.
const LARGEST_MAP: usize = 4096;

/// A square height map in 0..=1 by the diamond-square algorithm with wrap-around; `side` is a power of two.
/// `signed_unit` gives uniforms in [-1, 1) in the order they are used.
///
/// As published, the amplitude of a level is the *square* of its wibble.
pub(crate) fn plasma(side: usize, decay: f64, mut signed_unit: impl FnMut() -> f32) -> Vec<f32> {
    let mut map = vec![0.0_f32; side * side];
    let mask = side - 1;
    let (mut step, mut wibble) = (side, 100.0_f64);
    while step >= 2 {
        let half = step / 2;
        let amplitude = (wibble * wibble) as f32;
        // The centre of each square, then the middles of its upper edge and of its left edge.
        for (top, left) in [(half, half), (0, half), (half, 0)] {
            for y in (top..side).step_by(step) {
                let (above, here, below) =
                    (((y + side - half) & mask) * side, y * side, ((y + half) & mask) * side);
                for x in (left..side).step_by(step) {
                    let (west, east) = ((x + side - half) & mask, (x + half) & mask);
                    let sum = if top == left {
                        map[above + west] + map[above + east] + map[below + west] + map[below + east]
                    } else {
                        map[above + x] + map[below + x] + map[here + west] + map[here + east]
                    };
                    map[here + x] = sum * 0.25 + amplitude * signed_unit();
                }
            }
        }
        step = half;
        wibble /= decay;
    }
    vectorised(
        #[inline(always)]
        || rescale(&mut map),
    );
    map
}

/// Moves the values to 0..=1.
#[inline(always)]
fn rescale(map: &mut [f32]) {
    let (mut lows, mut highs) = ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
    for values in map.chunks(LANES) {
        for ((low, high), &value) in lows.iter_mut().zip(&mut highs).zip(values) {
            *low = if value < *low { value } else { *low };
            *high = if value > *high { value } else { *high };
        }
    }
    let low = lows.into_iter().fold(f32::INFINITY, f32::min);
    let high = highs.into_iter().fold(f32::NEG_INFINITY, f32::max);
    let scale = if high > low { 1.0 / (high - low) } else { 0.0 };
    for value in map {
        *value = (*value - low) * scale;
    }
}

/// Adds a plasma fog and rescales by the image's brightest value. The map is at least `map_side` wide and grows with
/// the image, so that none repeats it up to a side of [`LARGEST_MAP`]; beyond, it continues without a seam.
pub(crate) fn fog(
    image: &RgbImage,
    bank: FogBank,
    map_side: usize,
    signed_unit: impl FnMut() -> f32,
) -> Result<RgbImage, Error> {
    let longer = image.width().max(image.height()) as usize;
    let side = map_side.max(longer.min(LARGEST_MAP)).next_power_of_two();
    let map = plasma(side, bank.decay, signed_unit);
    let brightest = f32::from(image.data().iter().copied().max().unwrap_or(0));
    let density = bank.density as f32 * 255.0;
    let scale = if brightest > 0.0 { brightest / (brightest + density) } else { 0.0 };
    let mut data = image.data().to_vec();
    vectorised(
        #[inline(always)]
        || {
            for (y, row) in data.chunks_exact_mut(image.width() as usize * 3).enumerate() {
                let heights = &map[y % side * side..][..side];
                for part in row.chunks_mut(side * 3) {
                    map_planes(
                        part,
                        #[inline(always)]
                        |at, planes| {
                            let heights = next_run(&heights[at..]);
                            for plane in planes {
                                for (value, height) in plane.iter_mut().zip(heights) {
                                    *value = truncate((f32::from(*value) + height * density) * scale);
                                }
                            }
                        },
                    );
                }
            }
        },
    );
    Ok(RgbImage::new(image.width(), image.height(), data)?)
}

/// The rows and columns of the noise that snow reads, for an image of this size.
pub(crate) fn snow_window(width: usize, height: usize, fall: SnowFall) -> [std::ops::Range<usize>; 2] {
    [zoom_window(height, fall.zoom), zoom_window(width, fall.zoom)]
}

/// Whitens the image and adds flakes made from `noise` (standard normals, one channel, of the image's
/// size; only [`snow_window`] is read), blurred along `angle` in degrees.
pub(crate) fn snow(
    image: &RgbImage,
    fall: SnowFall,
    mut noise: Field,
    angle: f64,
) -> Result<RgbImage, Error> {
    let (mean, deviation) = (fall.mean as f32, fall.deviation as f32);
    noise.map(
        #[inline(always)]
        move |value| mean + deviation * value,
    );
    let mut flakes = clipped_zoom(&noise, fall.zoom);
    let threshold = fall.threshold as f32;
    flakes.map(
        #[inline(always)]
        move |value| {
            if value < threshold { 0.0 } else { (if value < 1.0 { value } else { 1.0 } * 255.0).floor() }
        },
    );
    let flakes = motion_blur(&flakes, fall.smear, angle).data;
    let turned: Vec<f32> = flakes.iter().rev().copied().collect();
    let keep = fall.keep as f32;
    let mut data = image.data().to_vec();
    vectorised(
        #[inline(always)]
        || {
            map_planes(
                &mut data,
                #[inline(always)]
                |at, planes| {
                    let (flakes, turned) = (next_run(&flakes[at..]), next_run(&turned[at..]));
                    let mut white = [0.0; LANES];
                    for i in 0..LANES {
                        let [r, g, b] = [planes[0][i], planes[1][i], planes[2][i]].map(f32::from);
                        white[i] = (0.299 * r + 0.587 * g + 0.114 * b) * 1.5 + 127.5;
                    }
                    for plane in planes {
                        for i in 0..LANES {
                            let value = f32::from(plane[i]);
                            let lighter = if value > white[i] { value } else { white[i] };
                            plane[i] =
                                truncate(keep * value + (1.0 - keep) * lighter + (flakes[i] + turned[i]));
                        }
                    }
                },
            );
        },
    );
    Ok(RgbImage::new(image.width(), image.height(), data)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn plasma_fills_the_unit_range_and_roughens_as_the_decay_falls() {
        let mut random = Random::new(4);
        let mut roughness = |decay| {
            let map = plasma(64, decay, || random.signed_unit());
            assert!(map.iter().all(|v| (0.0..=1.0).contains(v)));
            assert!(map.contains(&0.0) && map.iter().any(|v| *v > 0.999_99));
            map.windows(2).map(|w| f64::from((w[0] - w[1]).abs())).sum::<f64>()
        };
        let (smooth, rough): (f64, f64) =
            ((0..20).map(|_| roughness(3.0)).sum(), (0..20).map(|_| roughness(1.4)).sum());
        assert!(rough > 2.0 * smooth, "{rough} against {smooth}");
    }

    #[test]
    fn fog_on_a_very_long_image_continues_the_largest_map() {
        let mut random = Random::new(2);
        let bank = FogBank { density: 1.5, decay: 2.0 };
        for (w, h) in [(20_000, 2), (2, 20_000)] {
            let out = fog(&RgbImage::filled(w, h, [90; 3]), bank, 32, || random.signed_unit()).unwrap();
            assert_eq!((out.width(), out.height()), (w, h));
            let along: Vec<u8> =
                (0..w.max(h)).map(|i| if w > h { out.pixel(i, 1)[0] } else { out.pixel(1, i)[0] }).collect();
            assert!(along[..4096].windows(2).any(|pair| pair[0] != pair[1]));
            assert!(along.iter().zip(&along[4096..]).all(|(a, b)| a == b));
        }
    }

    #[test]
    fn fog_keeps_a_black_image_black() {
        let out =
            fog(&RgbImage::filled(5, 3, [0; 3]), FogBank { density: 1.5, decay: 2.0 }, 32, || 0.5).unwrap();
        assert_eq!(out.data(), [0; 45]);
    }
}

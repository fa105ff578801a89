//! Spatter: drops of water that catch the light at their edges, or splashes of mud.

use visrep_decode::RgbImage;

use crate::Error;
use crate::constants::Splash;
use crate::edges::{canny, distance_to_zero};
use crate::field::{Edge, Field, bordered, gaussian, neighbours};
use crate::simd::{floor, map_planes, next_run, truncate, vectorised};

/// Pale turquoise.
const WATER: [f32; 3] = [175.0, 238.0, 238.0];
/// Brown.
const MUD: [f32; 3] = [63.0, 42.0, 20.0];

/// Adds what `noise` (standard normals, one channel, of the image's size) makes of `splash`.
pub(crate) fn spatter(image: &RgbImage, splash: Splash, mut noise: Field) -> Result<RgbImage, Error> {
    let (mean, deviation) = (splash.mean as f32, splash.deviation as f32);
    noise.map(
        #[inline(always)]
        move |value| mean + deviation * value,
    );
    let liquid = gaussian(&noise, splash.sigma, 4.0, Edge::Nearest);
    if splash.mud { mud(image, splash, liquid) } else { water(image, splash, &liquid) }
}

fn mud(image: &RgbImage, splash: Splash, mut liquid: Field) -> Result<RgbImage, Error> {
    let threshold = splash.threshold as f32;
    liquid.map(
        #[inline(always)]
        move |value| if value > threshold { 1.0 } else { 0.0 },
    );
    let cover = gaussian(&liquid, splash.strength, 4.0, Edge::Nearest);
    blend(
        image,
        &cover.data,
        #[inline(always)]
        |value, cover, color| {
            let cover = if cover < 0.8 { 0.0 } else { cover };
            value * (1.0 - cover) + color * cover
        },
        MUD,
    )
}

/// Adds the light that drops of water catch at their edges.
pub(crate) fn water(image: &RgbImage, splash: Splash, liquid: &Field) -> Result<RgbImage, Error> {
    let (width, height) = (liquid.width, liquid.height);
    let threshold = splash.threshold as f32;
    // NumPy's cast to 8 bits wraps where the layer exceeds 1.
    let layer = mapped(
        &liquid.data,
        #[inline(always)]
        move |v| if v < threshold { 0 } else { floor(v * 255.0) as u8 },
    );
    let not_edge: Vec<bool> = canny(&layer, width, height, 50, 150).into_iter().map(|edge| !edge).collect();
    let distance = distance_to_zero(&not_edge, width, height);
    let near = mapped(&box_3x3(&distance, width, height), truncate);
    let relief = emboss(&equalize(&near), width, height);
    let relief = box_3x3(&relief, width, height);
    let mut light = vec![0.0; relief.len()];
    vectorised(
        #[inline(always)]
        || {
            for ((light, &relief), &layer) in light.iter_mut().zip(&relief).zip(&layer) {
                *light = relief.round_ties_even() * f32::from(layer);
            }
        },
    );
    let brightest = light.iter().copied().fold(0.0, f32::max);
    let scale = if brightest > 0.0 { splash.strength as f32 / brightest } else { 0.0 };
    blend(
        image,
        &light,
        #[inline(always)]
        move |value, light, color| value + light * scale * color,
        WATER,
    )
}

fn mapped<T: Copy + Default>(values: &[f32], f: impl Fn(f32) -> T + Copy) -> Vec<T> {
    let mut out = vec![T::default(); values.len()];
    vectorised(
        #[inline(always)]
        || {
            let local = f;
            for (out, &value) in out.iter_mut().zip(values) {
                *out = local(value);
            }
        },
    );
    out
}

/// Every value becomes `mix(value, amount, color)` with its pixel's amount from `layer` and its channel's colour.
fn blend(
    image: &RgbImage,
    layer: &[f32],
    mix: impl Fn(f32, f32, f32) -> f32 + Copy,
    color: [f32; 3],
) -> Result<RgbImage, Error> {
    let mut data = image.data().to_vec();
    vectorised(
        #[inline(always)]
        || {
            let local = mix;
            map_planes(
                &mut data,
                #[inline(always)]
                |at, planes| {
                    let amounts = next_run(&layer[at..]);
                    for (plane, color) in planes.iter_mut().zip(color) {
                        for (value, amount) in plane.iter_mut().zip(amounts) {
                            *value = truncate(local(f32::from(*value), amount, color));
                        }
                    }
                },
            );
        },
    );
    Ok(RgbImage::new(image.width(), image.height(), data)?)
}

/// The mean over 3 x 3 pixels, reflected about the edge pixels.
fn box_3x3(values: &[f32], width: usize, height: usize) -> Vec<f32> {
    let stride = width + 2;
    let source = bordered(values, width, height, Edge::Reflect101);
    let mut out = vec![0.0; values.len()];
    vectorised(
        #[inline(always)]
        || {
            let mut sums = vec![0.0; stride];
            for (y, row) in out.chunks_exact_mut(width).enumerate() {
                let [above, here, below] = [0, 1, 2].map(|i| &source[(y + i) * stride..][..stride]);
                // Nine numbers of 24 bits and of about one size: f64 holds their sum exactly, in any order.
                for (((sum, &a), &b), &c) in sums.iter_mut().zip(above).zip(here).zip(below) {
                    *sum = f64::from(a) + f64::from(b) + f64::from(c);
                }
                let [left, middle, right] = neighbours(&sums);
                for (((value, a), b), c) in row.iter_mut().zip(left).zip(middle).zip(right) {
                    *value = ((a + b + c) * (1.0 / 9.0)) as f32;
                }
            }
        },
    );
    out
}

/// The published slanting filter, saturated to 8 bits.
fn emboss(values: &[u8], width: usize, height: usize) -> Vec<f32> {
    let stride = width + 2;
    let source = bordered(values, width, height, Edge::Reflect101);
    let mut out = vec![0.0; values.len()];
    vectorised(
        #[inline(always)]
        || {
            for (y, row) in out.chunks_exact_mut(width).enumerate() {
                let around = |i: usize| neighbours(&source[(y + i) * stride..][..stride]);
                let (above, here, below) = (around(0), around(1), around(2));
                for (x, value) in row.iter_mut().enumerate() {
                    let [a, b, _] = above.map(|row| i16::from(row[x]));
                    let [c, d, e] = here.map(|row| i16::from(row[x]));
                    let [_, f, g] = below.map(|row| i16::from(row[x]));
                    *value = f32::from((d + e + f + 2 * g - 2 * a - b - c).clamp(0, 255));
                }
            }
        },
    );
    out
}

/// OpenCV's histogram equalisation: the darkest level present becomes 0.
fn equalize(values: &[u8]) -> Vec<u8> {
    // Several counters per level: waiting for the last increment of the same one takes longer than it.
    let mut counts = [[0_u32; 256]; 4];
    for four in values.chunks(4) {
        for (counts, &v) in counts.iter_mut().zip(four) {
            counts[usize::from(v)] += 1;
        }
    }
    let counts: [usize; 256] = std::array::from_fn(|v| counts.iter().map(|counts| counts[v] as usize).sum());
    let darkest = counts.iter().position(|&n| n > 0).unwrap_or(0);
    let rest = values.len() - counts[darkest];
    if rest == 0 {
        return values.to_vec();
    }
    let scale = 255.0 / rest as f32;
    let (mut table, mut sum) = ([0_u8; 256], 0);
    for level in darkest + 1..256 {
        sum += counts[level];
        table[level] = (sum as f32 * scale).round_ties_even() as u8;
    }
    values.iter().map(|&v| table[usize::from(v)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equalising_spreads_two_levels_and_leaves_one_alone() {
        assert_eq!(equalize(&[5, 5, 9, 9]), [0, 0, 255, 255]);
        assert_eq!(equalize(&[7; 4]), [7; 4]);
    }

    #[test]
    fn no_drops_leave_the_image_alone() {
        let image = RgbImage::from_fn(6, 5, |x, y| [(40 * x) as u8, (50 * y) as u8, 3]);
        for mud in [false, true] {
            let splash = Splash { mean: 0.1, deviation: 0.1, sigma: 1.0, threshold: 0.7, strength: 0.6, mud };
            assert_eq!(spatter(&image, splash, Field::zeros(6, 5, 1)).unwrap(), image);
        }
    }
}

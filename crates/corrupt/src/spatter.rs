//! Spatter: drops of water that catch the light at their edges, or splashes of mud.

use visrep_decode::RgbImage;

use crate::Error;
use crate::constants::Splash;
use crate::edges::{canny, distance_to_zero};
use crate::field::{Edge, Field, gaussian};

/// Pale turquoise.
const WATER: [f32; 3] = [175.0, 238.0, 238.0];
/// Brown.
const MUD: [f32; 3] = [63.0, 42.0, 20.0];

/// Adds what `noise` (standard normals, one channel, of the image's size) makes of `splash`.
pub(crate) fn spatter(image: &RgbImage, splash: Splash, mut noise: Field) -> Result<RgbImage, Error> {
    let (mean, deviation) = (splash.mean as f32, splash.deviation as f32);
    for value in &mut noise.data {
        *value = mean + deviation * *value;
    }
    let mut liquid = gaussian(&noise, splash.sigma, 4.0, Edge::Nearest);
    let threshold = splash.threshold as f32;
    for value in &mut liquid.data {
        *value = if *value < threshold { 0.0 } else { *value };
    }
    if splash.mud { mud(image, splash, liquid) } else { water(image, splash, &liquid) }
}

fn mud(image: &RgbImage, splash: Splash, mut liquid: Field) -> Result<RgbImage, Error> {
    let threshold = splash.threshold as f32;
    for value in &mut liquid.data {
        *value = f32::from(u8::from(*value > threshold));
    }
    let cover = gaussian(&liquid, splash.strength, 4.0, Edge::Nearest);
    blend(
        image,
        &cover.data,
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
    // NumPy's cast to 8 bits wraps where the layer exceeds 1.
    let layer: Vec<u8> = liquid.data.iter().map(|&v| (v * 255.0) as i64 as u8).collect();
    let not_edge: Vec<bool> = canny(&layer, width, height, 50, 150).into_iter().map(|edge| !edge).collect();
    let mut distance = distance_to_zero(&not_edge, width, height);
    for value in &mut distance {
        *value = value.min(20.0);
    }
    let near: Vec<u8> = box_3x3(&distance, width, height).into_iter().map(|v| v as u8).collect();
    let relief = emboss(&equalize(&near), width, height);
    let relief = box_3x3(&relief, width, height);
    let mut light: Vec<f32> =
        relief.iter().zip(&layer).map(|(&r, &l)| r.round_ties_even() * f32::from(l)).collect();
    let brightest = light.iter().copied().fold(0.0, f32::max);
    let scale = if brightest > 0.0 { splash.strength as f32 / brightest } else { 0.0 };
    for value in &mut light {
        *value *= scale;
    }
    blend(image, &light, |value, light, color| value + light * color, WATER)
}

fn blend(
    image: &RgbImage,
    layer: &[f32],
    mix: impl Fn(f32, f32, f32) -> f32,
    color: [f32; 3],
) -> Result<RgbImage, Error> {
    let pixels = image.data().as_chunks::<3>().0;
    let data = pixels
        .iter()
        .zip(layer)
        .flat_map(|(pixel, &amount)| {
            std::array::from_fn::<u8, 3, _>(|c| mix(f32::from(pixel[c]), amount, color[c]) as u8)
        })
        .collect();
    Ok(RgbImage::new(image.width(), image.height(), data)?)
}

/// The mean over 3 x 3 pixels, reflected about the edge pixels.
fn box_3x3(values: &[f32], width: usize, height: usize) -> Vec<f32> {
    neighbourhoods(values, width, height, |n| {
        let sum: f64 = n.iter().flatten().map(|&v| f64::from(v)).sum();
        (sum * (1.0 / 9.0)) as f32
    })
}

/// The published slanting filter, saturated to 8 bits.
fn emboss(values: &[u8], width: usize, height: usize) -> Vec<f32> {
    const KERNEL: [[i32; 3]; 3] = [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]];
    neighbourhoods(values, width, height, |n| {
        let products = n.iter().flatten().zip(KERNEL.iter().flatten()).map(|(&v, &k)| i32::from(v) * k);
        products.sum::<i32>().clamp(0, 255) as f32
    })
}

/// Maps each pixel's 3 x 3 neighbourhood, reflected about the edge pixels.
fn neighbourhoods<T: Copy>(
    values: &[T],
    width: usize,
    height: usize,
    f: impl Fn([[T; 3]; 3]) -> f32,
) -> Vec<f32> {
    let mut out = Vec::with_capacity(values.len());
    for y in 0..height {
        let rows = [-1, 0, 1].map(|d| {
            let row = Edge::Reflect101.index(y as isize + d, height);
            &values[row * width..][..width]
        });
        for x in 0..width {
            let columns = [-1, 0, 1].map(|d| Edge::Reflect101.index(x as isize + d, width));
            out.push(f(rows.map(|row| columns.map(|c| row[c]))));
        }
    }
    out
}

/// OpenCV's histogram equalisation: the darkest level present becomes 0.
fn equalize(values: &[u8]) -> Vec<u8> {
    let mut counts = [0_usize; 256];
    for &v in values {
        counts[usize::from(v)] += 1;
    }
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

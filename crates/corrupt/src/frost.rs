//! Frost: a blend with a photograph of frost, or with a drawn substitute.

use std::sync::{Arc, LazyLock};

use visrep_decode::{Region, RgbImage};

use crate::constants::FrostBlend;
use crate::field::{Edge, Field, gaussian};
use crate::random::Random;
use crate::simd::{truncate, vectorised};
use crate::weather::plasma;
use crate::zoom::bilinear;
use crate::{Error, FrostSource};

/// The textures that the frost corruption blends in: the published photographs, which are the user's to
/// provide, or a drawn substitute.
///
/// The published code picks among `frost1.png`, `frost2.png`, `frost3.png`, `frost4.jpg` and `frost5.jpg`
/// (it lists `frost6.jpg` too, and never picks it): give these five, in any order, for its distribution.
#[derive(Clone)]
pub struct Frost {
    textures: Arc<Vec<RgbImage>>,
    source: FrostSource,
}

/// Textures, and the sides of each, that the substitute draws.
const SUBSTITUTES: u64 = 5;
const SUBSTITUTE_SIDE: usize = 512;

static SUBSTITUTE: LazyLock<Arc<Vec<RgbImage>>> =
    LazyLock::new(|| Arc::new((0..SUBSTITUTES).map(draw_texture).collect()));

impl Frost {
    /// Photographs of frost, of any size; each is as likely to be picked. Photographs smaller than an image
    /// are enlarged to cover it. An empty list is refused.
    pub fn from_images(photographs: Vec<RgbImage>) -> Result<Self, Error> {
        if photographs.is_empty() {
            return Err(Error::NoFrost);
        }
        Ok(Self { textures: Arc::new(photographs), source: FrostSource::Other })
    }

    /// Five drawn textures with the brightness, contrast and grain of the published photographs. They are
    /// **not** the benchmark's: figures obtained with them are not comparable with published ones.
    pub fn substitute() -> Self {
        Self { textures: SUBSTITUTE.clone(), source: FrostSource::Substitute }
    }

    /// Whether the textures are the drawn substitute. Results should say so.
    pub fn is_substitute(&self) -> bool {
        self.source == FrostSource::Substitute
    }

    /// What the textures are. Results should say so.
    pub fn source(&self) -> FrostSource {
        self.source
    }

    /// The same textures, known to be something else.
    pub(crate) fn labelled(self, source: FrostSource) -> Self {
        Self { source, ..self }
    }

    /// A random part of a random texture reduced by `scale`, of the given size.
    pub(crate) fn pick(
        &self,
        width: u32,
        height: u32,
        scale: f64,
        random: &mut Random,
    ) -> Result<RgbImage, Error> {
        let texture = &self.textures[random.below(self.textures.len())];
        let scale = [(texture.width(), width), (texture.height(), height)]
            .into_iter()
            .map(|(have, want)| f64::from(want) / f64::from(have))
            .fold(scale, f64::max);
        let scaled = |side: u32| (f64::from(side) * scale).round_ties_even() as u32;
        // As published, the last possible offset is never drawn.
        let mut offset =
            |have: u32, want: u32| random.below(scaled(have).saturating_sub(want) as usize) as u32;
        let y = offset(texture.height(), height);
        let x = offset(texture.width(), width);
        reduced_crop(texture, scale, Region { x, y, width, height })
    }
}

impl std::fmt::Debug for Frost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Frost({} textures, {})", self.textures.len(), self.source)
    }
}

/// A region of the texture resized by `scale` as OpenCV does (linear, without antialiasing).
pub(crate) fn reduced_crop(texture: &RgbImage, scale: f64, region: Region) -> Result<RgbImage, Error> {
    if scale == 1.0 {
        return Ok(texture.crop(region)?);
    }
    let at = |offset: u32, i: u32| ((f64::from(offset + i) + 0.5) / scale - 0.5) as f32;
    // Only what the region reads is converted: the start and the length of a range of rows or columns.
    let window = |offset: u32, len: u32, side: u32| {
        let inside = |index: f32| (index.max(0.0) as u32).min(side - 1);
        let start = inside(at(offset, 0).floor());
        (start, inside(at(offset, len.saturating_sub(1)).floor() + 1.0) - start + 1)
    };
    let (left, width) = window(region.x, region.width, texture.width());
    let (top, height) = window(region.y, region.height, texture.height());
    let source = Field::from_rgb(&texture.crop(Region { x: left, y: top, width, height })?);
    // A whole number is taken off a larger one, which is exact in f32.
    let (left, top) = (left as f32, top as f32);
    Ok(RgbImage::from_fn(region.width, region.height, |x, y| {
        let (x, y) = (at(region.x, x) - left, at(region.y, y) - top);
        bilinear(&source, x, y, Edge::Nearest).map(|v| (v + 0.5) as u8)
    }))
}

/// `image * blend.image + texture * blend.frost`; the texture has the image's size.
pub(crate) fn frost(image: &RgbImage, texture: &RgbImage, blend: FrostBlend) -> Result<RgbImage, Error> {
    let (of_image, of_frost) = (blend.image as f32, blend.frost as f32);
    let mut data = image.data().to_vec();
    vectorised(
        #[inline(always)]
        || {
            for (value, &frost) in data.iter_mut().zip(texture.data()) {
                // The small addition keeps whole sums whole in spite of f32.
                *value = truncate(f32::from(*value) * of_image + f32::from(frost) * of_frost + 1e-4);
            }
        },
    );
    Ok(RgbImage::new(image.width(), image.height(), data)?)
}

/// Feathers of ice over a cloudy pane.
fn draw_texture(seed: u64) -> RgbImage {
    let side = SUBSTITUTE_SIDE;
    let mut random = Random::new(0xF205_7000 + seed);
    let mut ice = Field::zeros(side, side, 1);
    for _ in 0..420 {
        let root = [random.between(0.0, side as f64), random.between(0.0, side as f64)];
        let (angle, length) = (random.between(0.0, std::f64::consts::TAU), random.between(40.0, 150.0));
        feather(&mut ice, root, angle, length, random.between(0.3, 1.0), &mut random);
    }
    let clouds = plasma(side, 2.2, || random.signed_unit());
    for (value, cloud) in ice.data.iter_mut().zip(clouds) {
        *value = (1.0 - (-0.9 * *value).exp()) + 0.5 * cloud + 0.06 * random.normal();
    }
    let ice = gaussian(&ice, 0.6, 4.0, Edge::Reflect);
    // Brightness, contrast and tint of the published photographs on average.
    let n = ice.data.len() as f64;
    let mean = ice.data.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    let variance = ice.data.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n;
    let (mean, deviation) = (mean as f32, variance.sqrt() as f32);
    RgbImage::from_fn(side as u32, side as u32, |x, y| {
        let level = 160.0 + 30.0 * (ice.data[y as usize * side + x as usize] - mean) / deviation;
        [0.91, 1.0, 1.07].map(|tint| (level * tint) as u8)
    })
}

/// One crystal: a stem, and needles that leave it on both sides and shorten towards its tip.
fn feather(ice: &mut Field, root: [f64; 2], angle: f64, length: f64, strength: f64, random: &mut Random) {
    needle(ice, root, angle, length, strength);
    let spread = random.between(0.5, 0.9);
    let mut along = random.between(2.0, 5.0);
    while along < length {
        let from = [root[0] + along * angle.cos(), root[1] + along * angle.sin()];
        for side in [-1.0, 1.0] {
            let needle_length = 0.45 * (length - along) * random.between(0.3, 1.0);
            needle(ice, from, angle + side * spread, needle_length, strength * random.between(0.3, 0.9));
        }
        along += random.between(2.5, 7.0);
    }
}

/// A line that fades to its tip, wrapped around the texture's edges.
fn needle(ice: &mut Field, root: [f64; 2], angle: f64, length: f64, strength: f64) {
    let (dx, dy) = (angle.cos(), angle.sin());
    let mut along = 0.0;
    while along < length {
        let (x, y) = (root[0] + along * dx, root[1] + along * dy);
        let (left, top) = (x.floor(), y.floor());
        let (fx, fy) = (x - left, y - top);
        let amount = strength * (1.0 - along / length);
        for (column, row, share) in [
            (0.0, 0.0, (1.0 - fx) * (1.0 - fy)),
            (1.0, 0.0, fx * (1.0 - fy)),
            (0.0, 1.0, (1.0 - fx) * fy),
            (1.0, 1.0, fx * fy),
        ] {
            let wrap = |v: f64| (v as i64).rem_euclid(SUBSTITUTE_SIDE as i64) as usize;
            ice.row_mut(wrap(top + row))[wrap(left + column)] += (amount * share) as f32;
        }
        along += 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_substitute_is_labelled_and_looks_like_the_photographs_in_numbers() {
        let frost = Frost::substitute();
        assert!(frost.is_substitute());
        for texture in frost.textures.iter() {
            let grey: Vec<f64> = texture
                .data()
                .as_chunks::<3>()
                .0
                .iter()
                .map(|p| p.iter().map(|&v| f64::from(v)).sum::<f64>() / 3.0)
                .collect();
            let mean = grey.iter().sum::<f64>() / grey.len() as f64;
            let deviation = (grey.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / grey.len() as f64).sqrt();
            let grain = grey.windows(2).map(|w| (w[0] - w[1]).abs()).sum::<f64>() / grey.len() as f64;
            // The five photographs: mean 123 to 207, deviation 19 to 43, mean step between neighbours 7 to 17.
            assert!((120.0..210.0).contains(&mean), "mean {mean}");
            assert!((19.0..43.0).contains(&deviation), "deviation {deviation}");
            assert!((7.0..17.5).contains(&grain), "grain {grain}");
        }
    }

    #[test]
    fn a_crop_reads_what_it_would_read_of_the_whole_texture() {
        let texture =
            RgbImage::from_fn(61, 47, |x, y| [(x * 37 + y * 11) as u8, (x * y) as u8, (y * 91) as u8]);
        let whole = Field::from_rgb(&texture);
        for scale in [0.2, 0.37, 0.9, 1.7, 6.3] {
            let scaled = |side: u32| (f64::from(side) * scale).round_ties_even() as u32;
            let (width, height) = ((scaled(61) / 2).max(1), (scaled(47) / 3).max(1));
            for (x, y) in [(0, 0), (scaled(61) - width, scaled(47) - height), (3, 1)] {
                let region = Region { x, y, width, height };
                let at = |v: u32| ((f64::from(v) + 0.5) / scale - 0.5) as f32;
                let expected = RgbImage::from_fn(width, height, |i, j| {
                    bilinear(&whole, at(x + i), at(y + j), Edge::Nearest).map(|v| (v + 0.5) as u8)
                });
                assert!(reduced_crop(&texture, scale, region).unwrap() == expected, "{scale}: {region:?}");
            }
        }
    }

    #[test]
    fn small_photographs_are_enlarged_to_cover_the_image() {
        let frost = Frost::from_images(vec![RgbImage::filled(3, 2, [9, 8, 7])]).unwrap();
        assert!(!frost.is_substitute());
        let crop = frost.pick(20, 30, 0.2, &mut Random::new(1)).unwrap();
        assert_eq!(crop, RgbImage::filled(20, 30, [9, 8, 7]));
        assert!(matches!(Frost::from_images(vec![]), Err(Error::NoFrost)));
    }
}

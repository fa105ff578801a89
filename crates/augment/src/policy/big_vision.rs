//! RandAugment of big_vision and the TensorFlow EfficientNets (`big_vision/pp/autoaugment.py`).

use super::{AUTO_CONTRAST, Warp, either_sign, pick, posterize, solarize};
use crate::error::check_within;
use crate::{EraseFill, Error, Filter, Op, Region, Rng, Transform, View};
use rand::RngExt as _;

/// The sixteen operations; there is no identity.
#[derive(Clone, Copy)]
enum Kind {
    AutoContrast,
    Equalize,
    Invert,
    Rotate,
    Posterize,
    Solarize,
    Color,
    Contrast,
    Brightness,
    Sharpness,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Cutout,
    SolarizeAdd,
}

const SIXTEEN: [Kind; 16] = [
    Kind::AutoContrast,
    Kind::Equalize,
    Kind::Invert,
    Kind::Rotate,
    Kind::Posterize,
    Kind::Solarize,
    Kind::Color,
    Kind::Contrast,
    Kind::Brightness,
    Kind::Sharpness,
    Kind::ShearX,
    Kind::ShearY,
    Kind::TranslateX,
    Kind::TranslateY,
    Kind::Cutout,
    Kind::SolarizeAdd,
];

/// big_vision's `randaug`: some of sixteen operations, all at one magnitude.
///
/// It differs from torchvision's in more than the list: the four enhancements only ever go up with the magnitude (a factor
/// of 1.9 at 10), translations are in pixels (100 at 10), the image is looked up by nearest neighbours and leaves grey (128)
/// outside, a cut-out is a square of 80 pixels at 10 around a random pixel, and contrast is about a grey that depends on the
/// image's size alone (see [`blend_grey`](crate::blend_grey)).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BigVisionRandAugment {
    layers: usize,
    magnitude: f64,
}

impl BigVisionRandAugment {
    /// `layers` operations; the ViT-S/16 baseline has 2 at magnitude 10. Errs unless `layers` is within 0..=1000 and
    /// `magnitude` within 0..=30.
    pub fn new(layers: usize, magnitude: u32) -> Result<Self, Error> {
        check_within("BigVisionRandAugment layers", layers as f64, 0.0..=1000.0)?;
        check_within("BigVisionRandAugment magnitude", f64::from(magnitude), 0.0..=30.0)?;
        Ok(Self { layers, magnitude: f64::from(magnitude) })
    }

    fn op(&self, kind: Kind, (width, height): (u32, u32), rng: &mut Rng) -> Op {
        let level = self.magnitude / 10.0;
        let warp = Warp { interpolation: Filter::Nearest, fill: GREY };
        let factor = level * 1.8 + 0.1;
        let mut signed = |highest: f64| either_sign(level * highest, rng);
        match kind {
            Kind::AutoContrast => AUTO_CONTRAST,
            Kind::Equalize => Op::Equalize,
            Kind::Invert => Op::Invert,
            Kind::Rotate => warp.affine(rotation(signed(30.0), (width, height))),
            Kind::Posterize => posterize((level * 4.0) as i64),
            Kind::Solarize => solarize((level * 256.0) as i64),
            Kind::Color => Op::AdjustSaturation { factor },
            Kind::Contrast => {
                let pixels = u64::from(width) * u64::from(height);
                Op::BlendGrey { grey: (pixels / 256).min(255) as u8, factor }
            }
            Kind::Brightness => Op::AdjustBrightness { factor },
            Kind::Sharpness => Op::AdjustSharpness { factor },
            Kind::ShearX => warp.affine(between_centres([1.0, signed(0.3), 0.0, 0.0, 1.0, 0.0])),
            Kind::ShearY => warp.affine(between_centres([1.0, 0.0, 0.0, signed(0.3), 1.0, 0.0])),
            Kind::TranslateX => warp.translate_x(signed(100.0)),
            Kind::TranslateY => warp.translate_y(signed(100.0)),
            Kind::Cutout => cutout((level * 40.0) as u32, (width, height), rng),
            Kind::SolarizeAdd => {
                Op::SolarizeAdd { addition: (level * 110.0).min(255.0) as u8, threshold: 128 }
            }
        }
    }
}

impl Transform for BigVisionRandAugment {
    fn draw(&self, view: &mut View, rng: &mut Rng) {
        for _ in 0..self.layers {
            let op = self.op(*pick(&SIXTEEN, rng), view.size(), rng);
            view.push(op);
        }
    }
}

const GREY: [u8; 3] = [128; 3];

/// A square of twice `half` pixels around a random one, as far as it lies in the image.
fn cutout(half: u32, (width, height): (u32, u32), rng: &mut Rng) -> Op {
    let mut side = |size: u32| {
        let centre = rng.random_range(0..size.max(1));
        let start = centre.saturating_sub(half);
        (start, (centre + half).min(size).saturating_sub(start))
    };
    let ((y, height), (x, width)) = (side(height), side(width));
    Op::Erase { region: Region { x, y, width, height }, fill: EraseFill::Color(GREY) }
}

/// TensorFlow counts positions from the centre of the first pixel, Pillow from its corner.
fn between_centres([a, b, c, d, e, f]: [f64; 6]) -> [f64; 6] {
    [a, b, c + 0.5 - 0.5 * (a + b), d, e, f + 0.5 - 0.5 * (d + e)]
}

/// A turn around the middle, as `tfa.image.rotate` has it.
fn rotation(degrees: f64, (width, height): (u32, u32)) -> [f64; 6] {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (x, y) = (f64::from(width.max(1) - 1), f64::from(height.max(1) - 1));
    let shift = ((x - (cos * x - sin * y)) / 2.0, (y - (sin * x + cos * y)) / 2.0);
    between_centres([cos, -sin, shift.0, sin, cos, shift.1])
}

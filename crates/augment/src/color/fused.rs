//! The steps of a colour jitter one after the other on the same pixels, in one way through the image.

use super::adjust::mean_grey;
use crate::simd::{GROUP, LANES, Pixels, Planes, vectorised};
use crate::{Op, Rng, Transform, View};
use serde::{Deserialize, Serialize};
use visrep_decode::RgbImage;

/// One step of [`fused_color`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColorStep {
    /// [`adjust_brightness`](crate::adjust_brightness) by a factor.
    Brightness(f64),
    /// [`adjust_contrast`](crate::adjust_contrast) by a factor.
    Contrast(f64),
    /// [`adjust_saturation`](crate::adjust_saturation) by a factor.
    Saturation(f64),
    /// [`adjust_hue`](crate::adjust_hue) by a share of a turn.
    Hue(f64),
    /// [`grayscale`](crate::grayscale).
    Grayscale,
}

impl ColorStep {
    /// The step that does what an operation does.
    fn of(op: &Op) -> Option<Self> {
        Some(match *op {
            Op::AdjustBrightness { factor } => Self::Brightness(factor),
            Op::AdjustContrast { factor } => Self::Contrast(factor),
            Op::AdjustSaturation { factor } => Self::Saturation(factor),
            Op::AdjustHue { turns } => Self::Hue(turns),
            Op::Grayscale => Self::Grayscale,
            _ => return None,
        })
    }
}

/// Does what the functions of the steps do, one after the other, without going through the whole image for each.
///
/// Equal to them bit for bit but for the hue, which is computed in single precision: where its 8-bit value lies on the edge between
/// two steps, in 0.3 % of all colours, it may be the other one, by which a value of the result changes by up to 6 levels.
pub fn fused_color(image: &mut RgbImage, steps: &[ColorStep]) {
    let mut group = Vec::with_capacity(steps.len());
    for step in steps {
        let step = match *step {
            ColorStep::Brightness(factor) => Step::Blend { from: 0.0, factor: factor as f32 },
            ColorStep::Saturation(factor) => Step::Grey { factor: factor as f32 },
            ColorStep::Grayscale => Step::Grey { factor: 0.0 },
            ColorStep::Hue(turns) => Step::Hue { shift: f32::from((turns * 255.0) as i32 as u8) },
            ColorStep::Contrast(factor) => {
                // What it is relative to depends on all pixels: the steps before it are done first.
                if !group.is_empty() {
                    pass(image, &group);
                }
                let from = mean_grey(image);
                group.clear();
                Step::Blend { from, factor: factor as f32 }
            }
        };
        group.push(step);
    }
    if !group.is_empty() {
        pass(image, &group);
    }
}

/// A step on whole numbers within 0..=255, which stay such.
enum Step {
    Blend { from: f32, factor: f32 },
    Grey { factor: f32 },
    Hue { shift: f32 },
}

/// A run of pixels.
struct Tile {
    r: [f32; LANES],
    g: [f32; LANES],
    b: [f32; LANES],
}

fn pass(image: &mut RgbImage, steps: &[Step]) {
    let pixels = Pixels::detect();
    vectorised(
        #[inline(always)]
        || {
            let (runs, rest) = image.data_mut().as_chunks_mut::<{ LANES * 3 }>();
            for run in runs {
                change(pixels, run, steps);
            }
            if !rest.is_empty() {
                let mut run = [0; LANES * 3];
                run[..rest.len()].copy_from_slice(rest);
                change(pixels, &mut run, steps);
                rest.copy_from_slice(&run[..rest.len()]);
            }
        },
    );
}

#[inline(always)]
fn change(pixels: Pixels, run: &mut [u8; LANES * 3], steps: &[Step]) {
    let planes = Planes::load(run);
    let mut tile = Tile { r: [0.0; LANES], g: [0.0; LANES], b: [0.0; LANES] };
    for i in 0..LANES {
        tile.r[i] = f32::from(planes.r[i]);
        tile.g[i] = f32::from(planes.g[i]);
        tile.b[i] = f32::from(planes.b[i]);
    }
    for step in steps {
        match *step {
            Step::Blend { from, factor } => tile.blend(&[from; LANES], factor),
            Step::Grey { factor } => tile.blend(&tile.greys(), factor),
            Step::Hue { shift } => tile.turn(shift),
        }
    }
    // Each pixel in 32 bits first: a register filled from three arrays would wait for them.
    let mut words = [0; LANES];
    for (i, word) in words.iter_mut().enumerate() {
        *word = byte(tile.r[i]) | byte(tile.g[i]) << 8 | byte(tile.b[i]) << 16;
    }
    let columns: [[u8; 4 * GROUP]; LANES / GROUP] = pulp::cast(words);
    for (target, column) in run.as_chunks_mut::<{ 3 * GROUP }>().0.iter_mut().zip(&columns) {
        *target = pixels.packed(column);
    }
}

/// Added to 2^23, a whole number is in the lowest bits.
#[inline(always)]
fn byte(value: f32) -> u32 {
    (value + (1 << 23) as f32).to_bits() & 0xFF
}

#[inline(always)]
fn greater(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

#[inline(always)]
fn smaller(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

/// What is added to a quotient before it is cut off, so that one that is whole in exact arithmetic is not cut off below.
const EDGE: f32 = 1e-4;

impl Tile {
    /// Pillow's greys; every number is whole and below 2^24, so nothing is rounded but the result.
    #[inline(always)]
    fn greys(&self) -> [f32; LANES] {
        let mut greys = [0.0; LANES];
        for (i, grey) in greys.iter_mut().enumerate() {
            let sum = self.r[i] * 19595.0 + self.g[i] * 38470.0 + self.b[i] * 7471.0 + 32768.0;
            *grey = (sum * (1.0 / 65536.0)).floor();
        }
        greys
    }

    #[inline(always)]
    fn blend(&mut self, from: &[f32; LANES], factor: f32) {
        for channel in [&mut self.r, &mut self.g, &mut self.b] {
            for i in 0..LANES {
                let value = from[i] + factor * (channel[i] - from[i]);
                // The order makes 0 of what is no number.
                channel[i] = smaller(greater(value, 0.0), 255.0).floor();
            }
        }
    }

    /// Turns the hue by steps of 1/255 of the circle, in Pillow's 8-bit HSV.
    #[inline(always)]
    fn turn(&mut self, shift: f32) {
        for i in 0..LANES {
            let (r, g, b) = (self.r[i], self.g[i], self.b[i]);
            let max = greater(greater(r, g), b);
            let range = max - smaller(smaller(r, g), b);
            let slope = 42.5 / greater(range, 1.0);
            let other = if g == max { 85.0 + (b - r) * slope } else { 170.0 + (r - g) * slope };
            let hue = if r == max { (g - b) * slope } else { other };
            let hue = ((if hue < 0.0 { hue + 255.0 } else { hue }) + EDGE).floor() + shift;
            let hue = if hue >= 256.0 { hue - 256.0 } else { hue };
            let saturation = (range * (255.0 / greater(max, 1.0)) + EDGE).floor();
            let chroma = saturation * (1.0 / 255.0) * max;
            let sixths = hue * (6.0 / 255.0);
            self.r[i] = (max - chroma * falling(sixths + 5.0) + 0.5).floor();
            self.g[i] = (max - chroma * falling(sixths + 3.0) + 0.5).floor();
            self.b[i] = (max - chroma * falling(sixths + 1.0) + 0.5).floor();
        }
    }
}

/// How far a channel lies below the largest, as a share of the chroma: a trapezium over six sixths of the circle.
#[inline(always)]
fn falling(at: f32) -> f32 {
    let at = if at >= 6.0 { at - 6.0 } else { at };
    greater(smaller(smaller(at, 4.0 - at), 1.0), 0.0)
}

/// The fast mode of a colour jitter: draws what `transform` draws, and makes one [`Op::FusedColor`] of brightness, contrast,
/// saturation, hue and grayscale that follow each other. See [`fused_color`] for how little that changes.
///
/// ```
/// use visrep_augment::{ColorJitter, Compose, FusedColor, RandomApply, RandomGrayscale};
///
/// let jitter = RandomApply::new(ColorJitter::new(0.4, 0.4, 0.2, 0.1)?, 0.8)?;
/// let fused = FusedColor::new(Compose::new().then(jitter).then(RandomGrayscale::new(0.2)?));
/// # Ok::<(), visrep_augment::Error>(())
/// ```
pub struct FusedColor<T> {
    transform: T,
}

impl<T: Transform> FusedColor<T> {
    /// `transform` may be a whole recipe: what is not among those operations stays as it is.
    pub fn new(transform: T) -> Self {
        Self { transform }
    }
}

impl<T: Transform> Transform for FusedColor<T> {
    fn draw(&self, view: &mut View, rng: &mut Rng) {
        let mut drawn = View::new(view.size());
        self.transform.draw(&mut drawn, rng);
        let mut ops = drawn.ops();
        while let Some((op, rest)) = ops.split_first() {
            let steps: Vec<ColorStep> = ops.iter().map_while(ColorStep::of).collect();
            // The hue gains by itself, the others only by company.
            if steps.len() > 1 || matches!(op, Op::AdjustHue { .. }) {
                ops = &ops[steps.len()..];
                view.push(Op::FusedColor { steps });
            } else {
                ops = rest;
                view.push(op.clone());
            }
        }
    }
}

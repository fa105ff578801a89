//! GridMask.

use crate::error::{check_count, check_within};
use crate::{Error, MAX_SIDE, Op, Rng, Transform, View};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use visrep_decode::RgbImage;

/// Which pixels of a grid are made black.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GridMode {
    /// The bars, so that separate squares are left: the authors' mode 0.
    Bars,
    /// The squares between the bars: mode 1, which the paper is about.
    Squares,
}

/// Makes the bars of a grid, or what lies between them, black: GridMask (Chen et al. 2020), as the authors' code has it.
///
/// Bars of `bar` pixels repeat every `unit` pixels in both directions, the first at `offset` (x, y), in a square as
/// wide as the image's diagonal, which is turned by `degrees` counter-clockwise about its centre as Pillow's
/// `Image.rotate` does, and of which the middle lies over the image.
pub fn grid_mask(
    image: &mut RgbImage,
    unit: u32,
    bar: u32,
    offset: (u32, u32),
    degrees: u32,
    mode: GridMode,
) {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let side = ((width * width + height * height) as f64).sqrt().ceil() as usize;
    let bars = |offset: u32| -> Vec<bool> {
        let (unit, offset) = (unit.max(1), offset % unit.max(1));
        (0..side as u32).map(|i| (i + unit - offset) % unit < bar).collect()
    };
    let (columns, rows) = (bars(offset.0), bars(offset.1));
    let (left, top) = ((side - width) / 2, (side - height) / 2);
    let black = |bar: bool| bar == (mode == GridMode::Bars);
    let lines = image.data_mut().chunks_exact_mut(width * 3).enumerate();
    if degrees.is_multiple_of(360) {
        for (y, line) in lines {
            if rows[top + y] {
                if mode == GridMode::Bars {
                    line.fill(0);
                }
                continue;
            }
            for run in runs(&columns[left..left + width]) {
                if black(columns[left + run.start]) {
                    line[run.start * 3..run.end * 3].fill(0);
                }
            }
        }
        return;
    }
    let turn = Turn::new(side, degrees);
    for (y, line) in lines {
        for (x, pixel) in line.as_chunks_mut::<3>().0.iter_mut().enumerate() {
            // Beyond the square Pillow has zeros, as the bars are.
            let bar = turn.source(left + x, top + y).is_none_or(|(x, y)| columns[x] || rows[y]);
            if black(bar) {
                *pixel = [0; 3];
            }
        }
    }
}

/// The ranges of equal values.
fn runs(values: &[bool]) -> impl Iterator<Item = std::ops::Range<usize>> {
    let mut end = 0;
    values.chunk_by(|a, b| a == b).map(move |run| {
        let start = end;
        end += run.len();
        start..end
    })
}

/// A square turned about its centre, nearest pixel: Pillow's `Image.rotate`, in the fixed point that it computes in.
struct Turn {
    side: usize,
    matrix: [i64; 6],
}

impl Turn {
    fn new(side: usize, degrees: u32) -> Self {
        let angle = -f64::from(degrees % 360).to_radians();
        let decimals = |value: f64| (value * 1e15).round_ties_even() / 1e15;
        let (sin, cos) = (decimals(angle.sin()), decimals(angle.cos()));
        let center = side as f64 / 2.0;
        let linear = [cos, sin, -sin, cos];
        let shift = |a: f64, b: f64| center - a * center - b * center + (a + b) * 0.5;
        let fixed = |value: f64| (value * 65536.0 + 0.5).floor() as i64;
        let [a, b, c, d] = linear;
        let matrix = [a, b, shift(a, b), c, d, shift(c, d)].map(fixed);
        Self { side, matrix }
    }

    /// Where the pixel at (x, y) comes from, if from inside the square.
    #[inline(always)]
    fn source(&self, x: usize, y: usize) -> Option<(usize, usize)> {
        let [a, b, c, d, e, f] = self.matrix;
        let (x, y) = (x as i64, y as i64);
        let inside = |value: i64| usize::try_from(value >> 16).ok().filter(|&value| value < self.side);
        Some((inside(a * x + b * y + c)?, inside(d * x + e * y + f)?))
    }
}

/// Random grids; see [`grid_mask`].
#[derive(Clone, Debug, PartialEq)]
pub struct GridMask {
    unit: RangeInclusive<u32>,
    ratio: f64,
    rotate: u32,
    mode: GridMode,
    p: f64,
}

impl GridMask {
    /// With probability `p` the squares between the bars of a grid, repeating every 96 to 223 pixels, that leaves
    /// 0.6 of the length and is turned by any angle: the paper's setting for ImageNet at 224 pixels. The paper raises `p`
    /// in the course of training, up to 0.8.
    ///
    /// Errs unless `p` is within 0..=1.
    pub fn new(p: f64) -> Result<Self, Error> {
        check_within("GridMask p", p, 0.0..=1.0)?;
        Ok(Self { unit: 96..=223, ratio: 0.6, rotate: 360, mode: GridMode::Squares, p })
    }

    /// The range of the grid's period in pixels, within 1..=[`MAX_SIDE`].
    pub fn unit(self, unit: RangeInclusive<u32>) -> Result<Self, Error> {
        check_count("GridMask unit", &unit, 1..=MAX_SIDE)?;
        Ok(Self { unit, ..self })
    }

    /// The share of the period that a bar takes, within 0..=1; its pixels are rounded up.
    pub fn ratio(self, ratio: f64) -> Result<Self, Error> {
        check_within("GridMask ratio", ratio, 0.0..=1.0)?;
        Ok(Self { ratio, ..self })
    }

    /// Whole degrees from 0 up to, and without, `rotate` are drawn: 1 turns nothing. Errs outside 1..=360.
    pub fn rotate(self, rotate: u32) -> Result<Self, Error> {
        check_count("GridMask rotate", &(rotate..=rotate), 1..=360)?;
        Ok(Self { rotate, ..self })
    }

    /// Which pixels are made black.
    #[must_use]
    pub fn mode(self, mode: GridMode) -> Self {
        Self { mode, ..self }
    }
}

impl Transform for GridMask {
    fn draw(&self, view: &mut View, rng: &mut Rng) {
        if !rng.random_bool(self.p) {
            return;
        }
        let unit = rng.random_range(self.unit.clone());
        let bar = (f64::from(unit) * self.ratio).ceil() as u32;
        let offset = (rng.random_range(0..unit), rng.random_range(0..unit));
        let degrees = rng.random_range(0..self.rotate);
        view.push(Op::GridMask { unit, bar, offset, degrees, mode: self.mode });
    }
}

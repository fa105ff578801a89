//! Warps drawn at random, as torchvision draws them.

use super::{affine_matrix, perspective_coefficients};
use crate::error::{check_range, check_within};
use crate::{Error, Filter, Op, Rng, Transform, View};
use rand::RngExt as _;
use std::ops::RangeInclusive;

/// Turns, moves, scales and leans at random: `torchvision.transforms.RandomAffine`, around the image's middle.
#[derive(Clone, Debug, PartialEq)]
pub struct RandomAffine {
    degrees: RangeInclusive<f64>,
    translate: (f64, f64),
    scale: RangeInclusive<f64>,
    shear: [RangeInclusive<f64>; 2],
    interpolation: Filter,
    fill: [u8; 3],
}

impl RandomAffine {
    /// Turns clockwise by an angle uniform in `degrees`; nothing else, nearest neighbour, black outside. Errs
    /// unless the range runs from low to high within -3600..=3600.
    pub fn new(degrees: RangeInclusive<f64>) -> Result<Self, Error> {
        check_range("RandomAffine degrees", &degrees, -3600.0..=3600.0)?;
        let (translate, scale, shear) = ((0.0, 0.0), 1.0..=1.0, [0.0..=0.0, 0.0..=0.0]);
        Ok(Self { degrees, translate, scale, shear, interpolation: Filter::Nearest, fill: [0; 3] })
    }

    /// Moves by whole pixels, uniformly up to the shares `x` of the width and `y` of the height. Errs unless
    /// both are within 0..=1.
    pub fn translate(mut self, x: f64, y: f64) -> Result<Self, Error> {
        check_within("RandomAffine translate x", x, 0.0..=1.0)?;
        check_within("RandomAffine translate y", y, 0.0..=1.0)?;
        self.translate = (x, y);
        Ok(self)
    }

    /// Scales by a factor uniform in `scale`. Errs unless the range runs from low to high within 0.001..=1000.
    pub fn scale(mut self, scale: RangeInclusive<f64>) -> Result<Self, Error> {
        check_range("RandomAffine scale", &scale, 1e-3..=1e3)?;
        self.scale = scale;
        Ok(self)
    }

    /// Leans by angles in degrees, uniform in `x` and in `y`. Errs unless both ranges run from low to high within
    /// -89..=89.
    pub fn shear(mut self, x: RangeInclusive<f64>, y: RangeInclusive<f64>) -> Result<Self, Error> {
        check_range("RandomAffine shear x", &x, -89.0..=89.0)?;
        check_range("RandomAffine shear y", &y, -89.0..=89.0)?;
        self.shear = [x, y];
        Ok(self)
    }

    /// Sets the interpolation (see [`affine`](crate::affine)) and the colour outside the image.
    #[must_use]
    pub fn filter(mut self, interpolation: Filter, fill: [u8; 3]) -> Self {
        (self.interpolation, self.fill) = (interpolation, fill);
        self
    }
}

impl Transform for RandomAffine {
    fn draw(&self, view: &mut View, rng: &mut Rng) {
        let (width, height) = view.size();
        let degrees = rng.random_range(self.degrees.clone());
        let mut shift = |share: f64, len: u32| {
            let most = share * f64::from(len);
            rng.random_range(-most..=most).round_ties_even()
        };
        let translate = (shift(self.translate.0, width), shift(self.translate.1, height));
        let scale = rng.random_range(self.scale.clone());
        let shear = (rng.random_range(self.shear[0].clone()), rng.random_range(self.shear[1].clone()));
        let center = (f64::from(width) * 0.5, f64::from(height) * 0.5);
        let matrix = affine_matrix(degrees, translate, scale, shear, center);
        view.push(Op::Affine { matrix, interpolation: self.interpolation, fill: self.fill });
    }
}

/// Turns counter-clockwise by a random angle and keeps the size: `torchvision.transforms.RandomRotation`.
#[derive(Clone, Debug, PartialEq)]
pub struct RandomRotation {
    degrees: RangeInclusive<f64>,
    interpolation: Filter,
    fill: [u8; 3],
}

impl RandomRotation {
    /// An angle uniform in `degrees`, nearest neighbour, black outside. Errs unless the range runs from low to high within
    /// -3600..=3600.
    pub fn new(degrees: RangeInclusive<f64>) -> Result<Self, Error> {
        check_range("RandomRotation degrees", &degrees, -3600.0..=3600.0)?;
        Ok(Self { degrees, interpolation: Filter::Nearest, fill: [0; 3] })
    }

    /// Sets the interpolation (see [`affine`](crate::affine)) and the colour outside the image.
    #[must_use]
    pub fn filter(mut self, interpolation: Filter, fill: [u8; 3]) -> Self {
        (self.interpolation, self.fill) = (interpolation, fill);
        self
    }
}

impl Transform for RandomRotation {
    fn draw(&self, view: &mut View, rng: &mut Rng) {
        let degrees = rng.random_range(self.degrees.clone());
        view.push(Op::Rotate { degrees, interpolation: self.interpolation, center: None, fill: self.fill });
    }
}

/// Turns by 0, 90, 180 or 270 degrees, each as likely: the pretext task of RotNet (Gidaris et al. 2018).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RandomQuarters;

impl Transform for RandomQuarters {
    fn draw(&self, view: &mut View, rng: &mut Rng) {
        view.push(Op::RotateQuarters { quarters: rng.random_range(0..4) });
    }
}

/// Moves the four corners inwards at random: `torchvision.transforms.RandomPerspective`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RandomPerspective {
    distortion: f64,
    p: f64,
    interpolation: Filter,
    fill: [u8; 3],
}

impl RandomPerspective {
    /// With probability `p` each corner moves by up to `distortion` times half the sides (torchvision: .5, .5); bilinear, black
    /// outside. Errs unless both are within 0..=1.
    pub fn new(distortion: f64, p: f64) -> Result<Self, Error> {
        check_within("RandomPerspective distortion", distortion, 0.0..=1.0)?;
        check_within("RandomPerspective p", p, 0.0..=1.0)?;
        Ok(Self { distortion, p, interpolation: Filter::Bilinear, fill: [0; 3] })
    }

    /// Sets the interpolation (see [`affine`](crate::affine)) and the colour outside the image.
    #[must_use]
    pub fn filter(mut self, interpolation: Filter, fill: [u8; 3]) -> Self {
        (self.interpolation, self.fill) = (interpolation, fill);
        self
    }
}

impl Transform for RandomPerspective {
    fn draw(&self, view: &mut View, rng: &mut Rng) {
        if !rng.random_bool(self.p) {
            return;
        }
        let (width, height) = view.size();
        let (right, bottom) = (f64::from(width.max(1) - 1), f64::from(height.max(1) - 1));
        let [most_x, most_y] = [width, height].map(|len| (self.distortion * f64::from(len / 2)) as u32);
        let mut inwards = || (rng.random_range(0..=most_x).into(), rng.random_range(0..=most_y).into());
        let moved: [(f64, f64); 4] = std::array::from_fn(|_| inwards());
        let start = [(0.0, 0.0), (right, 0.0), (right, bottom), (0.0, bottom)];
        let end = [
            moved[0],
            (right - moved[1].0, moved[1].1),
            (right - moved[2].0, bottom - moved[2].1),
            (moved[3].0, bottom - moved[3].1),
        ];
        // Corners on a line, as in an image one pixel wide, have no perspective.
        if let Some(coefficients) = perspective_coefficients(start, end) {
            view.push(Op::Perspective { coefficients, interpolation: self.interpolation, fill: self.fill });
        }
    }
}

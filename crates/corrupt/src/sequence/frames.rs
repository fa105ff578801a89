//! One frame after another.

use visrep_decode::{Region, RgbImage};

use super::constants::{self, Sequences};
use super::geometry::{self, Affine};
use super::{Difficulty, Perturbation};
use crate::constants::Splash;
use crate::corruption::mixed;
use crate::field::{Edge, Field, gaussian};
use crate::random::Random;
use crate::{Error, Scale, color, motion, noise, spatter, weather};

/// The frames of one sequence, made one by one. See [`frames`](super::frames).
pub struct Frames {
    image: RgbImage,
    region: Region,
    /// The clean central part.
    crop: RgbImage,
    perturbation: Perturbation,
    constants: &'static Sequences,
    difficulty: usize,
    seed: u64,
    /// What a frame needs of those before it: the sum of the magnifications, the layer of snow or of drops.
    layer: Option<Field>,
    next: usize,
    count: usize,
}

impl Frames {
    pub(super) fn new(
        image: &RgbImage,
        region: Region,
        perturbation: Perturbation,
        difficulty: Difficulty,
        scale: Scale,
        seed: u64,
    ) -> Result<Self, Error> {
        let crop = image.crop(region)?;
        let constants = constants::of(scale);
        let mut frames = Self {
            image: image.clone(),
            region,
            crop,
            perturbation,
            constants,
            difficulty: usize::from(difficulty.get()) - 1,
            seed,
            layer: None,
            next: 0,
            count: perturbation.frames(scale),
        };
        frames.layer = frames.first_layer();
        Ok(frames)
    }

    fn first_layer(&self) -> Option<Field> {
        let (width, height) = (self.crop.width() as usize, self.crop.height() as usize);
        let mut layer = Field::zeros(width, height, 1);
        match self.perturbation {
            Perturbation::ZoomBlur => return Some(unit_range(&self.crop)),
            Perturbation::Snow => Random::new(self.seed).fill_normal(&mut layer.data),
            Perturbation::Spatter => {
                Random::new(self.seed).fill_normal(&mut layer.data);
                return Some(drops(layer, self.constants.spatter));
            }
            _ => return None,
        }
        Some(layer)
    }

    /// Uses draws that a test has made.
    #[cfg(test)]
    pub(super) fn with_layer(mut self, layer: Field) -> Self {
        self.layer = Some(layer);
        self
    }

    fn make(&mut self, i: usize) -> Result<RgbImage, Error> {
        let constants = self.constants;
        let frame = i as f64;
        match self.perturbation {
            Perturbation::GaussianNoise | Perturbation::ShotNoise | Perturbation::SpeckleNoise => {
                self.noisy(i)
            }
            Perturbation::MotionBlur => {
                let motion = &constants.motion;
                let angle = (frame - motion.last) * motion.step;
                motion::motion_blur(&Field::from_rgb(&self.crop), motion.smear, angle).to_rgb()
            }
            Perturbation::ZoomBlur => self.zoomed(i),
            Perturbation::Snow => {
                let noise = self.layer.clone().unwrap_or_else(|| Field::zeros(0, 0, 1));
                weather::snow(&self.crop, constants.snow, noise, frame * 4.0 - 150.0)
            }
            Perturbation::Brightness => color::brightness(&self.crop, (frame - 15.0) * constants.brightness),
            Perturbation::Translate => {
                geometry::translated(&self.image, constants.translate.first + i as i32, self.region)
            }
            Perturbation::Rotate => self.affine(frame - 15.0, 0.0, 1.0),
            Perturbation::Tilt => geometry::tilted(&self.image, (frame - 15.0) * constants.tilt, self.region),
            Perturbation::Scale => {
                let [first, step] = constants.scale;
                self.affine(0.0, 0.0, (frame * step + first) / 100.0)
            }
            Perturbation::GaussianBlur => {
                let blur = &constants.blur;
                let sigma = blur.sigma + blur.step * frame;
                gaussian(&Field::from_rgb(&self.crop), sigma, blur.truncate, Edge::Nearest).to_rgb()
            }
            Perturbation::Spatter => self.spattered(),
            Perturbation::Shear => self.affine(0.0, frame - 15.0, 1.0),
        }
    }

    fn affine(&self, angle: f64, shear: f64, scale: f64) -> Result<RgbImage, Error> {
        geometry::affine(&self.image, Affine { angle, shear, scale }, self.region)
    }

    fn noisy(&self, i: usize) -> Result<RgbImage, Error> {
        if i == 0 {
            return Ok(self.crop.clone());
        }
        let mut random = Random::new(mixed(&[&(i as u64).to_le_bytes()], self.seed));
        let (constants, at) = (self.constants, self.difficulty);
        match self.perturbation {
            Perturbation::ShotNoise => noise::shot(&self.crop, constants.shot_noise[at], &mut random),
            Perturbation::SpeckleNoise => {
                noise::speckle(&self.crop, constants.speckle_noise[at], &mut random)
            }
            _ => noise::gaussian(&self.crop, constants.gaussian_noise[at], &mut random),
        }
    }

    /// The mean of the clean crop and of `i` magnifications, summed as `f32` in 0 to 1.
    fn zoomed(&mut self, i: usize) -> Result<RgbImage, Error> {
        if i == 0 {
            return Ok(self.crop.clone());
        }
        let larger = unit_range(&self.affine(0.0, 0.0, 1.0 + 0.004 * i as f64)?);
        let sum = self.layer.get_or_insert_with(|| unit_range(&self.crop));
        for (sum, value) in sum.data.iter_mut().zip(&larger.data) {
            *sum += value;
        }
        let count = (i + 1) as f32;
        let data = sum.data.iter().map(|&sum| (sum / count * 255.0) as u8).collect();
        Ok(RgbImage::new(self.crop.width(), self.crop.height(), data)?)
    }

    /// The drops as they are, which then run down for the next frame.
    fn spattered(&mut self) -> Result<RgbImage, Error> {
        let Some(layer) = &mut self.layer else { return Ok(self.crop.clone()) };
        // The threshold has been applied, and does not hold for drops that run.
        let splash = Splash { threshold: 0.0, ..self.constants.spatter };
        let frame = spatter::water(&self.crop, splash, layer)?;
        *layer = run_down(layer, self.constants.run);
        Ok(frame)
    }
}

impl Iterator for Frames {
    type Item = Result<RgbImage, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.count {
            return None;
        }
        let frame = self.make(self.next);
        self.next += 1;
        Some(frame)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.count - self.next, Some(self.count - self.next))
    }
}

impl ExactSizeIterator for Frames {}

/// The image in 0 to 1, divided in `f32` as torchvision's `ToTensor` does.
fn unit_range(image: &RgbImage) -> Field {
    let mut field = Field::from_rgb(image);
    for value in &mut field.data {
        *value /= 255.0;
    }
    field
}

/// Where there is water, and how much: blurred noise above the threshold.
pub(super) fn drops(mut noise: Field, splash: Splash) -> Field {
    for value in &mut noise.data {
        *value = (splash.mean + splash.deviation * f64::from(*value)) as f32;
    }
    let mut drops = gaussian(&noise, splash.sigma, 4.0, Edge::Nearest);
    for value in &mut drops.data {
        if f64::from(*value) < splash.threshold {
            *value = 0.0;
        }
    }
    drops
}

/// NumPy's `convolve(column, kernel, "same")` of every column: zeros beyond the ends.
fn run_down(layer: &Field, kernel: &[f64]) -> Field {
    let mut out = Field::zeros(layer.width, layer.height, 1);
    let lead = (kernel.len() - 1) / 2;
    for y in 0..layer.height {
        for (k, &weight) in kernel.iter().enumerate() {
            // Output y has input y + lead - k.
            let Some(source) = (y + lead).checked_sub(k).filter(|&source| source < layer.height) else {
                continue;
            };
            crate::field::add_scaled(out.row_mut(y), layer.row(source), weight as f32);
        }
    }
    out
}

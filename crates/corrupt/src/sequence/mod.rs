//! ImageNet-P and CIFAR-P: an image as a sequence of frames that change little by little (Hendrycks & Dietterich 2019).

mod constants;
mod frames;
mod geometry;
#[cfg(test)]
mod golden;

use std::fmt;
use std::str::FromStr;

use visrep_decode::{Region, RgbImage};

use crate::Error;
use crate::corruption::{mixed, nearest};
pub use frames::Frames;

/// What changes along a sequence: one of the 10 of ImageNet-P, or of the 4 published for validation.
///
/// `Display` and `FromStr` use the names of the published folders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Perturbation {
    /// Fresh normal noise in every frame but the first.
    GaussianNoise,
    /// Fresh Poisson noise in every frame but the first.
    ShotNoise,
    /// A smear whose direction turns.
    MotionBlur,
    /// The mean of more and more magnifications.
    ZoomBlur,
    /// Flakes whose direction turns.
    Snow,
    /// From darker to brighter.
    Brightness,
    /// From left to right, by a pixel each.
    Translate,
    /// A rotation, by a degree each.
    Rotate,
    /// A rotation out of the image's plane.
    Tilt,
    /// From smaller to larger.
    Scale,
    /// Fresh noise in proportion to the value in every frame but the first (extra).
    SpeckleNoise,
    /// A blur that widens (extra).
    GaussianBlur,
    /// Drops of water that run (extra).
    Spatter,
    /// A shear, by a degree each (extra).
    Shear,
}

use Perturbation::*;

impl Perturbation {
    /// All 14: ImageNet-P's 10 in the published order, then its 4 extras.
    pub const ALL: [Perturbation; 14] = [
        GaussianNoise,
        ShotNoise,
        MotionBlur,
        ZoomBlur,
        Snow,
        Brightness,
        Translate,
        Rotate,
        Tilt,
        Scale,
        SpeckleNoise,
        GaussianBlur,
        Spatter,
        Shear,
    ];

    /// ImageNet-P's 10 that count towards mFR and mT5D, in the published order.
    pub const BENCHMARK: [Perturbation; 10] =
        [GaussianNoise, ShotNoise, MotionBlur, ZoomBlur, Snow, Brightness, Translate, Rotate, Tilt, Scale];

    /// CIFAR-10-P's 10: spatter takes the place of snow (`cifar-p-eval.py` of the authors).
    pub const CIFAR_BENCHMARK: [Perturbation; 10] =
        [GaussianNoise, ShotNoise, MotionBlur, ZoomBlur, Spatter, Brightness, Translate, Rotate, Tilt, Scale];

    /// ImageNet-P's 4 that are published for validation.
    pub const EXTRA: [Perturbation; 4] = [SpeckleNoise, GaussianBlur, Spatter, Shear];

    /// The name of the published folder.
    pub fn name(self) -> &'static str {
        match self {
            GaussianNoise => "gaussian_noise",
            ShotNoise => "shot_noise",
            MotionBlur => "motion_blur",
            ZoomBlur => "zoom_blur",
            Snow => "snow",
            Brightness => "brightness",
            Translate => "translate",
            Rotate => "rotate",
            Tilt => "tilt",
            Scale => "scale",
            SpeckleNoise => "speckle_noise",
            GaussianBlur => "gaussian_blur",
            Spatter => "spatter",
            Shear => "shear",
        }
    }

    /// Whether every frame but the first, which is clean, has noise of its own. Predictions on such a sequence are
    /// compared with the first frame's; on the others, which change with time, with those of the frame before.
    pub fn is_noise(self) -> bool {
        matches!(self, GaussianNoise | ShotNoise | SpeckleNoise)
    }

    /// Whether the frames depend on the seed.
    pub fn is_random(self) -> bool {
        self.is_noise() || matches!(self, Snow | Spatter)
    }

    /// The frames of a sequence: 31 but for some, such as ImageNet-P's `translate`, which has 41.
    pub fn frames(self, scale: crate::Scale) -> usize {
        match self {
            MotionBlur => constants::of(scale).motion.frames,
            Translate => constants::of(scale).translate.frames,
            _ => constants::FRAMES,
        }
    }
}

impl fmt::Display for Perturbation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Perturbation {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let folded = text.trim().to_ascii_lowercase().replace(['-', ' '], "_");
        Self::ALL.into_iter().find(|p| p.name() == folded).ok_or_else(|| Error::UnknownPerturbation {
            name: text.to_owned(),
            nearest: nearest(&folded, Self::ALL.into_iter().map(Self::name)),
        })
    }
}

/// How strong the noise of a noise sequence is: 1 (the benchmark), 2 or 3 (the published folders `gaussian_noise_2` and so
/// on). Other sequences have one difficulty: their harder forms leave frames out when they are evaluated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Difficulty {
    /// The benchmark's.
    #[default]
    One,
    /// Stronger.
    Two,
    /// Strongest.
    Three,
}

impl Difficulty {
    /// The three, weakest first.
    pub const ALL: [Difficulty; 3] = [Difficulty::One, Difficulty::Two, Difficulty::Three];

    /// 1, 2 or 3.
    pub fn get(self) -> u8 {
        self as u8 + 1
    }
}

impl fmt::Display for Difficulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl FromStr for Difficulty {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|difficulty| difficulty.to_string() == text.trim())
            .ok_or_else(|| Error::Difficulty { value: text.to_owned() })
    }
}

/// The frames of `image` under `perturbation`, each made when it is asked for: the central `crop` x `crop` pixels.
///
/// What moves the image reads pixels from outside the crop, and black from outside the image: ImageNet-P has images
/// whose shorter side is 256, and crops of 224; CIFAR-P's crops are the whole images. (The published Inception frames
/// are resized after the crop, and the motion blur of the published 64-pixel ones before it: here nothing is resized.)
/// Frames are PNG's pixels; the published ones went through H.264, whose decoders differ.
///
/// A pure function of the arguments. `difficulty` matters to the noise sequences alone. Errs where the image is smaller
/// than the crop.
///
/// ```
/// use visrep_corrupt::{Difficulty, Perturbation, Scale, frames};
/// use visrep_decode::RgbImage;
///
/// let image = RgbImage::from_fn(48, 40, |x, y| [(5 * x) as u8, (6 * y) as u8, 120]);
/// let tilted = frames(&image, 32, Perturbation::Tilt, Difficulty::One, Scale::Cifar32, 0)?;
/// assert_eq!(tilted.len(), 31);
/// for frame in tilted {
///     assert_eq!((frame?.width()), 32);
/// }
/// # Ok::<(), visrep_corrupt::Error>(())
/// ```
pub fn frames(
    image: &RgbImage,
    crop: u32,
    perturbation: Perturbation,
    difficulty: Difficulty,
    scale: crate::Scale,
    seed: u64,
) -> Result<Frames, Error> {
    let (width, height) = (image.width(), image.height());
    if crop == 0 || width < crop || height < crop {
        return Err(Error::CropTooLarge { crop, width, height });
    }
    // torchvision's centre crop: half of an odd margin goes to the even side, as Python rounds.
    let margin = |side: u32| (f64::from(side - crop) / 2.0).round_ties_even() as u32;
    let region = Region { x: margin(width), y: margin(height), width: crop, height: crop };
    Frames::new(image, region, perturbation, difficulty, scale, seed)
}

/// A seed for the sequence of one image: as [`keyed_seed`](crate::keyed_seed), for perturbations.
pub fn keyed_sequence_seed(key: &str, perturbation: Perturbation, difficulty: Difficulty, seed: u64) -> u64 {
    mixed(&[key.as_bytes(), b"\0frames\0", perturbation.name().as_bytes(), &[difficulty.get()]], seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_unknown_ones_list_the_nearest() {
        for perturbation in Perturbation::ALL {
            assert_eq!(perturbation.to_string().parse::<Perturbation>().unwrap(), perturbation);
        }
        let message = "rotation".parse::<Perturbation>().unwrap_err().to_string();
        assert!(message.contains("rotate"), "{message}");
        let (benchmark, extra) = (Perturbation::BENCHMARK.as_slice(), Perturbation::EXTRA.as_slice());
        assert_eq!([benchmark, extra].concat(), Perturbation::ALL);
        let of_cifar = Perturbation::BENCHMARK.map(|found| if found == Snow { Spatter } else { found });
        assert_eq!(of_cifar, Perturbation::CIFAR_BENCHMARK);
        for bad in ["0", "4", "", "one"] {
            assert!(matches!(bad.parse::<Difficulty>(), Err(Error::Difficulty { .. })), "{bad}");
        }
        assert_eq!("2".parse::<Difficulty>().unwrap(), Difficulty::Two);
    }

    #[test]
    fn every_sequence_has_its_published_length_and_size_and_is_a_function_of_the_seed() {
        let image = RgbImage::from_fn(45, 40, |x, y| [(x * 5) as u8, (y * 6) as u8, ((x ^ y) * 4) as u8]);
        for scale in crate::Scale::ALL {
            for perturbation in Perturbation::ALL {
                let make = |seed| -> Vec<RgbImage> {
                    let made = frames(&image, 32, perturbation, Difficulty::Two, scale, seed).unwrap();
                    assert_eq!(made.len(), perturbation.frames(scale));
                    made.map(Result::unwrap).collect()
                };
                let first = make(1);
                assert_eq!(first.len(), perturbation.frames(scale));
                assert!(first.iter().all(|frame| (frame.width(), frame.height()) == (32, 32)));
                assert!(first.windows(2).any(|pair| pair[0] != pair[1]), "{perturbation}");
                assert_eq!(first, make(1), "{perturbation}");
                assert_eq!(first != make(2), perturbation.is_random(), "{perturbation}");
                if perturbation.is_noise() {
                    let middle = image.crop(Region { x: 6, y: 4, width: 32, height: 32 }).unwrap();
                    assert_eq!(first[0], middle);
                }
            }
        }
    }

    #[test]
    fn a_crop_larger_than_the_image_is_refused() {
        let image = RgbImage::filled(20, 30, [1; 3]);
        for crop in [0, 21, 31] {
            let made = frames(&image, crop, Tilt, Difficulty::One, crate::Scale::Cifar32, 0);
            assert!(matches!(made, Err(Error::CropTooLarge { .. })));
        }
    }
}

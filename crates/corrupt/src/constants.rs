//! The published constants, as data: one table per image size that has its own.
//!
//! Source: `make_imagenet_c.py`, `make_cifar_c.py`, `make_tinyimagenet_c.py` and
//! `make_imagenet_c_inception.py` of hendrycks/robustness. Index 0 of every row is severity 1.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// Which published table of constants to use. Any table works on any image size; each was tuned
/// for the size in its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scale {
    /// ImageNet-C at 224 x 224.
    ImageNet224,
    /// CIFAR-10-C and CIFAR-100-C at 32 x 32.
    Cifar32,
    /// Tiny-ImageNet-C and ImageNet-64-C at 64 x 64.
    ImageNet64,
    /// ImageNet-C for Inception at 299 x 299.
    Inception299,
}

impl Scale {
    /// Every scale, smallest first.
    pub const ALL: [Scale; 4] = [Scale::Cifar32, Scale::ImageNet64, Scale::ImageNet224, Scale::Inception299];

    /// The side in pixels that the table was tuned for.
    pub fn side(self) -> u32 {
        match self {
            Scale::Cifar32 => 32,
            Scale::ImageNet64 => 64,
            Scale::ImageNet224 => 224,
            Scale::Inception299 => 299,
        }
    }

    /// The scale whose side is closest, as a ratio, to the geometric mean of the two sides. A side of zero
    /// counts as one.
    pub fn for_size(width: u32, height: u32) -> Scale {
        let side = (f64::from(width.max(1)) * f64::from(height.max(1))).sqrt();
        let distance = |scale: &Scale| (f64::from(scale.side()) / side).ln().abs();
        Self::ALL.into_iter().min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(Scale::ImageNet224)
    }

    pub(crate) fn table(self) -> &'static Table {
        match self {
            Scale::ImageNet224 => &IMAGENET_224,
            Scale::Cifar32 => &CIFAR_32,
            Scale::ImageNet64 => &IMAGENET_64,
            Scale::Inception299 => &INCEPTION_299,
        }
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Scale::ImageNet224 => "imagenet224",
            Scale::Cifar32 => "cifar32",
            Scale::ImageNet64 => "imagenet64",
            Scale::Inception299 => "inception299",
        })
    }
}

impl FromStr for Scale {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|scale| scale.to_string() == text.trim().to_ascii_lowercase()).ok_or_else(
            || {
                let known = Self::ALL.map(|scale| scale.to_string()).join(", ");
                Error::UnknownScale { name: text.to_owned(), known }
            },
        )
    }
}

/// One size's constants for every corruption.
#[derive(Clone, Copy)]
pub(crate) struct Table {
    /// Standard deviation, of a range of 1.
    pub(crate) gaussian_noise: [f64; 5],
    /// Expected photons at full brightness.
    pub(crate) shot_noise: [f64; 5],
    /// Share of the values replaced.
    pub(crate) impulse_noise: [f64; 5],
    /// Standard deviation relative to the value.
    pub(crate) speckle_noise: [f64; 5],
    /// Sigma in pixels.
    pub(crate) gaussian_blur: [f64; 5],
    pub(crate) defocus_blur: [Defocus; 5],
    pub(crate) glass_blur: [Glass; 5],
    pub(crate) motion_blur: [Smear; 5],
    pub(crate) zoom_blur: [ZoomSteps; 5],
    pub(crate) snow: [SnowFall; 5],
    pub(crate) frost: [FrostBlend; 5],
    /// By how much the frost photographs are reduced first.
    pub(crate) frost_scale: f64,
    pub(crate) fog: [FogBank; 5],
    /// The side of the plasma map, a power of two.
    pub(crate) fog_map: usize,
    /// Added to the HSV value.
    pub(crate) brightness: [f64; 5],
    /// Factor about the mean.
    pub(crate) contrast: [f64; 5],
    pub(crate) elastic_transform: [Elastic; 5],
    /// What the three constants of `elastic_transform` are multiplied by, in pixels.
    pub(crate) elastic_unit: f64,
    /// Share of each side that is kept.
    pub(crate) pixelate: [f64; 5],
    /// JPEG quality.
    pub(crate) jpeg_compression: [u8; 5],
    pub(crate) spatter: [Splash; 5],
    /// Factor and offset of the HSV saturation.
    pub(crate) saturate: [(f64, f64); 5],
}

/// Radius of the disk and sigma of the blur that softens its edge.
#[derive(Clone, Copy)]
pub(crate) struct Defocus {
    pub(crate) radius: f64,
    pub(crate) alias_blur: f64,
}

/// Sigma of the blur before and after, the furthest a pixel is fetched from, and how often.
#[derive(Clone, Copy)]
pub(crate) struct Glass {
    pub(crate) sigma: f64,
    pub(crate) reach: i32,
    pub(crate) rounds: u32,
}

/// Radius and sigma of a motion blur.
#[derive(Clone, Copy)]
pub(crate) struct Smear {
    pub(crate) radius: usize,
    pub(crate) sigma: f64,
}

/// Magnifications 1, 1 + step, … : `count` of them.
#[derive(Clone, Copy)]
pub(crate) struct ZoomSteps {
    pub(crate) step: f64,
    pub(crate) count: usize,
}

#[derive(Clone, Copy)]
pub(crate) struct SnowFall {
    /// Mean and standard deviation of the noise that flakes are made from.
    pub(crate) mean: f64,
    pub(crate) deviation: f64,
    pub(crate) zoom: f64,
    pub(crate) threshold: f64,
    pub(crate) smear: Smear,
    /// The share of the image that is not whitened.
    pub(crate) keep: f64,
}

/// `image * photo + frost * texture`.
#[derive(Clone, Copy)]
pub(crate) struct FrostBlend {
    pub(crate) image: f64,
    pub(crate) frost: f64,
}

/// Density, and by how much the roughness falls per octave.
#[derive(Clone, Copy)]
pub(crate) struct FogBank {
    pub(crate) density: f64,
    pub(crate) decay: f64,
}

/// Displacement, sigma of its smoothing, jitter of the affine map; all in units of the table.
#[derive(Clone, Copy)]
pub(crate) struct Elastic {
    pub(crate) alpha: f64,
    pub(crate) sigma: f64,
    pub(crate) jitter: f64,
}

#[derive(Clone, Copy)]
pub(crate) struct Splash {
    /// Mean and standard deviation of the noise that drops are made from, and its blur.
    pub(crate) mean: f64,
    pub(crate) deviation: f64,
    pub(crate) sigma: f64,
    pub(crate) threshold: f64,
    /// Water: opacity. Mud: sigma of the drops' edge.
    pub(crate) strength: f64,
    pub(crate) mud: bool,
}

const fn defocus(radius: f64, alias_blur: f64) -> Defocus {
    Defocus { radius, alias_blur }
}
const fn glass(sigma: f64, reach: i32, rounds: u32) -> Glass {
    Glass { sigma, reach, rounds }
}
const fn smear(radius: usize, sigma: f64) -> Smear {
    Smear { radius, sigma }
}
const fn zooms(step: f64, count: usize) -> ZoomSteps {
    ZoomSteps { step, count }
}
const fn snow(
    mean: f64,
    deviation: f64,
    zoom: f64,
    threshold: f64,
    radius: usize,
    sigma: f64,
    keep: f64,
) -> SnowFall {
    SnowFall { mean, deviation, zoom, threshold, smear: smear(radius, sigma), keep }
}
const fn frost(image: f64, frost: f64) -> FrostBlend {
    FrostBlend { image, frost }
}
const fn fog(density: f64, decay: f64) -> FogBank {
    FogBank { density, decay }
}
const fn elastic(alpha: f64, sigma: f64, jitter: f64) -> Elastic {
    Elastic { alpha, sigma, jitter }
}
const fn water(mean: f64, deviation: f64, sigma: f64, threshold: f64, strength: f64) -> Splash {
    Splash { mean, deviation, sigma, threshold, strength, mud: false }
}
const fn mud(mean: f64, deviation: f64, sigma: f64, threshold: f64, strength: f64) -> Splash {
    Splash { mean, deviation, sigma, threshold, strength, mud: true }
}

const IMAGENET_224: Table = Table {
    gaussian_noise: [0.08, 0.12, 0.18, 0.26, 0.38],
    shot_noise: [60.0, 25.0, 12.0, 5.0, 3.0],
    impulse_noise: [0.03, 0.06, 0.09, 0.17, 0.27],
    speckle_noise: [0.15, 0.2, 0.35, 0.45, 0.6],
    gaussian_blur: [1.0, 2.0, 3.0, 4.0, 6.0],
    defocus_blur: [
        defocus(3.0, 0.1),
        defocus(4.0, 0.5),
        defocus(6.0, 0.5),
        defocus(8.0, 0.5),
        defocus(10.0, 0.5),
    ],
    glass_blur: [glass(0.7, 1, 2), glass(0.9, 2, 1), glass(1.0, 2, 3), glass(1.1, 3, 2), glass(1.5, 4, 2)],
    motion_blur: [smear(10, 3.0), smear(15, 5.0), smear(15, 8.0), smear(15, 12.0), smear(20, 15.0)],
    zoom_blur: [zooms(0.01, 12), zooms(0.01, 16), zooms(0.02, 11), zooms(0.02, 13), zooms(0.03, 11)],
    snow: [
        snow(0.1, 0.3, 3.0, 0.5, 10, 4.0, 0.8),
        snow(0.2, 0.3, 2.0, 0.5, 12, 4.0, 0.7),
        snow(0.55, 0.3, 4.0, 0.9, 12, 8.0, 0.7),
        snow(0.55, 0.3, 4.5, 0.85, 12, 8.0, 0.65),
        snow(0.55, 0.3, 2.5, 0.85, 12, 12.0, 0.55),
    ],
    frost: [frost(1.0, 0.4), frost(0.8, 0.6), frost(0.7, 0.7), frost(0.65, 0.7), frost(0.6, 0.75)],
    frost_scale: 1.0,
    fog: [fog(1.5, 2.0), fog(2.0, 2.0), fog(2.5, 1.7), fog(2.5, 1.5), fog(3.0, 1.4)],
    fog_map: 256,
    brightness: [0.1, 0.2, 0.3, 0.4, 0.5],
    contrast: [0.4, 0.3, 0.2, 0.1, 0.05],
    elastic_transform: [
        elastic(2.0, 0.7, 0.1),
        elastic(2.0, 0.08, 0.2),
        elastic(0.05, 0.01, 0.02),
        elastic(0.07, 0.01, 0.02),
        elastic(0.12, 0.01, 0.02),
    ],
    // 244, not 224: a slip of the original that every published image carries.
    elastic_unit: 244.0,
    pixelate: [0.6, 0.5, 0.4, 0.3, 0.25],
    jpeg_compression: [25, 18, 15, 10, 7],
    spatter: [
        water(0.65, 0.3, 4.0, 0.69, 0.6),
        water(0.65, 0.3, 3.0, 0.68, 0.6),
        water(0.65, 0.3, 2.0, 0.68, 0.5),
        mud(0.65, 0.3, 1.0, 0.65, 1.5),
        mud(0.67, 0.4, 1.0, 0.65, 1.5),
    ],
    saturate: [(0.3, 0.0), (0.1, 0.0), (2.0, 0.0), (5.0, 0.1), (20.0, 0.2)],
};

const CIFAR_32: Table = Table {
    gaussian_noise: [0.04, 0.06, 0.08, 0.09, 0.10],
    shot_noise: [500.0, 250.0, 100.0, 75.0, 50.0],
    impulse_noise: [0.01, 0.02, 0.03, 0.05, 0.07],
    speckle_noise: [0.06, 0.1, 0.12, 0.16, 0.2],
    gaussian_blur: [0.4, 0.6, 0.7, 0.8, 1.0],
    defocus_blur: [
        defocus(0.3, 0.4),
        defocus(0.4, 0.5),
        defocus(0.5, 0.6),
        defocus(1.0, 0.2),
        defocus(1.5, 0.1),
    ],
    glass_blur: [glass(0.05, 1, 1), glass(0.25, 1, 1), glass(0.4, 1, 1), glass(0.25, 1, 2), glass(0.4, 1, 2)],
    motion_blur: [smear(6, 1.0), smear(6, 1.5), smear(6, 2.0), smear(8, 2.0), smear(9, 2.5)],
    zoom_blur: [zooms(0.01, 7), zooms(0.01, 12), zooms(0.01, 16), zooms(0.01, 21), zooms(0.01, 26)],
    snow: [
        snow(0.1, 0.2, 1.0, 0.6, 8, 3.0, 0.95),
        snow(0.1, 0.2, 1.0, 0.5, 10, 4.0, 0.9),
        snow(0.15, 0.3, 1.75, 0.55, 10, 4.0, 0.9),
        snow(0.25, 0.3, 2.25, 0.6, 12, 6.0, 0.85),
        snow(0.3, 0.3, 1.25, 0.65, 14, 12.0, 0.8),
    ],
    frost: [frost(1.0, 0.2), frost(1.0, 0.3), frost(0.9, 0.4), frost(0.85, 0.4), frost(0.75, 0.45)],
    frost_scale: 0.2,
    fog: [fog(0.2, 3.0), fog(0.5, 3.0), fog(0.75, 2.5), fog(1.0, 2.0), fog(1.5, 1.75)],
    fog_map: 32,
    brightness: [0.05, 0.1, 0.15, 0.2, 0.3],
    contrast: [0.75, 0.5, 0.4, 0.3, 0.15],
    elastic_transform: [
        elastic(0.0, 0.0, 0.08),
        elastic(0.05, 0.2, 0.07),
        elastic(0.08, 0.06, 0.06),
        elastic(0.1, 0.04, 0.05),
        elastic(0.1, 0.03, 0.03),
    ],
    elastic_unit: 32.0,
    pixelate: [0.95, 0.9, 0.85, 0.75, 0.65],
    jpeg_compression: [80, 65, 58, 50, 40],
    spatter: [
        water(0.62, 0.1, 0.7, 0.7, 0.5),
        water(0.65, 0.1, 0.8, 0.7, 0.5),
        water(0.65, 0.3, 1.0, 0.69, 0.5),
        mud(0.65, 0.1, 0.7, 0.69, 0.6),
        mud(0.65, 0.1, 0.5, 0.68, 0.6),
    ],
    saturate: [(0.3, 0.0), (0.1, 0.0), (1.5, 0.0), (2.0, 0.1), (2.5, 0.2)],
};

const IMAGENET_64: Table = Table {
    gaussian_noise: [0.04, 0.08, 0.12, 0.15, 0.18],
    shot_noise: [250.0, 100.0, 50.0, 30.0, 15.0],
    impulse_noise: [0.01, 0.02, 0.05, 0.08, 0.14],
    speckle_noise: [0.15, 0.2, 0.25, 0.3, 0.35],
    gaussian_blur: [0.5, 0.75, 1.0, 1.25, 1.5],
    defocus_blur: [
        defocus(0.5, 0.6),
        defocus(1.0, 0.1),
        defocus(1.5, 0.1),
        defocus(2.5, 0.01),
        defocus(3.0, 0.1),
    ],
    glass_blur: [glass(0.1, 1, 1), glass(0.5, 1, 1), glass(0.6, 1, 2), glass(0.7, 2, 1), glass(0.9, 2, 2)],
    motion_blur: [smear(10, 1.0), smear(10, 1.5), smear(10, 2.0), smear(10, 2.5), smear(12, 3.0)],
    snow: [
        snow(0.1, 0.2, 1.0, 0.6, 8, 3.0, 0.8),
        snow(0.1, 0.2, 1.0, 0.5, 10, 4.0, 0.8),
        snow(0.15, 0.3, 1.75, 0.55, 10, 4.0, 0.7),
        snow(0.25, 0.3, 2.25, 0.6, 12, 6.0, 0.65),
        snow(0.3, 0.3, 1.25, 0.65, 14, 12.0, 0.6),
    ],
    frost: [frost(1.0, 0.3), frost(0.9, 0.4), frost(0.8, 0.45), frost(0.75, 0.5), frost(0.7, 0.55)],
    frost_scale: 0.3,
    fog: [fog(0.4, 3.0), fog(0.7, 3.0), fog(1.0, 2.5), fog(1.5, 2.0), fog(2.0, 1.75)],
    fog_map: 64,
    elastic_transform: [
        elastic(0.0, 0.0, 0.08),
        elastic(0.05, 0.3, 0.06),
        elastic(0.1, 0.08, 0.06),
        elastic(0.1, 0.03, 0.03),
        elastic(0.16, 0.03, 0.02),
    ],
    elastic_unit: 64.0,
    pixelate: [0.9, 0.8, 0.7, 0.6, 0.5],
    jpeg_compression: [65, 58, 50, 40, 25],
    spatter: [
        water(0.62, 0.1, 0.7, 0.7, 0.6),
        water(0.65, 0.1, 0.8, 0.7, 0.6),
        water(0.65, 0.3, 1.0, 0.69, 0.6),
        mud(0.65, 0.1, 0.7, 0.68, 0.6),
        mud(0.65, 0.1, 0.5, 0.67, 0.6),
    ],
    saturate: [(0.3, 0.0), (0.1, 0.0), (2.0, 0.0), (5.0, 0.1), (30.0, 0.2)],
    zoom_blur: CIFAR_32.zoom_blur,
    ..IMAGENET_224
};

const INCEPTION_299: Table = Table {
    gaussian_noise: [0.09, 0.13, 0.19, 0.27, 0.40],
    shot_noise: [50.0, 20.0, 10.0, 5.0, 3.0],
    impulse_noise: [0.04, 0.07, 0.10, 0.18, 0.28],
    speckle_noise: [0.16, 0.21, 0.36, 0.46, 0.61],
    gaussian_blur: [1.5, 2.5, 3.5, 4.5, 6.5],
    defocus_blur: [
        defocus(4.0, 0.1),
        defocus(5.0, 0.5),
        defocus(7.0, 0.5),
        defocus(10.0, 0.5),
        defocus(12.0, 0.5),
    ],
    glass_blur: [glass(0.8, 1, 3), glass(1.0, 3, 1), glass(1.1, 2, 4), glass(1.2, 4, 2), glass(1.6, 5, 2)],
    motion_blur: [smear(12, 4.0), smear(17, 6.0), smear(17, 9.0), smear(17, 13.0), smear(22, 16.0)],
    fog: [fog(1.5, 2.0), fog(2.0, 2.0), fog(2.5, 1.8), fog(2.5, 1.6), fog(3.0, 1.5)],
    fog_map: 512,
    elastic_unit: 360.0,
    pixelate: [0.5, 0.4, 0.3, 0.25, 0.2],
    jpeg_compression: [23, 16, 13, 8, 5],
    spatter: [
        water(0.65, 0.3, 4.0, 0.69, 0.9),
        water(0.65, 0.3, 3.5, 0.68, 0.9),
        water(0.65, 0.3, 3.0, 0.68, 0.8),
        mud(0.65, 0.3, 1.2, 0.65, 1.8),
        mud(0.67, 0.4, 1.2, 0.65, 1.8),
    ],
    ..IMAGENET_224
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_scale_is_picked() {
        for (w, h, scale) in [
            (32, 32, Scale::Cifar32),
            (28, 28, Scale::Cifar32),
            (8, 8, Scale::Cifar32),
            (64, 64, Scale::ImageNet64),
            (96, 96, Scale::ImageNet64),
            (224, 224, Scale::ImageNet224),
            (256, 192, Scale::ImageNet224),
            (299, 299, Scale::Inception299),
            (4000, 3000, Scale::Inception299),
            (0, 0, Scale::Cifar32),
        ] {
            assert_eq!(Scale::for_size(w, h), scale, "{w}x{h}");
        }
    }

    #[test]
    fn names_round_trip() {
        for scale in Scale::ALL {
            assert_eq!(scale.to_string().parse::<Scale>().unwrap(), scale);
        }
        assert!("224".parse::<Scale>().is_err());
    }
}

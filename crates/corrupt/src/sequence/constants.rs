//! The published constants of the sequences, by size.

use crate::Scale;
use crate::constants::{Smear, SnowFall, Splash};

/// Frames of a sequence that says nothing else.
pub(super) const FRAMES: usize = 31;

/// One size's constants. Arrays are by difficulty.
pub(super) struct Sequences {
    /// Standard deviation, of a range of 1.
    pub(super) gaussian_noise: [f64; 3],
    /// Expected photons at full brightness.
    pub(super) shot_noise: [f64; 3],
    /// Standard deviation relative to the value.
    pub(super) speckle_noise: [f64; 3],
    pub(super) motion: Motion,
    pub(super) snow: SnowFall,
    /// By how much the HSV value rises from frame to frame.
    pub(super) brightness: f64,
    pub(super) translate: Shift,
    /// Degrees from frame to frame.
    pub(super) tilt: f64,
    /// Scale of the first frame in percent, and how much each adds.
    pub(super) scale: [f64; 2],
    pub(super) blur: Blur,
    pub(super) spatter: Splash,
    /// How drops run down from frame to frame: what is convolved with each column.
    pub(super) run: &'static [f64],
}

/// A smear whose angle is `step` degrees times the frames that are still missing to `last`.
pub(super) struct Motion {
    pub(super) smear: Smear,
    pub(super) step: f64,
    pub(super) last: f64,
    pub(super) frames: usize,
}

/// From `first` pixels on, one pixel further each frame.
pub(super) struct Shift {
    pub(super) first: i32,
    pub(super) frames: usize,
}

/// Sigma of the first frame in pixels, what each adds, and where SciPy truncates.
pub(super) struct Blur {
    pub(super) sigma: f64,
    pub(super) step: f64,
    pub(super) truncate: f64,
}

pub(super) fn of(scale: Scale) -> &'static Sequences {
    match scale {
        Scale::ImageNet224 => &IMAGENET_224,
        Scale::Cifar32 => &CIFAR_32,
        Scale::ImageNet64 => &IMAGENET_64,
        Scale::Inception299 => &INCEPTION_299,
    }
}

const fn snow(deviation: f64, zoom: f64, radius: usize, sigma: f64) -> SnowFall {
    let smear = Smear { radius, sigma };
    SnowFall { mean: 0.05, deviation, zoom, threshold: 0.5, smear, keep: 0.85 }
}

const fn water(mean: f64, deviation: f64, sigma: f64, threshold: f64) -> Splash {
    Splash { mean, deviation, sigma, threshold, strength: 0.6, mud: false }
}

const IMAGENET_224: Sequences = Sequences {
    gaussian_noise: [0.03, 0.05, 0.08],
    shot_noise: [300.0, 120.0, 60.0],
    speckle_noise: [0.05, 0.10, 0.15],
    motion: Motion { smear: Smear { radius: 10, sigma: 3.0 }, step: 4.0, last: 30.0, frames: 31 },
    snow: snow(0.3, 3.0, 14, 4.0),
    brightness: 0.02,
    translate: Shift { first: -20, frames: 41 },
    tilt: 1.0,
    scale: [40.0, 2.5],
    blur: Blur { sigma: 0.25, step: 0.035, truncate: 6.0 },
    spatter: water(0.65, 0.27, 3.7, 0.69),
    run: &[0.05, 0.1, 0.15, 0.7],
};

const INCEPTION_299: Sequences = Sequences {
    gaussian_noise: [0.035, 0.055, 0.085],
    shot_noise: [250.0, 100.0, 50.0],
    speckle_noise: [0.06, 0.11, 0.16],
    motion: Motion { smear: Smear { radius: 13, sigma: 3.0 }, step: 4.0, last: 30.0, frames: 31 },
    blur: Blur { sigma: 0.35, step: 0.035, truncate: 6.0 },
    spatter: water(0.65, 0.3, 4.0, 0.69),
    ..IMAGENET_224
};

const IMAGENET_64: Sequences = Sequences {
    gaussian_noise: [0.025, 0.05, 0.075],
    shot_noise: [500.0, 250.0, 125.0],
    motion: Motion { smear: Smear { radius: 14, sigma: 3.0 }, step: 5.0, last: 30.0, frames: 31 },
    snow: snow(0.28, 2.0, 10, 2.5),
    translate: Shift { first: -15, frames: 31 },
    blur: Blur { sigma: 0.35, step: 0.014, truncate: 7.0 },
    spatter: water(0.6, 0.25, 1.75, 0.7),
    run: &[0.2, 0.8],
    ..IMAGENET_224
};

const CIFAR_32: Sequences = Sequences {
    gaussian_noise: [0.02, 0.04, 0.06],
    shot_noise: [700.0, 400.0, 200.0],
    speckle_noise: [0.05, 0.07, 0.1],
    motion: Motion { smear: Smear { radius: 6, sigma: 1.8 }, step: 9.0, last: 20.0, frames: 21 },
    snow: snow(0.3, 2.0, 10, 2.0),
    brightness: 0.015,
    translate: Shift { first: -7, frames: 16 },
    tilt: 0.75,
    scale: [70.0, 2.0],
    blur: Blur { sigma: 0.3, step: 0.015, truncate: 7.0 },
    spatter: water(0.6, 0.265, 1.75, 0.7),
    run: &[0.2, 0.8],
};

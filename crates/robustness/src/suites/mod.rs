//! The published test sets of distribution shift as suites: each finds its folder, reads it the way it was published, and scores a
//! classifier of ImageNet-1k's or CIFAR-10's classes as its authors do.

mod attacks;
mod cifar;
mod corruptions;
mod cue_conflict;
mod figures;
mod folder;
mod head;
mod imagenet_9;
mod labelled;
mod objectnet;
mod outliers;
mod real;
mod sequences;

use crate::Error;
use visrep_probe::Suite;

pub use real::real_labels;

/// Every suite of this crate, in the order in which lists show them.
pub const SUITES: [&dyn Suite; 21] = [
    &labelled::IMAGENET_VAL,
    &labelled::IMAGENET_V2,
    &real::ImageNetReal,
    &labelled::IMAGENET_A,
    &outliers::ImageNetO,
    &labelled::IMAGENET_R,
    &labelled::IMAGENET_SKETCH,
    &labelled::STYLIZED_IMAGENET,
    &objectnet::ObjectNet,
    &imagenet_9::ImageNet9,
    &imagenet_9::BackgroundChallenge,
    &cue_conflict::CueConflict,
    &corruptions::IMAGENET_C,
    &corruptions::IMAGENET_C_IN_MEMORY,
    &corruptions::IMAGENET_C_BAR,
    &corruptions::IMAGENET_C_BAR_IN_MEMORY,
    &sequences::IMAGENET_P,
    &labelled::CIFAR_10_1,
    &cifar::Cifar10C,
    &sequences::CIFAR_10_P,
    &attacks::Attacks,
];

impl Error {
    /// As an error of `suite`.
    pub(crate) fn of_suite(self, suite: &'static str) -> visrep_probe::Error {
        match self {
            Self::Probe(error) => error,
            Self::Data(error) => error.into(),
            error => visrep_probe::Error::Suite { suite, message: error.to_string() },
        }
    }
}

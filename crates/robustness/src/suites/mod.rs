//! The published test sets of distribution shift as suites: each finds its folder, reads it the way it was published, and scores a
//! classifier of ImageNet-1k's or CIFAR-10's classes as its authors do.

mod attack_tasks;
mod attacks;
mod cifar;
mod corruptions;
mod cue_conflict;
mod figures;
mod folder;
mod head;
mod imagenet_9;
mod labelled;
mod object_pose;
mod objectnet;
mod ood;
mod outliers;
mod panels;
mod pixels;
mod published;
mod real;
mod sequences;
mod shared;
mod si_score;
mod si_score_invariance;
mod transform_invariance;
mod translation;
mod universal;

use crate::Error;
use published::AsSuite;
use visrep_probe::Suite;

pub use real::real_labels;

/// Every suite of this crate, in the order in which lists show them.
pub const SUITES: [&dyn Suite; 29] = [
    &AsSuite(labelled::IMAGENET_VAL),
    &AsSuite(labelled::IMAGENET_V2),
    &AsSuite(real::ImageNetReal),
    &AsSuite(labelled::IMAGENET_A),
    &AsSuite(outliers::ImageNetO),
    &AsSuite(ood::OutOfDistribution),
    &AsSuite(labelled::IMAGENET_R),
    &AsSuite(labelled::IMAGENET_SKETCH),
    &AsSuite(labelled::STYLIZED_IMAGENET),
    &AsSuite(objectnet::ObjectNet),
    &AsSuite(imagenet_9::ImageNet9),
    &AsSuite(imagenet_9::BackgroundChallenge),
    &AsSuite(cue_conflict::CueConflict),
    &AsSuite(si_score::SiScore),
    &AsSuite(si_score_invariance::SiScoreInvariance),
    &AsSuite(object_pose::ObjectPose),
    &AsSuite(corruptions::IMAGENET_C),
    &AsSuite(corruptions::IMAGENET_C_IN_MEMORY),
    &AsSuite(corruptions::IMAGENET_C_BAR),
    &AsSuite(corruptions::IMAGENET_C_BAR_IN_MEMORY),
    &AsSuite(sequences::IMAGENET_P),
    &AsSuite(translation::Translation),
    &AsSuite(transform_invariance::TransformInvariance),
    &AsSuite(labelled::CIFAR_10_1),
    &AsSuite(cifar::Cifar10C),
    &AsSuite(sequences::CIFAR_10_P),
    &AsSuite(attacks::ATTACKS),
    &AsSuite(attacks::ATTACKS_CIFAR_10),
    &AsSuite(universal::UniversalPerturbations),
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

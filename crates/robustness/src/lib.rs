//! How a representation holds up: under ImageNet-C's corruptions, applied on the fly, under attack, and on shifted test sets.
//!
//! [`CorruptedViews`] turns a dataset into one that also has every corruption at every severity; [`evaluate_corruptions`]
//! runs a frozen model with a fixed [`Classifier`] over it and gives error, calibration and corruption errors;
//! [`CorruptionBenchmark`] does so with a linear probe fitted to clean images. [`ClassSubset`] has the classes of ImageNet-A, -R
//! and -O, [`CUE_CONFLICT_CLASSES`] the 16 by which shape bias is measured. [`attack`]
//! looks for the worst image nearby. [`si_score`] makes sets of objects on backgrounds. [`SUITES`] are the published test sets by name,
//! each read from its folder as it was published.
#![forbid(unsafe_code)]

pub mod attack;
mod benchmark;
mod classes;
mod corruption_figures;
mod error;
mod evaluate;
pub mod si_score;
mod suites;

pub use benchmark::CorruptionBenchmark;
pub use classes::{
    CUE_CONFLICT_CLASSES, ClassSubset, CueConflictClass, IMAGENET_9_CLASSES, OBJECT_POSE_CLASSES,
    SI_SCORE_CLASSES, Stimulus, imagenet_9_label, object_pose_classes, si_score_class, synset_index,
    synset_name,
};
pub use error::Error;
pub use evaluate::{
    Classifier, ConditionResult, CorruptionOptions, CorruptionReport, LabelSpace, evaluate_corruptions,
};
pub use suites::{SUITES, real_labels};
pub use visrep_data::{Condition, CorruptedViews};

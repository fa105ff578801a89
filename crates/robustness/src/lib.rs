//! How a representation holds up under ImageNet-C's corruptions, applied on the fly, and under attack.
//!
//! [`CorruptedViews`] turns a dataset into one that also has every corruption at every severity; [`evaluate_corruptions`]
//! runs a frozen model with a fixed [`Classifier`] over it and gives error, calibration and corruption errors;
//! [`CorruptionBenchmark`] does so with a linear probe fitted to clean images. [`attack`] looks for the worst image nearby.
#![forbid(unsafe_code)]

pub mod attack;
mod benchmark;
mod error;
mod evaluate;

pub use benchmark::CorruptionBenchmark;
pub use error::Error;
pub use evaluate::{
    Classifier, ConditionResult, CorruptionOptions, CorruptionReport, LabelSpace, evaluate_corruptions,
};
pub use visrep_data::{Condition, CorruptedViews};

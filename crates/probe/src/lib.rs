//! What a frozen backbone can do: features, kNN, few-shot ridge, linear probe.
//!
//! [`extract`] runs a model over a dataset once, in the precision that is asked for, and caches the features; the probes
//! read only those: [`knn`], [`few_shot_ridge`], [`LinearProbe`]. [`evaluate`] turns their class scores into figures with
//! intervals. As [`Benchmark`]s over a [`Context`] they give [`Score`](visrep_metrics::Score)s that carry their
//! protocol. [`Suite`] is a measurement on a published dataset that is known by name; tables of them are what `visrep bench SUITE` runs.
//!
//! ```
//! use tch::Tensor;
//! use visrep_probe::{FeatureSet, LinearProbe, LinearProbeOptions, ScoreKind, evaluate};
//!
//! let features = Tensor::from_slice(&[0.0_f32, 0.1, 1.0, 0.9, 0.05, 1.1]).view([6, 1]);
//! let keys = (0..6).map(|i| i.to_string()).collect();
//! let set = FeatureSet::new(features, vec![0, 0, 1, 1, 0, 1], keys)?;
//! let probe = LinearProbe::fit(&set, &LinearProbeOptions::scikit_learn(10.0))?;
//! let result = evaluate(&probe.predict(&set.features)?, &set.labels, ScoreKind::Probabilities)?;
//! assert_eq!(result.top1, 1.0);
//! # Ok::<(), visrep_probe::Error>(())
//! ```
#![forbid(unsafe_code)]

mod benchmark;
mod cache;
mod error;
mod evaluate;
mod extract;
mod features;
mod few_shot;
mod identity;
mod knn;
mod lbfgs;
mod linear;
mod passes;
mod progress;
mod sampling;
mod suite;
mod suites;

pub use benchmark::{Benchmark, Context, Figure, Part, compute_protocol, preprocessing_protocol};
pub use error::Error;
pub use evaluate::{
    CALIBRATION_BINS, Evaluation, LEVEL, Probabilistic, RESAMPLES, ScoreKind, ece_interval, evaluate,
};
pub use extract::{ExtractOptions, eval_transform, extract, pooled};
pub use features::FeatureSet;
pub use few_shot::{RIDGE_L2, few_shot_ridge, ridge_scores};
pub use identity::{data_hash, weights_hash};
pub use knn::{KnnOptions, knn};
pub use linear::{LinearProbe, LinearProbeOptions, Regularisation};
pub use passes::passes;
pub use progress::Progress;
pub use sampling::few_shot_indices;
pub use suite::{Findings, OpenSuite, Recorder, Suite, SuiteContext, SuiteInfo, TaskVerdicts, limited};
pub use suites::{FewShotBenchmark, KnnBenchmark, LinearBenchmark, linear_protocol};

//! What a backbone can do: frozen, by its features, and fine-tuned.
//!
//! [`extract`] runs a model over a dataset once, in the precision that is asked for, and caches the features, by whichever
//! [`Pooling`]; the probes read only those: [`knn`] and [`knn_sweep`], [`few_shot_ridge`], [`LinearProbe`]. The papers' protocols of
//! linear evaluation are [`LinearPreset`]s, which also run on augmented images. [`fine_tune`] trains a copy of the network with a new
//! classifier, as a [`FineTuning`] says, of which [`FineTunePreset`] has the published ones. [`evaluate`] turns class scores into
//! figures with intervals. As [`Benchmark`]s over a [`Context`] all of these give [`Score`](visrep_metrics::Score)s that
//! carry their protocol. [`record_by_value`] and [`record_invariance`] tell how accuracy and features change with a factor of variation.
//! [`Suite`] is a measurement on a published dataset that is known by
//! name; tables of them are what `visrep bench SUITE` runs.
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
//!
//! ```no_run
//! use std::sync::Arc;
//! use visrep_models::{Model, ModelOptions};
//! use visrep_probe::{Execution, FineTunePreset, fine_tune};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let data = visrep_data::open_splits("images".as_ref())?;
//! let (model, _) = Model::from_weights("resnet50", "resnet50.safetensors", &ModelOptions::default())?;
//! let preset: FineTunePreset = "bit-hyper-rule".parse()?;
//! let execution = Execution { progress: true, ..Default::default() };
//! let tuning = &preset.tunings(&model, data.train.as_ref(), Default::default())?[0];
//! let tuned = fine_tune(&model, Arc::clone(&data.train), tuning, &execution)?;
//! println!("{:.4}", tuned.evaluate(data.test, &execution)?.top1);
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod benchmark;
mod cache;
mod error;
mod eval_view;
mod evaluate;
mod execution;
mod extract;
mod factors;
mod features;
mod few_shot;
mod fine_tune;
mod gram;
mod identity;
mod kept;
mod knn;
mod linear;
mod parts;
mod passes;
mod pooling;
mod progress;
mod representation;
mod sampling;
mod suite;
mod suites;
mod verdicts;

pub use benchmark::{Benchmark, Context, Figure, Part, compute_protocol, preprocessing_protocol};
pub use error::Error;
pub use eval_view::EvalTransform;
pub use evaluate::{
    CALIBRATION_BINS, Evaluation, LEVEL, Probabilistic, RESAMPLES, ScoreKind, ece_interval, evaluate,
};
pub use execution::Execution;
pub use extract::{ExtractOptions, eval_transform, extract, extract_as, extract_views, pooled};
pub use factors::{FactorValue, Shown, record_by_value, record_invariance};
pub use features::FeatureSet;
pub use few_shot::{RIDGE_L2, few_shot_ridge, ridge_scores};
pub use fine_tune::{
    FineTuneBenchmark, FineTunePreset, FineTuned, FineTuning, ImagePipeline, LabelKeeping, Normalisation,
    Selected, Trial, best_trial, fine_tune, fine_tune_selected, select_fine_tuning,
};
pub use identity::{ImageDigest, data_hash, image_digest, image_digests, weights_hash};
pub use kept::KeptVectors;
pub use knn::{KnnOptions, knn, knn_sweep};
pub use linear::{
    Fitting, GradientFit, LinearFit, LinearPreset, LinearProbe, LinearProbeOptions, ProbeViews,
    Regularisation,
};
pub use parts::{KeptRow, Parts};
pub use passes::passes;
pub use pooling::Pooling;
pub use progress::Progress;
pub use representation::RepresentationBenchmark;
pub use sampling::few_shot_indices;
pub use suite::{Findings, OpenSuite, Recorder, Suite, SuiteContext, SuiteInfo, limited};
pub use suites::{
    FewShotBenchmark, KnnBenchmark, KnnSweepBenchmark, LinearBenchmark, LinearPresetBenchmark,
    gradient_protocol, linear_protocol,
};
pub use verdicts::{Graded, Groups, TaskVerdicts};

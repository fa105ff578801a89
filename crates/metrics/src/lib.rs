//! Scores from plain numbers: accuracy, mCE, calibration, outlier detection, 2AFC, effective robustness, bootstrap intervals.
//!
//! Nothing here reads a file or needs LibTorch: the functions take slices, check them, and return numbers.
//! Accuracies, errors and calibration errors are fractions in `0..=1`; corruption errors normalised by
//! AlexNet are ratios, 1.0 being AlexNet's own.
//!
//! ```
//! use visrep_metrics::{Interval, ScoreMatrix, top_k_correct, wilson};
//!
//! let scores = [0.7, 0.2, 0.1, 0.3, 0.4, 0.3];
//! let correct = top_k_correct(&ScoreMatrix::new(&scores, 3)?, &[0, 2], 1)?;
//! assert_eq!(correct, [true, false]);
//! let Interval { low, high, .. } = wilson(1, 2, 0.95)?;
//! assert!(low < 0.5 && 0.5 < high);
//! # Ok::<(), visrep_metrics::Error>(())
//! ```
#![forbid(unsafe_code)]

mod accuracy;
mod any_label;
mod calibration;
mod confusion;
mod corruption;
mod detection;
mod effective;
mod error;
mod features;
mod generative;
mod interval;
mod invariance;
mod jnd;
mod linalg;
mod matrix;
mod multi_label;
mod numpy_random;
mod paired;
mod parallel;
mod perturbation;
mod representation;
mod retrieval;
mod score;
mod selective;
mod shape_bias;
mod structural;
mod two_afc;
mod typicality;
mod vtab;

pub use accuracy::{accuracy, predictions, top_k_correct};
pub use any_label::{AnyLabelAccuracy, any_label_accuracy};
pub use calibration::{
    Binning, Calibration, ReliabilityBin, TopBin, brier, brier_terms, calibration, class_wise_ece,
    confidences, equal_mass_calibration, nll, nll_terms, rms_calibration, softmax, temperature_scaling,
    temperature_scaling_published,
};
pub use confusion::ConfusionMatrix;
pub use corruption::{
    ALEXNET_CLEAN_ERROR, ALEXNET_ERRORS, EXTRA_CORRUPTIONS, MeanCorruptionError, Severities,
    corruption_error, corruption_error_from_mean, mean_corruption_error, mean_corruption_error_against,
    mean_corruption_error_from_means, relative_corruption_error, relative_mean_corruption_error,
    unnormalised_mean_corruption_error,
};
pub use detection::{
    DetectionCurve, RankedScores, auroc, average_precision, eleven_point_average_precision, energy_scores,
    fpr_at_recall, max_logit_scores, msp_scores,
};
pub use effective::ShiftFit;
pub use error::Error;
pub use features::FeatureMatrix;
pub use generative::{
    DensityCoverage, FeatureStatistics, InceptionScore, KernelDistance, PrecisionRecall, density_coverage,
    frechet_distance, inception_score, kernel_distance, kernel_distance_over, precision_recall, squared_mmd,
};
pub use interval::{
    Interval, bootstrap, bootstrap_groups, bootstrap_mean, bootstrap_mean_of_means, bootstrap_strata, mean,
    wilson,
};
pub use invariance::{FeatureDistance, Quartiles, equivariance, invariance, quartiles};
pub use jnd::{compare_jnd_map, jnd_map, jnd_map_interval};
pub use matrix::ScoreMatrix;
pub use multi_label::{F1, mean_average_precision, multi_label_f1, per_class_average_precision};
pub use numpy_random::NumpyRandom;
pub use paired::{
    PairedComparison, PairedMeans, PairedUnit, Randomisation, compare_detection, compare_paired,
    compare_units, mcnemar,
};
pub use perturbation::{
    RankingDistance, Reference, flip_probability, mean_ranking_distance, mean_rate_against_baseline,
};
pub use representation::{MinibatchCka, class_separation, effective_rank, linear_cka};
pub use retrieval::{average_precisions, retrieval_map};
pub use score::Score;
pub use selective::{aurra, soft_f1};
pub use shape_bias::{ShapeBias, shape_bias};
pub use structural::{Plane, ms_ssim, ms_ssim_fitted, ms_ssim_scales, ssim};
pub use two_afc::{TwoAfc, two_afc, two_afc_human, two_afc_oracle};
pub use typicality::{ClassTypicality, TypicalSet};
pub use vtab::{VTAB_TASKS, VtabGroup, VtabMeans, vtab_means};

//! Scores from plain numbers: accuracy, mCE, ECE, 2AFC, bootstrap intervals.
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
mod calibration;
mod confusion;
mod corruption;
mod error;
mod interval;
mod matrix;
mod score;
mod two_afc;

pub use accuracy::{accuracy, predictions, top_k_correct};
pub use calibration::{
    Calibration, ReliabilityBin, brier, brier_terms, calibration, confidences, nll, nll_terms,
};
pub use confusion::ConfusionMatrix;
pub use corruption::{
    ALEXNET_CLEAN_ERROR, ALEXNET_ERRORS, EXTRA_CORRUPTIONS, MeanCorruptionError, Severities,
    corruption_error, corruption_error_from_mean, mean_corruption_error, mean_corruption_error_from_means,
    relative_corruption_error, relative_mean_corruption_error, unnormalised_mean_corruption_error,
};
pub use error::Error;
pub use interval::{Interval, bootstrap, bootstrap_groups, bootstrap_mean, mean, wilson};
pub use matrix::ScoreMatrix;
pub use score::Score;
pub use two_afc::{TwoAfc, two_afc, two_afc_human, two_afc_oracle};

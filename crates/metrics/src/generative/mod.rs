//! How near generated images are to real ones, from features of both: FID, KID, Inception score, precision and recall,
//! density and coverage.
//!
//! Which network gives the features, and how images reach its size, decides these figures as much as the images do: state it.

mod frechet;
mod inception_score;
mod kernel;
mod manifold;
mod neighbours;

pub use frechet::{FeatureStatistics, frechet_distance};
pub use inception_score::{InceptionScore, inception_score};
pub use kernel::{KernelDistance, kernel_distance, kernel_distance_over, squared_mmd};
pub use manifold::{DensityCoverage, PrecisionRecall, density_coverage, precision_recall};

//! What a run tells: progress on the terminal, `metrics.jsonl`, TensorBoard's event files, the collapse watch.

mod metrics;
mod progress;
mod tensorboard;
mod watch;

pub(crate) use metrics::{MetricsLog, replace};
pub(crate) use progress::Progress;
pub(crate) use tensorboard::EventFile;
pub use watch::{Spread, spread};

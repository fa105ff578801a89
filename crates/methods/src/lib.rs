//! Training methods: an objective together with its heads, and what it asks of the views.
//!
//! A method is one file that implements [`Method`] and a configuration that [`MethodConfig`] lists. The
//! trainer knows nothing else of it: `visrep-train` runs any [`Method`], a user's own included.
#![forbid(unsafe_code)]

mod config;
mod error;
mod head;
mod method;
mod ramp;
mod simclr;
mod supervised;
mod watch;

pub use config::{MethodConfig, Setup};
pub use error::Error;
pub use head::ProjectionHead;
pub use method::{Batch, Loss, Method, NamedTensor, Step, named_variables, trainable};
pub use ramp::{Moving, Ramp, RampShape};
pub use simclr::{Simclr, SimclrConfig};
pub use supervised::{Supervised, SupervisedConfig};
pub use watch::feature_std;

//! Training methods: an objective together with its heads, and what it asks of the views.
//!
//! A method is one file that implements [`Method`] and a configuration that [`MethodConfig`] lists. The
//! trainer knows nothing else of it: `visrep-train` runs any [`Method`], a user's own included.
#![forbid(unsafe_code)]

mod config;
mod error;
mod head;
mod method;
mod queue;
mod simclr;
mod supervised;
mod teacher;
mod views;
mod watch;

pub use config::{MethodConfig, Setup};
pub use error::Error;
pub use head::{HeadActivation, HeadInit, HeadLayout, HiddenNorm, LastNorm, ProjectionHead};
pub use method::{Batch, Loss, Method, NamedTensor, Step, named_variables, trainable};
pub use queue::Queue;
pub use simclr::{Simclr, SimclrConfig};
pub use supervised::{Supervised, SupervisedConfig};
pub use teacher::{Momentum, Teacher};
pub use views::{pooled, pooled_views, stack_by_size};
pub use watch::feature_std;

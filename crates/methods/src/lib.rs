//! Training methods: an objective together with its heads, and what it asks of the views.
//!
//! A method is one file that implements [`Method`] and a configuration that [`MethodConfig`] lists. The
//! trainer knows nothing else of it: `visrep-train` runs any [`Method`], a user's own included.
#![forbid(unsafe_code)]

mod check;
mod config;
mod dino;
mod dino_head;
mod dinov2;
mod error;
mod esvit;
mod head;
mod ibot;
mod masking;
mod method;
mod msn;
mod queue;
mod self_distillation;
mod simclr;
mod supervised;
mod teacher;
mod temperature;
mod views;
mod watch;

pub use config::{MethodConfig, Setup};
pub use dino::{Dino, DinoConfig};
pub use dino_head::DinoHeadConfig;
pub use dinov2::{Centering, Dinov2, Dinov2Config};
pub use error::Error;
pub use esvit::{Esvit, EsvitConfig};
pub use head::{HeadActivation, HeadInit, HeadLayout, HiddenNorm, LastNorm, ProjectionHead};
pub use ibot::{Ibot, IbotConfig};
pub use masking::MaskConfig;
pub use method::{Batch, Loss, Method, NamedTensor, Step, named_variables, trainable};
pub use msn::{Msn, MsnConfig};
pub use queue::Queue;
pub use simclr::{Simclr, SimclrConfig};
pub use supervised::{Supervised, SupervisedConfig};
pub use teacher::{Momentum, Teacher};
pub use temperature::Temperature;
pub use views::{pooled, pooled_views, stack_by_size};
pub use watch::feature_std;

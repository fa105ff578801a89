//! Training methods: an objective together with its heads, and what it asks of the views.
//!
//! A method is one file that implements [`Method`] and a configuration that [`MethodConfig`] lists. The
//! trainer knows nothing else of it: `visrep-train` runs any [`Method`], a user's own included.
#![forbid(unsafe_code)]

mod barlow_twins;
mod byol;
mod config;
mod dino;
mod dino_head;
mod dinov2;
mod encoder;
mod error;
mod esvit;
mod extrema;
mod head;
mod ibot;
mod masking;
mod method;
mod moco;
mod moco_v3;
mod msn;
mod nnclr;
mod projector_momentum;
mod queue;
mod ramp;
mod relic_v2;
mod sce;
mod sdssl;
mod self_distillation;
mod simclr;
mod simsiam;
mod supervised;
mod swav;
mod teacher;
mod temperature;
#[cfg(test)]
mod testing;
mod vicreg;
mod views;
mod watch;

pub use barlow_twins::{BarlowTwins, BarlowTwinsConfig};
pub use byol::{Byol, ByolConfig};
pub use config::{MethodConfig, Setup};
pub use dino::{Dino, DinoConfig};
pub use dino_head::DinoHeadConfig;
pub use dinov2::{Centering, Dinov2, Dinov2Config};
pub use encoder::{Encoded, Encoder, Projector, predictor};
pub use error::Error;
pub use esvit::{Esvit, EsvitConfig};
pub use extrema::{Extrema, ExtremaConfig};
pub use head::{HeadActivation, HeadInit, HeadLayout, HiddenNorm, LastNorm, ProjectionHead};
pub use ibot::{Ibot, IbotConfig};
pub use masking::MaskConfig;
pub use method::{Batch, Loss, Method, NamedTensor, Step, named_variables, sorted, trainable};
pub use moco::{Moco, MocoConfig};
pub use moco_v3::{MocoV3, MocoV3Config};
pub use msn::{Msn, MsnConfig};
pub use nnclr::{Nnclr, NnclrConfig};
pub use projector_momentum::{ProjectorMomentum, ProjectorMomentumConfig, ProjectorObjective};
pub use queue::Queue;
pub use ramp::{Moving, Ramp, RampShape};
pub use relic_v2::{RelicV2, RelicV2Config};
pub use sce::{Sce, SceConfig};
pub use sdssl::{Sdssl, SdsslConfig, SdsslObjective};
pub use simclr::{Simclr, SimclrConfig};
pub use simsiam::{Simsiam, SimsiamConfig};
pub use supervised::{Supervised, SupervisedConfig};
pub use swav::{Swav, SwavConfig};
pub use teacher::{Momentum, Teacher};
pub use temperature::Temperature;
pub use vicreg::{Vicreg, VicregConfig};
pub use views::{pooled, pooled_views, stack_by_size};
pub use watch::feature_std;

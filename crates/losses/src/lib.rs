//! Objectives for representation learning: pure functions over tensors.
//!
//! One file per objective. Every function checks the shapes and parameters it is given and documents which published
//! convention it follows: sums or means, one direction or both, halved or not. Objectives return a scalar that can be
//! differentiated. What prepares their inputs returns no scalar and has no gradient: [`dino_targets`] and [`sinkhorn`] return
//! distributions, [`dino_center`] the next centre, [`match_regions`] indices.
#![forbid(unsafe_code)]

mod barlow_twins;
mod check;
mod cosine;
mod cross_entropy;
mod dino;
mod error;
mod esvit;
mod ibot;
mod info_nce;
mod koleo;
mod msn;
mod nt_xent;
mod relic;
mod sce;
mod swav;
mod vicreg;

pub use barlow_twins::barlow_twins;
pub use cosine::{byol, negative_cosine};
pub use cross_entropy::cross_entropy;
pub use dino::{dino, dino_center, dino_targets};
pub use error::Error;
pub use esvit::{esvit_regions, match_regions};
pub use ibot::ibot;
pub use info_nce::{info_nce, info_nce_in_batch, moco_v3};
pub use koleo::koleo;
pub use msn::{MsnOptions, msn};
pub use nt_xent::{nt_xent, nt_xent_to};
pub use relic::{RelicV2Options, relic_v2};
pub use sce::{SceOptions, sce};
pub use swav::{sinkhorn, swapped_prediction};
pub use vicreg::{VicregWeights, vicreg};

//! The families of architectures: each a `Config`, a table of rows under timm's names, and a `Backbone`.

mod resnet;
mod vit;

use crate::arch::Architecture;
pub use vit::{MaeDecoder, MaeDecoderConfig};

/// Every family's table.
pub(crate) const TABLES: &[&[Architecture]] = &[resnet::ARCHITECTURES, vit::ARCHITECTURES];

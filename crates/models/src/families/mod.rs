//! The families of architectures: each a `Config`, a table of rows under timm's names, and a `Backbone`.

mod efficientnet;
mod resnet;
mod vit;

use crate::arch::Architecture;

/// Every family's table.
pub(crate) const TABLES: &[&[Architecture]] = 
    &[resnet::ARCHITECTURES, vit::ARCHITECTURES, efficientnet::ARCHITECTURES];

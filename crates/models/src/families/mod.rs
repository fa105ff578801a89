//! The families of architectures: each a `Config`, a table of rows under timm's names, and a `Backbone`.

mod nfnet;
mod resnet;
mod resnetv2;
mod revnet;
mod vit;
mod wide_resnet;

use crate::arch::Architecture;

/// Every family's table.
pub(crate) const TABLES: &[&[Architecture]] = &[
    nfnet::ARCHITECTURES,
    resnet::ARCHITECTURES,
    resnetv2::ARCHITECTURES,
    revnet::ARCHITECTURES,
    vit::ARCHITECTURES,
    wide_resnet::ARCHITECTURES,
];

//! The families of architectures: each a `Config`, a table of rows under timm's names, and a `Backbone`.

mod beit;
mod convnext;
mod mixer;
mod resnet;
mod swin;
mod vit;

use crate::arch::Architecture;

/// Every family's table.
pub(crate) const TABLES: &[&[Architecture]] = &[
    resnet::ARCHITECTURES,
    vit::ARCHITECTURES,
    mixer::ARCHITECTURES,
    convnext::ARCHITECTURES,
    swin::ARCHITECTURES,
    beit::ARCHITECTURES,
];

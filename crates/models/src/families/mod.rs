//! The families of architectures: each a `Config`, a table of rows under timm's names, and a `Backbone`.

mod alexnet;
mod densenet;
mod efficientnet;
mod inception;
mod resnet;
mod sequential;
mod squeezenet;
mod vgg;
mod vit;

use crate::arch::Architecture;

/// Every family's table.
pub(crate) const TABLES: &[&[Architecture]] = &[
    resnet::ARCHITECTURES,
    vit::ARCHITECTURES,
    efficientnet::ARCHITECTURES,
    vgg::ARCHITECTURES,
    alexnet::ARCHITECTURES,
    squeezenet::ARCHITECTURES,
    inception::ARCHITECTURES,
    densenet::ARCHITECTURES,
];

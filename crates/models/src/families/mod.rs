//! The families of architectures: each a `Config`, a table of rows under timm's names, and a `Backbone`.

mod alexnet;
mod beit;
mod convnext;
mod densenet;
mod efficientnet;
mod inception;
mod mixer;
mod resnet;
mod sequential;
mod squeezenet;
mod swin;
mod vgg;
mod vit;

use crate::arch::Architecture;

/// Every family's table.
pub(crate) const TABLES: &[&[Architecture]] = &[
    resnet::ARCHITECTURES,
    vit::ARCHITECTURES,
    alexnet::ARCHITECTURES,
    beit::ARCHITECTURES,
    convnext::ARCHITECTURES,
    densenet::ARCHITECTURES,
    efficientnet::ARCHITECTURES,
    inception::ARCHITECTURES,
    mixer::ARCHITECTURES,
    squeezenet::ARCHITECTURES,
    swin::ARCHITECTURES,
    vgg::ARCHITECTURES,
];

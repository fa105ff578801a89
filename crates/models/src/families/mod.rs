//! The families of architectures: each a `Config`, a table of rows under timm's names, and a `Backbone`.

mod alexnet;
mod beit;
mod convnext;
mod densenet;
mod efficientnet;
mod inception;
mod mixer;
mod nfnet;
mod resnet;
mod resnetv2;
mod revnet;
mod sequential;
mod squeezenet;
mod swin;
mod vgg;
mod vit;
mod wide_resnet;

use crate::arch::Architecture;
pub use vit::{MaeDecoder, MaeDecoderConfig};

/// Every family's table.
pub(crate) const TABLES: &[&[Architecture]] = &[
    alexnet::ARCHITECTURES,
    beit::ARCHITECTURES,
    convnext::ARCHITECTURES,
    densenet::ARCHITECTURES,
    efficientnet::ARCHITECTURES,
    inception::ARCHITECTURES,
    mixer::ARCHITECTURES,
    nfnet::ARCHITECTURES,
    resnet::ARCHITECTURES,
    resnetv2::ARCHITECTURES,
    revnet::ARCHITECTURES,
    squeezenet::ARCHITECTURES,
    swin::ARCHITECTURES,
    vgg::ARCHITECTURES,
    vit::ARCHITECTURES,
    wide_resnet::ARCHITECTURES,
];

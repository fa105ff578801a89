//! Colour: Pillow's `ImageEnhance` and `ImageOps`, hue, and the random jitter over them.
//!
//! Each function equals Pillow's (or torchvision's on PIL images) bit for bit; the jitter of SimCLR and BYOL in
//! TensorFlow ([`tf_color_jitter`]) is floating point and rounds once.

mod adjust;
mod float;
mod fused;
mod histogram;
mod hue;
mod jitter;
mod point;
mod tf;

pub(crate) use adjust::blend;
pub use adjust::{adjust_brightness, adjust_contrast, adjust_saturation, grayscale, solarize};
pub use fused::{ColorStep, FusedColor, fused_color};
pub use histogram::{autocontrast, equalize};
pub use hue::adjust_hue;
pub use jitter::{ColorJitter, RandomGrayscale, Solarize};
pub use point::{blend_grey, invert, inverted, posterize, solarize_add};
pub use tf::{TfBrightness, TfColorJitter, TfColorStep, tf_color_jitter};

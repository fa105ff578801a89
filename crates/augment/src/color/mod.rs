//! Colour: Pillow's `ImageEnhance`, grey, hue and solarise on 8-bit pixels, and the random jitter over them.
//!
//! Each function equals Pillow's (or torchvision's on PIL images) bit for bit.

mod adjust;
mod hue;
mod jitter;

pub use adjust::{adjust_brightness, adjust_contrast, adjust_saturation, grayscale, solarize};
pub use hue::adjust_hue;
pub use jitter::{ColorJitter, RandomGrayscale, Solarize};

//! Transforms on 8-bit RGB images, equal to Pillow's and torchvision's, and the published augmentation recipes.
//!
//! Each transform comes three times: as a pure function of the image and its parameters ([`adjust_hue`],
//! [`resize_region`] …), as an [`Op`], which is that function with its parameters decided, and as a [`Transform`] that
//! draws those parameters from an [`Rng`]. What was drawn is a [`View`]: it can be stored and replayed.
//!
//! ```
//! use visrep_augment::{RgbImage, Transform, presets, view_rng};
//!
//! let views = presets::simclr(32, 0.5, false)?;
//! let image = RgbImage::from_fn(48, 40, |x, y| [x as u8 * 5, y as u8 * 6, 128]);
//! let first = views.apply(image.clone(), &mut view_rng(0, 0, 0, 0));
//! let second = views.apply(image, &mut view_rng(0, 0, 0, 1));
//! assert_eq!((first.width(), first.height()), (32, 32));
//! assert_ne!(first, second);
//! # Ok::<(), visrep_augment::Error>(())
//! ```
#![forbid(unsafe_code)]

mod blur;
mod color;
mod crop;
mod error;
mod flip;
mod op;
pub mod presets;
mod random;
mod resize;
mod rng;
mod simd;
mod transform;
mod view;

pub use blur::{BlurMethod, Border, GaussianBlur, gaussian_blur, pillow_blur};
pub use color::{
    ColorJitter, RandomGrayscale, Solarize, adjust_brightness, adjust_contrast, adjust_hue,
    adjust_saturation, grayscale, solarize,
};
pub use crop::{CenterCrop, RandomResizedCrop, center_crop};
pub use error::{Error, MAX_SIDE};
pub use flip::{RandomHorizontalFlip, flip_horizontal};
pub use op::{Custom, Op};
pub use random::RandomApply;
pub use resize::{Filter, Resize, resize, resize_region};
pub use rng::{Rng, view_rng};
pub use transform::{Compose, Transform};
pub use view::View;
pub use visrep_decode::{Region, RgbImage};

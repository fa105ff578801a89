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

mod background;
mod blur;
mod color;
mod crop;
mod error;
mod filter;
mod flip;
mod halves;
mod mix;
mod mixture;
mod occlude;
mod op;
mod policy;
pub mod presets;
mod random;
mod resize;
mod rng;
mod sharpness;
mod simd;
#[cfg(feature = "tensor")]
pub mod tensor;
mod transform;
mod view;
mod warp;

pub use background::{Backgrounds, GreyBackgrounds, Mask, RandomBackground, replace_background};
pub use blur::{BlurMethod, Border, GaussianBlur, gaussian_blur, pillow_blur};
pub use color::{
    ColorJitter, ColorStep, FusedColor, RandomGrayscale, Solarize, TfBrightness, TfColorJitter, TfColorStep,
    adjust_brightness, adjust_contrast, adjust_hue, adjust_saturation, autocontrast, blend_grey, equalize,
    fused_color, grayscale, invert, inverted, posterize, solarize, solarize_add, tf_color_jitter,
};
pub use crop::{
    CenterCrop, CropPlace, CropSampling, FiveCrop, Padding, PlacedCrop, RandomCrop, RandomResizedCrop,
    RandomShift, TenCrop, center_crop, crop_padded, five_crop, ten_crop,
};
pub use error::{Error, MAX_SIDE};
pub use filter::{Band, ConvKernel, FreqAug, RandomConv, frequency_filter, random_conv};
pub use flip::{
    RandomHorizontalFlip, RandomVerticalFlip, flip_horizontal, flip_vertical, flipped_horizontal,
    flipped_vertical,
};
pub use halves::{CutAxis, YouOnlyCutOnce};
pub use mix::{BatchMix, Blend, FourierMask, Mix, MixMode, Mixing, Pairing, mixup};
pub use mixture::{Chain, mixture};
pub use occlude::{
    Cutout, EraseFill, ErasingValue, GaussianNoise, GridMask, GridMode, PureNoise, RandomErasing, erase,
    gaussian_noise, grid_mask, noise_image, open_probability,
};
pub use op::{Custom, Op};
pub use policy::{
    AugMix, AugMixOps, AutoAugment, AutoAugmentPolicy, BigVisionRandAugment, RandAugment, ThreeAugment,
    TimmAugment, TrivialAugmentWide,
};
pub use random::RandomApply;
pub use resize::{Filter, Resize, resize, resize_box, resize_float, resize_region};
pub use rng::{Rng, view_rng};
pub use sharpness::adjust_sharpness;
pub use transform::{Compose, Transform};
pub use view::View;
pub use visrep_decode::{Region, RgbImage};
pub use warp::{
    Displacement, ElasticTransform, RandomAffine, RandomPerspective, RandomQuarters, RandomRotation, affine,
    affine_matrix, elastic, expanded_size, perspective, perspective_coefficients, rotate, rotate_expanded,
    rotate_quarters, rotation_matrix,
};

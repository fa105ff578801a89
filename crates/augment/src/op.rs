//! One operation with every parameter decided: what a random transform draws, and what can be stored and replayed.

use crate::{
    BlurMethod, Filter, adjust_brightness, adjust_contrast, adjust_hue, adjust_saturation, center_crop,
    flip_horizontal, grayscale, resize, solarize,
};
use crate::{blur, crop};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use visrep_decode::{Region, RgbImage};

/// One operation and its parameters, as stored in a [`View`](crate::View).
///
/// As JSON: `{"adjust_hue": {"turns": 0.03}}`, `"flip_horizontal"`. Parameters out of range are brought into it:
/// regions are cut to the image, sides held within 1..=[`MAX_SIDE`](crate::MAX_SIDE).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Op {
    /// [`resize_region`](crate::resize_region).
    ResizedCrop {
        /// What is cut out.
        #[serde(with = "RegionFields")]
        region: Region,
        /// The new width in pixels.
        width: u32,
        /// The new height in pixels.
        height: u32,
        /// The interpolation.
        filter: Filter,
    },
    /// [`resize`].
    Resize {
        /// The new width in pixels.
        width: u32,
        /// The new height in pixels.
        height: u32,
        /// The interpolation.
        filter: Filter,
    },
    /// [`center_crop`].
    CenterCrop {
        /// The new width in pixels.
        width: u32,
        /// The new height in pixels.
        height: u32,
    },
    /// [`flip_horizontal`].
    FlipHorizontal,
    /// [`adjust_brightness`].
    AdjustBrightness {
        /// 1 changes nothing.
        factor: f64,
    },
    /// [`adjust_contrast`].
    AdjustContrast {
        /// 1 changes nothing.
        factor: f64,
    },
    /// [`adjust_saturation`].
    AdjustSaturation {
        /// 1 changes nothing.
        factor: f64,
    },
    /// [`adjust_hue`].
    AdjustHue {
        /// Share of a turn, -0.5 to 0.5.
        turns: f64,
    },
    /// [`grayscale`].
    Grayscale,
    /// [`solarize`].
    Solarize {
        /// Values from here up are inverted; 256 inverts none.
        threshold: u16,
    },
    /// [`pillow_blur`](crate::pillow_blur) or [`gaussian_blur`](crate::gaussian_blur).
    GaussianBlur {
        /// Which of them.
        method: BlurMethod,
        /// The standard deviation in pixels.
        sigma: f64,
    },
    /// An operation of another crate, which cannot be stored.
    #[serde(skip)]
    Custom(Custom),
}

impl Op {
    /// Applies the operation.
    #[must_use]
    pub fn apply(&self, mut image: RgbImage) -> RgbImage {
        match *self {
            Self::ResizedCrop { region, width, height, filter } => {
                return crop::resized_crop(image, region, width, height, filter);
            }
            Self::Resize { width, height, filter } => {
                if (width, height) != (image.width(), image.height()) {
                    return resize(&image, width, height, filter);
                }
            }
            Self::CenterCrop { width, height } => {
                if (width, height) != (image.width(), image.height()) {
                    return center_crop(&image, width, height);
                }
            }
            Self::FlipHorizontal => flip_horizontal(&mut image),
            Self::AdjustBrightness { factor } => adjust_brightness(&mut image, factor),
            Self::AdjustContrast { factor } => adjust_contrast(&mut image, factor),
            Self::AdjustSaturation { factor } => adjust_saturation(&mut image, factor),
            Self::AdjustHue { turns } => adjust_hue(&mut image, turns),
            Self::Grayscale => grayscale(&mut image),
            Self::Solarize { threshold } => solarize(&mut image, threshold),
            Self::GaussianBlur { method, sigma } => blur::blur(&mut image, method, sigma),
            Self::Custom(ref custom) => return (custom.apply)(image),
        }
        image
    }

    /// The (width, height) that an image of `size` gets.
    #[must_use]
    pub fn output_size(&self, size: (u32, u32)) -> (u32, u32) {
        match *self {
            Self::ResizedCrop { width, height, .. }
            | Self::Resize { width, height, .. }
            | Self::CenterCrop { width, height } => (width, height),
            Self::Custom(ref custom) => custom.size.unwrap_or(size),
            _ => size,
        }
    }

    /// An operation of one's own: a function of the image alone, under a name for printing.
    ///
    /// `size` is the (width, height) of what it returns, where that differs from what it is given.
    pub fn custom(
        name: impl Into<String>,
        size: Option<(u32, u32)>,
        apply: impl Fn(RgbImage) -> RgbImage + Send + Sync + 'static,
    ) -> Self {
        Self::Custom(Custom { name: name.into(), size, apply: Arc::new(apply) })
    }
}

/// See [`Op::custom`].
#[derive(Clone)]
pub struct Custom {
    name: String,
    size: Option<(u32, u32)>,
    apply: Arc<dyn Fn(RgbImage) -> RgbImage + Send + Sync>,
}

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Equal are only copies of the same.
impl PartialEq for Custom {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.apply, &other.apply)
    }
}

/// A region as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Region")]
struct RegionFields {
    x: u32,
    y: u32,
    width: u32,
    height: u32,
}

//! One operation with every parameter decided: what a random transform draws, and what can be stored and replayed.

use crate::{
    Band, BlurMethod, Chain, ColorStep, ConvKernel, CutAxis, EraseFill, Filter, GridMode, Padding,
    TfColorStep, adjust_brightness, adjust_contrast, adjust_hue, adjust_saturation, adjust_sharpness, affine,
    autocontrast, blend_grey, center_crop, crop_padded, equalize, erase, flip_horizontal, flip_vertical,
    frequency_filter, fused_color, gaussian_noise, grayscale, grid_mask, invert, mixture, noise_image,
    perspective, posterize, random_conv, resize, rotate, rotate_quarters, solarize, solarize_add,
    tf_color_jitter,
};
use crate::{blur, crop, halves, warp};
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
    /// [`crop_padded`].
    Crop {
        /// Left edge; outside the image the padding begins.
        x: i32,
        /// Top edge.
        y: i32,
        /// The new width in pixels.
        width: u32,
        /// The new height in pixels.
        height: u32,
        /// What lies outside the image.
        padding: Padding,
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
    /// [`flip_vertical`].
    FlipVertical,
    /// [`rotate_quarters`].
    RotateQuarters {
        /// Counter-clockwise.
        quarters: u32,
    },
    /// [`perspective`].
    Perspective {
        /// From output to input positions.
        coefficients: [f64; 8],
        /// `Nearest`, `Bilinear` or `Bicubic`.
        interpolation: Filter,
        /// The colour outside the image.
        fill: [u8; 3],
    },
    /// [`affine`].
    Affine {
        /// From output to input positions.
        matrix: [f64; 6],
        /// `Nearest`, `Bilinear` or `Bicubic`.
        interpolation: Filter,
        /// The colour outside the image.
        fill: [u8; 3],
    },
    /// [`rotate`].
    Rotate {
        /// Counter-clockwise.
        degrees: f64,
        /// `Nearest`, `Bilinear` or `Bicubic`.
        interpolation: Filter,
        /// Around what, in pixels from the top-left corner; the middle if there is none.
        center: Option<(f64, f64)>,
        /// The colour outside the image.
        fill: [u8; 3],
    },
    /// [`elastic`](crate::elastic) with [`Displacement::random`](crate::Displacement::random).
    Elastic {
        /// How strong the displacement is, in pixels, along x and y.
        alpha: (f64, f64),
        /// How smooth it is: a standard deviation in pixels, along x and y.
        sigma: (f64, f64),
        /// What the displacement follows from.
        seed: u64,
        /// `Nearest` or `Bilinear`.
        interpolation: Filter,
        /// The colour outside the image.
        fill: [u8; 3],
    },
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
    /// [`adjust_sharpness`].
    AdjustSharpness {
        /// 1 changes nothing.
        factor: f64,
    },
    /// [`autocontrast`].
    #[serde(rename = "autocontrast")]
    AutoContrast {
        /// Percent of the pixels left out of account at either end.
        cutoff: f64,
    },
    /// [`blend_grey`].
    BlendGrey {
        /// What it blends with.
        grey: u8,
        /// 1 changes nothing.
        factor: f64,
    },
    /// [`equalize`].
    Equalize,
    /// [`grayscale`].
    Grayscale,
    /// [`invert`].
    Invert,
    /// [`posterize`].
    Posterize {
        /// How many bits of each value stay.
        bits: u8,
    },
    /// [`solarize`].
    Solarize {
        /// Values from here up are inverted; 256 inverts none.
        threshold: u16,
    },
    /// [`solarize_add`].
    SolarizeAdd {
        /// What is added to the values below the threshold.
        addition: u8,
        /// Values from here up stay; 256 leaves none.
        threshold: u16,
    },
    /// [`fused_color`].
    FusedColor {
        /// What is done, in order.
        steps: Vec<ColorStep>,
    },
    /// [`tf_color_jitter`].
    TfColorJitter {
        /// What is done, in order.
        steps: Vec<TfColorStep>,
    },
    /// [`pillow_blur`](crate::pillow_blur) or [`gaussian_blur`](crate::gaussian_blur).
    GaussianBlur {
        /// Which of them.
        method: BlurMethod,
        /// The standard deviation in pixels.
        sigma: f64,
    },
    /// [`mixture`].
    Mix {
        /// The weight of the image as it is.
        original: f64,
        /// The versions that are added to it.
        chains: Vec<Chain>,
    },
    /// [`erase`].
    Erase {
        /// What is erased.
        #[serde(with = "RegionFields")]
        region: Region,
        /// What it is filled with.
        fill: EraseFill,
    },
    /// [`grid_mask`].
    GridMask {
        /// The grid's period in pixels.
        unit: u32,
        /// The width of a bar in pixels.
        bar: u32,
        /// Where the first bars begin (x, y).
        offset: (u32, u32),
        /// By how much the grid is turned counter-clockwise.
        degrees: u32,
        /// Which pixels are made black.
        mode: GridMode,
    },
    /// Halves the image, applies operations to each half and joins them; a half that changes its size is resized.
    Halves {
        /// Where it is cut.
        axis: CutAxis,
        /// Operations on the left or upper half.
        first: Vec<Op>,
        /// Operations on the right or lower half.
        second: Vec<Op>,
    },
    /// [`gaussian_noise`].
    GaussianNoise {
        /// The standard deviation on the scale 0 to 1.
        std: f64,
        /// What the pixels follow from.
        seed: u64,
    },
    /// [`noise_image`] in place of the image.
    NoiseImage {
        /// The mean of red, green and blue, on the scale 0 to 1.
        mean: [f64; 3],
        /// Their standard deviations, on the same scale.
        std: [f64; 3],
        /// What the pixels follow from.
        seed: u64,
    },
    /// [`random_conv`] with [`ConvKernel::normal`].
    RandomConv {
        /// Width and height of the kernel.
        size: u32,
        /// The share of the convolved image.
        alpha: f64,
        /// What values are normalised by, on the scale 0 to 1.
        mean: [f64; 3],
        /// The same.
        std: [f64; 3],
        /// What the weights follow from.
        seed: u64,
    },
    /// [`frequency_filter`].
    FrequencyFilter {
        /// What is kept or removed.
        band: Band,
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
                return crop::resized_crop(&image, region, width, height, filter);
            }
            Self::Crop { x, y, width, height, padding } => {
                return crop_padded(&image, x, y, width, height, padding);
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
            Self::FlipVertical => flip_vertical(&mut image),
            Self::RotateQuarters { quarters } => return rotate_quarters(&image, quarters),
            Self::Perspective { coefficients, interpolation, fill } => {
                return perspective(&image, coefficients, interpolation, fill);
            }
            Self::Affine { matrix, interpolation, fill } => {
                return affine(&image, matrix, interpolation, fill);
            }
            Self::Rotate { degrees, interpolation, center, fill } => {
                return rotate(&image, degrees, interpolation, center, fill);
            }
            Self::Elastic { alpha, sigma, seed, interpolation, fill } => {
                return warp::elastic_from_seed(&image, alpha, sigma, seed, interpolation, fill);
            }
            Self::AdjustBrightness { factor } => adjust_brightness(&mut image, factor),
            Self::AdjustContrast { factor } => adjust_contrast(&mut image, factor),
            Self::AdjustSaturation { factor } => adjust_saturation(&mut image, factor),
            Self::AdjustHue { turns } => adjust_hue(&mut image, turns),
            Self::AdjustSharpness { factor } => adjust_sharpness(&mut image, factor),
            Self::AutoContrast { cutoff } => autocontrast(&mut image, cutoff),
            Self::BlendGrey { grey, factor } => blend_grey(&mut image, grey, factor),
            Self::Equalize => equalize(&mut image),
            Self::Grayscale => grayscale(&mut image),
            Self::Invert => invert(&mut image),
            Self::Posterize { bits } => posterize(&mut image, bits),
            Self::Solarize { threshold } => solarize(&mut image, threshold),
            Self::SolarizeAdd { addition, threshold } => solarize_add(&mut image, addition, threshold),
            Self::FusedColor { ref steps } => fused_color(&mut image, steps),
            Self::TfColorJitter { ref steps } => tf_color_jitter(&mut image, steps),
            Self::GaussianBlur { method, sigma } => blur::blur(&mut image, method, sigma),
            Self::Erase { region, fill } => erase(&mut image, region, fill),
            Self::GridMask { unit, bar, offset, degrees, mode } => {
                grid_mask(&mut image, unit, bar, offset, degrees, mode);
            }
            Self::Halves { axis, ref first, ref second } => {
                return halves::halves(image, axis, first, second);
            }
            Self::GaussianNoise { std, seed } => gaussian_noise(&mut image, std, seed),
            Self::NoiseImage { mean, std, seed } => {
                return noise_image(image.width(), image.height(), mean, std, seed);
            }
            Self::RandomConv { size, alpha, mean, std, seed } => {
                random_conv(&mut image, &ConvKernel::normal(size, seed), alpha, mean, std);
            }
            Self::FrequencyFilter { band } => frequency_filter(&mut image, band),
            Self::Mix { original, ref chains } => mixture(&mut image, original, chains),
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
            | Self::Crop { width, height, .. }
            | Self::CenterCrop { width, height } => (width, height),
            Self::RotateQuarters { quarters } if quarters % 2 == 1 => (size.1, size.0),
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
pub(crate) struct RegionFields {
    x: u32,
    y: u32,
    width: u32,
    height: u32,
}

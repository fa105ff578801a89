//! What a model expects of its input.

use crate::Error;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

/// The mean of ImageNet's RGB channels, in units of the full range (timm's `IMAGENET_DEFAULT_MEAN`).
pub const IMAGENET_MEAN: [f64; 3] = [0.485, 0.456, 0.406];
/// The deviation of ImageNet's RGB channels (timm's `IMAGENET_DEFAULT_STD`).
pub const IMAGENET_STD: [f64; 3] = [0.229, 0.224, 0.225];
/// The mean of CLIP's training pixels per RGB channel (timm's `OPENAI_CLIP_MEAN`).
pub const CLIP_MEAN: [f64; 3] = [0.48145466, 0.4578275, 0.40821073];
/// The deviation of CLIP's training pixels per RGB channel (timm's `OPENAI_CLIP_STD`).
pub const CLIP_STD: [f64; 3] = [0.26862954, 0.26130258, 0.27577711];
/// The mean of CIFAR-10's training pixels per RGB channel.
pub const CIFAR_MEAN: [f64; 3] = [0.4914, 0.4822, 0.4465];
/// The deviation of CIFAR-10's training pixels per RGB channel.
pub const CIFAR_STD: [f64; 3] = [0.2470, 0.2435, 0.2616];

/// How images are resized; antialiased, as Pillow does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interpolation {
    /// Triangle filter.
    Bilinear,
    /// Cubic filter with a = -0.5.
    Bicubic,
}

impl std::fmt::Display for Interpolation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Bilinear => "bilinear",
            Self::Bicubic => "bicubic",
        })
    }
}

/// What the resize before the crop does to an image that is not square: timm's `crop_mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CropMode {
    /// The shortest edge gets the size, and the ratio stays.
    #[default]
    Center,
    /// Both edges get the size, whatever the ratio.
    Squash,
}

impl std::fmt::Display for CropMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Center => "center",
            Self::Squash => "squash",
        })
    }
}

/// A model's evaluation transform, as timm's `resolve_model_data_config` and `create_transform` have it: the
/// image is resized to [`Self::resize_size`] as `crop_mode` says, the centre `input_size`² is cropped, and the
/// result normalised by `mean` and `std`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preprocessing {
    /// The side of the square that the model sees, in pixels.
    pub input_size: u32,
    /// The crop's share of the resized shortest edge, in (0, 1].
    pub crop_pct: f64,
    /// Whether the resize keeps the image's ratio.
    #[serde(default)]
    pub crop_mode: CropMode,
    /// The filter of the resize.
    pub interpolation: Interpolation,
    /// Subtracted per RGB channel, after scaling to \[0, 1\].
    pub mean: [f64; 3],
    /// Divided by, per RGB channel.
    pub std: [f64; 3],
}

impl Default for Preprocessing {
    /// timm's `_cfg` for ResNets: 224 pixels, crop 0.875, bilinear, ImageNet's statistics.
    fn default() -> Self {
        Self {
            input_size: 224,
            crop_pct: 0.875,
            crop_mode: CropMode::Center,
            interpolation: Interpolation::Bilinear,
            mean: IMAGENET_MEAN,
            std: IMAGENET_STD,
        }
    }
}

impl Preprocessing {
    /// What the shortest edge (or both: [`Self::crop_mode`]) is resized to before the crop:
    /// ⌊`input_size` / `crop_pct`⌋.
    pub fn resize_size(&self) -> u32 {
        (f64::from(self.input_size) / self.crop_pct).floor() as u32
    }

    /// Turns u8 images (N, H, W, 3) into what the model takes: f32 (N, 3, H, W), contiguous, on `device`,
    /// `(x / 255 - mean) / std`. The bytes are what travels to the device.
    ///
    /// # Errors
    /// When `images` has another kind or shape.
    pub fn normalize(&self, images: &Tensor, device: Device) -> Result<Tensor, Error> {
        let size = images.size();
        if size.len() != 4 || size[3] != 3 || images.kind() != Kind::Uint8 {
            let expected = format!("preprocessing takes u8 (N, H, W, 3), this is {:?}", images.kind());
            return Err(Error::Input { got: size, expected });
        }
        if !images.device().is_cuda() && !device.is_cuda() {
            // What each byte becomes in each channel, by the very operations of the other way.
            let bytes =
                Tensor::arange(256, (Kind::Float, Device::Cpu)).expand([1, 3, 1, 256], false).contiguous();
            let table = self.normalized(bytes, device)?.f_view([3, 256])?;
            return Ok(visrep_torch::map_channels(&images.f_contiguous()?, &table)?);
        }
        let x = images.f_to_device(device)?.f_permute([0, 3, 1, 2])?.f_contiguous()?;
        self.normalized(x.f_to_kind(Kind::Float)?, device)
    }

    /// `(x - mean) / std` of images (N, 3, H, W) from 0 to 1, of their kind and on their device. Gradients flow to the images.
    ///
    /// # Errors
    /// Images without three channels.
    pub fn standardize(&self, images: &Tensor) -> Result<Tensor, Error> {
        let channel = |values: &[f64; 3]| -> Result<Tensor, Error> {
            let values = Tensor::from_slice(values).f_reshape([1, 3, 1, 1])?;
            Ok(values.f_to_device(images.device())?.f_to_kind(images.kind())?)
        };
        Ok(images.f_sub(&channel(&self.mean)?)?.f_div(&channel(&self.std)?)?)
    }

    /// `(x / 255 - mean) / std` of f32 (N, 3, H, W), in its place.
    fn normalized(&self, mut x: Tensor, device: Device) -> Result<Tensor, Error> {
        let channel = |values: &[f64; 3]| -> Result<Tensor, Error> {
            let values = Tensor::from_slice(&values.map(|v| v as f32));
            Ok(values.f_reshape([1, 3, 1, 1])?.f_to_device(device)?)
        };
        let mut x = x.f_div_scalar_(255.0)?;
        let mut x = x.f_sub_(&channel(&self.mean)?)?;
        Ok(x.f_div_(&channel(&self.std)?)?)
    }
}

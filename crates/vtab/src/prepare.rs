//! How images become what the network sees, as VTAB's protocols name it.

use crate::preprocess::{Sampling, resize_bilinear};
use serde::{Deserialize, Serialize};
use visrep_augment::{Compose, Op};
use visrep_data::Views;
use visrep_decode::RgbImage;
use visrep_models::{CropMode, Interpolation, Model, Preprocessing};
use visrep_probe::{ImagePipeline, eval_transform};

/// A named way from an image to the network's input. The model's own mean and standard deviation are applied after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputPreparation {
    /// VTAB's own: both sides resized to the model's input size, bilinear without antialiasing, no crop.
    Vtab(Sampling),
    /// That of PyTorch's re-implementations: both sides resized, bilinear and antialiased, no crop.
    Squash,
    /// The model's own evaluation transform, which may crop.
    Model,
}

impl Default for InputPreparation {
    fn default() -> Self {
        Self::Vtab(Sampling::default())
    }
}

impl InputPreparation {
    /// The views of images for `model`, and what is done in words, for protocols and caches.
    ///
    /// # Errors
    /// A model whose own preprocessing cannot be made.
    pub fn views(self, model: &Model) -> Result<(Views, String), visrep_probe::Error> {
        let own = model.preprocessing();
        let (transform, said) = self.transform(own)?;
        Ok((Views::single(transform), format!("{said}, mean {:?}, std {:?}", own.mean, own.std)))
    }

    /// The same as what fine-tuning does to images, in training and in evaluation alike.
    ///
    /// # Errors
    /// As [`Self::views`].
    pub fn pipeline(self, model: &Model) -> Result<ImagePipeline, visrep_probe::Error> {
        let own = model.preprocessing();
        let (train, said) = self.transform(own)?;
        Ok(ImagePipeline::new(said, own.input_size, train, self.transform(own)?.0))
    }

    fn transform(self, own: &Preprocessing) -> Result<(Compose, String), visrep_probe::Error> {
        let side = own.input_size;
        Ok(match self {
            Self::Vtab(sampling) => {
                let name = match sampling {
                    Sampling::HalfPixel => "half-pixel centres",
                    Sampling::Corner => "corners, as VTAB's own",
                };
                let said = format!("both edges {side} bilinear without antialiasing ({name})");
                (Compose::new().then(vtab_resize(side, sampling)), said)
            }
            Self::Squash => {
                let (crop_mode, interpolation) = (CropMode::Squash, Interpolation::Bilinear);
                let squashed = Preprocessing { crop_pct: 1.0, crop_mode, interpolation, ..own.clone() };
                (eval_transform(&squashed)?, format!("both edges {side} bilinear antialiased"))
            }
            Self::Model => {
                let said = format!(
                    "{} edge {} {} antialiased, centre crop {side}",
                    own.crop_mode,
                    own.resize_size(),
                    own.interpolation
                );
                (eval_transform(own)?, said)
            }
        })
    }
}

/// VTAB's resize of both sides to `side` as an operation.
fn vtab_resize(side: u32, sampling: Sampling) -> Op {
    let resize = move |image: RgbImage| resize_bilinear(&image, side, side, sampling);
    Op::custom("resize without antialiasing", Some((side, side)), resize)
}

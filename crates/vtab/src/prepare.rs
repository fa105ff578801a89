//! How images become what the network sees, as VTAB's protocols name it.

use crate::preprocess::{Sampling, resize_bilinear};
use serde::{Deserialize, Serialize};
use visrep_augment::{Compose, Op};
use visrep_data::Views;
use visrep_decode::RgbImage;
use visrep_models::{Model, Preprocessing};

/// A named way from an image to the network's input. The model's own mean and standard deviation are applied after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputPreparation {
    /// VTAB's own: both sides resized to the model's input size, bilinear without antialiasing, no crop.
    Vtab(Sampling),
    /// That of the papers on adapters: both sides resized, bilinear and antialiased, no crop.
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
        let side = own.input_size;
        Ok(match self {
            Self::Vtab(sampling) => {
                let name = match sampling {
                    Sampling::HalfPixel => "half-pixel centres",
                    Sampling::Corner => "corners, as TensorFlow 1",
                };
                let op = vtab_resize(side, sampling);
                let said = format!("both edges {side} bilinear without antialiasing ({name})");
                (Views::single(Compose::new().then(op)), with_statistics(said, own))
            }
            Self::Squash => {
                let squashed = Preprocessing {
                    crop_pct: 1.0,
                    crop_mode: visrep_models::CropMode::Squash,
                    interpolation: visrep_models::Interpolation::Bilinear,
                    ..own.clone()
                };
                let said = format!("both edges {side} bilinear antialiased");
                (Views::single(visrep_probe::eval_transform(&squashed)?), with_statistics(said, own))
            }
            Self::Model => {
                let said = format!(
                    "{} edge {} {} antialiased, centre crop {side}",
                    own.crop_mode,
                    own.resize_size(),
                    own.interpolation
                );
                (Views::single(visrep_probe::eval_transform(own)?), with_statistics(said, own))
            }
        })
    }
}

/// VTAB's resize of both sides to `side` as an operation.
pub(crate) fn vtab_resize(side: u32, sampling: Sampling) -> Op {
    let resize = move |image: RgbImage| resize_bilinear(&image, side, side, sampling);
    Op::custom("resize without antialiasing", Some((side, side)), resize)
}

fn with_statistics(said: String, p: &Preprocessing) -> String {
    format!("{said}, mean {:?}, std {:?}", p.mean, p.std)
}

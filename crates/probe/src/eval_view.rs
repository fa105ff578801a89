//! The evaluation transforms of published protocols, where they are not the model's own.

use std::fmt;
use visrep_models::{CropMode, Interpolation, Preprocessing};

/// How an image that is not augmented becomes the network's input. Mean, deviation and input size are the model's in any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EvalTransform {
    /// The model's own evaluation transform.
    #[default]
    Model,
    /// The shortest edge resized, bilinear and antialiased, to 8/7 of the input size, then its centre: 256 and 224 pixels, as MoCo,
    /// SimSiam and SwAV evaluate.
    Bilinear,
    /// The same, bicubic: DINO's and MAE's.
    Bicubic,
}

impl EvalTransform {
    /// What a model of `own` preprocessing sees under it.
    #[must_use]
    pub fn of(self, own: &Preprocessing) -> Preprocessing {
        let interpolation = match self {
            Self::Model => return own.clone(),
            Self::Bilinear => Interpolation::Bilinear,
            Self::Bicubic => Interpolation::Bicubic,
        };
        Preprocessing { crop_pct: 0.875, crop_mode: CropMode::Center, interpolation, ..own.clone() }
    }
}

impl fmt::Display for EvalTransform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Model => "the model's own",
            Self::Bilinear => "resize 8/7 bilinear, centre crop",
            Self::Bicubic => "resize 8/7 bicubic, centre crop",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_transforms_have_256_pixels_for_224() {
        let own = Preprocessing { crop_pct: 0.9, crop_mode: CropMode::Squash, ..Preprocessing::default() };
        assert_eq!(EvalTransform::Model.of(&own), own);
        let dino = EvalTransform::Bicubic.of(&own);
        assert_eq!((dino.resize_size(), dino.input_size, dino.crop_mode), (256, 224, CropMode::Center));
        assert_eq!((dino.interpolation, dino.mean), (Interpolation::Bicubic, own.mean));
        let small = EvalTransform::Bilinear.of(&Preprocessing { input_size: 32, ..own });
        assert_eq!((small.resize_size(), small.interpolation), (36, Interpolation::Bilinear));
    }
}

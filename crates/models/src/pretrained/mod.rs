//! timm's published weights of the architectures here: their tags, and what each expects.

mod table;

use crate::preprocessing::{IMAGENET_MEAN, IMAGENET_STD, Interpolation, Preprocessing};
pub(crate) use table::TABLE;

/// One row of timm's table of weights.
#[derive(Debug)]
pub(crate) struct Pretrained {
    pub(crate) architecture: &'static str,
    pub(crate) tag: &'static str,
    pub(crate) preprocessing: Preprocessing,
    pub(crate) num_classes: i64,
    /// The weights' licence as an SPDX identifier in lower case, where timm states one.
    pub(crate) licence: Option<&'static str>,
}

/// A channel-wise mean and deviation.
type Statistics = ([f64; 3], [f64; 3]);

const IMAGENET: Statistics = (IMAGENET_MEAN, IMAGENET_STD);
const HALF: Statistics = ([0.5; 3], [0.5; 3]);
const CLIP: Statistics = ([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]);

const fn row(
    (architecture, tag): (&'static str, &'static str),
    (input_size, crop_pct): (u32, f64),
    interpolation: Interpolation,
    (mean, std): Statistics,
    num_classes: i64,
    licence: Option<&'static str>,
) -> Pretrained {
    let preprocessing = Preprocessing { input_size, crop_pct, interpolation, mean, std };
    Pretrained { architecture, tag, preprocessing, num_classes, licence }
}

//! The weighted sum of an image and of versions of it.

use crate::simd::vectorised;
use crate::{Filter, Op, resize};
use serde::{Deserialize, Serialize};
use visrep_decode::RgbImage;

/// One version of the image in an [`Op::Mix`]: operations, and the weight of what they make.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chain {
    /// Its share of the sum.
    pub weight: f64,
    /// What is done to the image, in order. A chain should leave the size; what it makes is resized back otherwise.
    pub ops: Vec<Op>,
}

/// `original` times the image plus, for each chain, its weight times what it makes of the image; rounded to the nearest
/// level. AugMix's mixture.
pub fn mixture(image: &mut RgbImage, original: f64, chains: &[Chain]) {
    let mut sum = vec![0f32; image.data().len()];
    add(&mut sum, image, original);
    for chain in chains {
        let version = chain.ops.iter().fold(image.clone(), |version, op| op.apply(version));
        let (width, height) = (image.width(), image.height());
        if (version.width(), version.height()) == (width, height) {
            add(&mut sum, &version, chain.weight);
        } else {
            add(&mut sum, &resize(&version, width, height, Filter::Bilinear), chain.weight);
        }
    }
    vectorised(
        #[inline(always)]
        || {
            for (value, &sum) in image.data_mut().iter_mut().zip(&sum) {
                // Added to 2^23, a number is rounded to a whole one, which lies in the lowest bits.
                *value = (sum.clamp(0.0, 255.0) + (1 << 23) as f32).to_bits() as u8;
            }
        },
    );
}

fn add(sum: &mut [f32], image: &RgbImage, weight: f64) {
    let weight = weight as f32;
    vectorised(
        #[inline(always)]
        || {
            for (sum, &value) in sum.iter_mut().zip(image.data()) {
                *sum += weight * f32::from(value);
            }
        },
    );
}

//! Mixing the samples of a batch.

use super::{per_sample, shape, weights};
use crate::error::wrong;
use crate::{Blend, Error, Mixing};
use tch::Tensor;

/// Mixes a batch; see [`Mixing`]. Errs when it is not of the number and size of images that `mixing` was drawn for.
pub fn mix(images: &Tensor, mixing: &Mixing) -> Result<Tensor, Error> {
    let (n, height, width) = shape(images)?;
    if n != mixing.samples().len() || (width, height) != mixing.size() {
        let (width, height) = mixing.size();
        let expected = format!("the {} of {width}x{height} that are mixed", mixing.samples().len());
        return Err(wrong("images", expected, format!("{:?}", images.size())));
    }
    if n == 0 {
        return Ok(images.shallow_clone());
    }
    let partners: Vec<i64> = mixing.samples().iter().map(|mix| mix.partner as i64).collect();
    let partners = Tensor::f_from_slice(&partners)?.f_to_device(images.device())?;
    let others = images.f_index_select(0, &partners)?;
    let linear = |blend: &Blend| matches!(blend, Blend::Keep | Blend::Linear);
    let shares = if mixing.samples().iter().all(|mix| linear(&mix.blend)) {
        let share = |mix: &crate::Mix| if mix.blend == Blend::Keep { 1.0 } else { mix.lambda };
        per_sample(images, &mixing.samples().iter().map(share).collect::<Vec<f64>>())?
    } else {
        weights(images, &mixing.shares(), &[n as i64, 1, i64::from(height), i64::from(width)])?
    };
    Ok(images.f_sub(&others)?.f_mul(&shares)?.f_add(&others)?)
}

//! Transforms of batches that are LibTorch tensors (feature `tensor`), on whatever device they are.
//!
//! Images are (N, 3, H, W), float, 0 to 1; every sample has parameters of its own. [`apply_views`] takes them from the
//! [`View`](crate::View)s that the transforms of this crate draw, so that a batch gets on a GPU what its images would
//! get one by one on the CPU, but for the rounding to 8 bits there: within 1/255 for each operation, within 2/255 for
//! contrast and saturation, which round twice. Hue is another matter: see [`adjust_hue`].

mod color;
mod geometry;
mod mix;
mod views;

pub use color::{
    adjust_brightness, adjust_contrast, adjust_hue, adjust_saturation, gaussian_blur, grayscale, normalize,
    solarize,
};
pub use geometry::{erase, flip_horizontal, resized_crop, shift};
pub use mix::mix;
pub use views::apply_views;

use crate::Error;
use crate::error::wrong;
use tch::{Kind, Tensor};

/// The (N, H, W) of a batch of images. Errs unless it is (N, 3, H, W), float, with at least one pixel.
fn shape(images: &Tensor) -> Result<(usize, u32, u32), Error> {
    let size = images.size();
    let side = |length: i64| u32::try_from(length).ok().filter(|&length| length > 0);
    match size[..] {
        [n, 3, height, width] if images.is_floating_point() => {
            if let (Some(height), Some(width)) = (side(height), side(width)) {
                return Ok((n as usize, height, width));
            }
        }
        _ => {}
    }
    let found = format!("{size:?} {:?}", images.kind());
    Err(wrong("images", "float (N, 3, H, W) with at least one pixel", found))
}

/// Errs unless there is one parameter for each image.
fn check_one_each(parameter: &'static str, n: usize, found: usize) -> Result<(), Error> {
    if n == found { Ok(()) } else { Err(wrong(parameter, format!("one for each of {n} images"), found)) }
}

/// Numbers, one for each image, as (N, 1, 1, 1) of the images' kind and device.
fn per_sample(images: &Tensor, numbers: &[f64]) -> Result<Tensor, Error> {
    let numbers = Tensor::f_from_slice(numbers)?.f_reshape([numbers.len() as i64, 1, 1, 1])?;
    Ok(numbers.f_to_kind(images.kind())?.f_to_device(images.device())?)
}

/// Weights computed on the host, of a shape, in the images' kind and device.
fn weights(images: &Tensor, values: &[f32], shape: &[i64]) -> Result<Tensor, Error> {
    let values = Tensor::f_from_slice(values)?.f_reshape(shape)?;
    Ok(values.f_to_kind(images.kind())?.f_to_device(images.device())?)
}

/// Which images something is done to, as (N, 1, 1, 1).
fn chosen(images: &Tensor, which: &[bool]) -> Result<Tensor, Error> {
    let which = Tensor::f_from_slice(which)?.f_reshape([which.len() as i64, 1, 1, 1])?;
    Ok(which.f_to_kind(Kind::Bool)?.f_to_device(images.device())?)
}

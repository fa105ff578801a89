//! Colour and blur of batches.

use super::{check_one_each, chosen, per_sample, shape, weights};
use crate::Error;
use crate::error::check_within;
use tch::Tensor;

/// `(images - mean) / std` for each channel. Errs unless every `std` is above 1e-6.
pub fn normalize(images: &Tensor, mean: [f64; 3], std: [f64; 3]) -> Result<Tensor, Error> {
    shape(images)?;
    std.into_iter().try_for_each(|std| check_within("normalize std", std, 1e-6..=f64::MAX))?;
    let channels = |values: [f64; 3]| weights(images, &values.map(|v| v as f32), &[1, 3, 1, 1]);
    Ok(images.f_sub(&channels(mean)?)?.f_div(&channels(std)?)?)
}

/// Pillow's luma: 0.299, 0.587, 0.114, (N, 1, H, W).
fn luma(images: &Tensor) -> Result<Tensor, Error> {
    let coefficients = weights(images, &[0.299, 0.587, 0.114], &[1, 3, 1, 1])?;
    Ok(images.f_mul(&coefficients)?.f_sum_dim_intlist([1i64].as_slice(), true, images.kind())?)
}

/// `factor * images + (1 - factor) * other`, held within 0..=1.
fn blend(images: &Tensor, other: &Tensor, factors: &[f64]) -> Result<Tensor, Error> {
    let factors = per_sample(images, factors)?;
    Ok(images.f_sub(other)?.f_mul(&factors)?.f_add(other)?.f_clamp(0.0, 1.0)?)
}

/// Multiplies each image by its factor; see [`crate::adjust_brightness`].
pub fn adjust_brightness(images: &Tensor, factors: &[f64]) -> Result<Tensor, Error> {
    check_one_each("adjust_brightness factors", shape(images)?.0, factors.len())?;
    Ok(images.f_mul(&per_sample(images, factors)?)?.f_clamp(0.0, 1.0)?)
}

/// Moves each image from its mean luma by its factor; see [`crate::adjust_contrast`].
pub fn adjust_contrast(images: &Tensor, factors: &[f64]) -> Result<Tensor, Error> {
    check_one_each("adjust_contrast factors", shape(images)?.0, factors.len())?;
    let mean = luma(images)?.f_mean_dim([1i64, 2, 3].as_slice(), true, images.kind())?;
    blend(images, &mean, factors)
}

/// Moves each image from its grey by its factor; see [`crate::adjust_saturation`].
pub fn adjust_saturation(images: &Tensor, factors: &[f64]) -> Result<Tensor, Error> {
    check_one_each("adjust_saturation factors", shape(images)?.0, factors.len())?;
    blend(images, &luma(images)?, factors)
}

/// Makes the chosen images grey; see [`crate::grayscale`].
pub fn grayscale(images: &Tensor, which: &[bool]) -> Result<Tensor, Error> {
    check_one_each("grayscale choices", shape(images)?.0, which.len())?;
    Ok(luma(images)?.f_expand_as(images)?.f_where_self(&chosen(images, which)?, images)?)
}

/// Inverts the values of each image from its threshold (0 to 1) up; `None` leaves an image as it is. The thresholds of
/// [`crate::solarize`] are 255 times these.
pub fn solarize(images: &Tensor, thresholds: &[Option<f64>]) -> Result<Tensor, Error> {
    check_one_each("solarize thresholds", shape(images)?.0, thresholds.len())?;
    let numbers: Vec<f64> = thresholds.iter().map(|threshold| threshold.unwrap_or(f64::INFINITY)).collect();
    let bright = images.f_ge_tensor(&per_sample(images, &numbers)?)?;
    Ok(images.f_neg()?.f_add_scalar(1.0)?.f_where_self(&bright, images)?)
}

/// Turns each image's hue by its share of a turn, in HSV, as torchvision does on tensors. Pillow, and so
/// [`crate::adjust_hue`], keeps hue in 8 bits: its turns are rounded to 1/256, and its results differ by several
/// levels in saturated colours.
pub fn adjust_hue(images: &Tensor, turns: &[f64]) -> Result<Tensor, Error> {
    check_one_each("adjust_hue turns", shape(images)?.0, turns.len())?;
    let value = images.f_amax([1i64].as_slice(), true)?;
    let chroma = value.f_sub(&images.f_amin([1i64].as_slice(), true)?)?;
    let [red, green, blue] = [0, 1, 2].map(|channel| images.f_narrow(1, channel, 1));
    let (red, green, blue) = (red?, green?, blue?);
    let divisor = chroma.f_masked_fill(&chroma.f_eq(0.0)?, 1.0)?;
    let sector = |a: &Tensor, b: &Tensor, start: f64| a.f_sub(b)?.f_div(&divisor)?.f_add_scalar(start);
    let from_green = sector(&blue, &red, 2.0)?;
    let from_blue = sector(&red, &green, 4.0)?;
    let hue = sector(&green, &blue, 0.0)?.f_where_self(
        &value.f_eq_tensor(&red)?,
        &from_green.f_where_self(&value.f_eq_tensor(&green)?, &from_blue)?,
    )?;
    let turned: Vec<f64> = turns.iter().map(|turn| turn * 6.0).collect();
    let hue = hue.f_add(&per_sample(images, &turned)?)?;
    // Each channel is value - chroma * max(0, min(k, 4 - k, 1)), k = (n + hue) mod 6 for n = 5, 3, 1.
    let channel = |n: f64| -> Result<Tensor, Error> {
        let k = hue.f_add_scalar(n)?.f_remainder(6.0)?;
        let falling = k.f_neg()?.f_add_scalar(4.0)?;
        let part = k.f_minimum(&falling)?.f_clamp(0.0, 1.0)?;
        Ok(value.f_sub(&chroma.f_mul(&part)?)?)
    };
    Ok(Tensor::f_cat(&[channel(5.0)?, channel(3.0)?, channel(1.0)?], 1)?)
}

/// Blurs each image with a Gaussian of its standard deviation, `size` pixels wide, mirrored at the edges without
/// repeating the edge pixel; see [`crate::gaussian_blur`] with [`Border::Reflect`](crate::Border::Reflect). A sigma of 0
/// leaves an image as it is.
///
/// Errs unless `size` is odd and half of it less than either side.
pub fn gaussian_blur(images: &Tensor, size: u32, sigmas: &[f64]) -> Result<Tensor, Error> {
    let (n, height, width) = shape(images)?;
    check_one_each("gaussian_blur sigmas", n, sigmas.len())?;
    crate::error::check_odd("gaussian_blur size", size)?;
    let largest = f64::from(2 * width.min(height)) - 1.0;
    check_within("gaussian_blur size", f64::from(size), 1.0..=largest)?;
    if n == 0 {
        return Ok(images.shallow_clone());
    }
    let half = i64::from(size / 2);
    let mut kernels = Vec::with_capacity(n * 3 * size as usize);
    for &sigma in sigmas {
        let tap = |x: i64| {
            let exact = f64::from(u8::from(x == 0));
            if sigma > 0.0 { (-0.5 * (x as f64 / sigma).powi(2)).exp() } else { exact }
        };
        let taps: Vec<f64> = (-half..=half).map(tap).collect();
        let sum: f64 = taps.iter().sum();
        (0..3).for_each(|_| kernels.extend(taps.iter().map(|tap| (tap / sum) as f32)));
    }
    let planes = 3 * n as i64;
    let (height, width) = (i64::from(height), i64::from(width));
    let padded = images.f_reflection_pad2d([half; 4])?;
    // Every plane is a group of its own, so that each image has its own kernel.
    let flat = padded.f_reshape([1, planes, height + 2 * half, width + 2 * half])?;
    let size = i64::from(size);
    let pass = |input: &Tensor, shape: [i64; 4]| {
        let kernel = weights(images, &kernels, &shape)?;
        Ok::<_, Error>(input.f_conv2d(&kernel, None::<Tensor>, [1, 1], [0, 0], [1, 1], planes)?)
    };
    let rows = pass(&flat, [planes, 1, 1, size])?;
    Ok(pass(&rows, [planes, 1, size, 1])?.f_reshape([n as i64, 3, height, width])?)
}

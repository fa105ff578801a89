//! Where pixels of a batch come from: crops, flips, shifts, and boxes that are erased.

use super::{check_one_each, chosen, shape, weights};
use crate::error::{check_side, wrong};
use crate::{Error, Region};
use tch::Tensor;

/// Mirrors the chosen images left and right.
pub fn flip_horizontal(images: &Tensor, which: &[bool]) -> Result<Tensor, Error> {
    check_one_each("flip_horizontal choices", shape(images)?.0, which.len())?;
    Ok(images.f_flip([3i64].as_slice())?.f_where_self(&chosen(images, which)?, images)?)
}

/// Cuts a region out of each image and resizes it to `width` x `height`, bilinear and antialiased: [`crate::resize_region`]
/// with [`Filter::Bilinear`](crate::Filter::Bilinear), but for the rounding to 8 bits between its two passes.
///
/// As two products with matrices of weights, one row of weights for each new row and column.
pub fn resized_crop(images: &Tensor, regions: &[Region], width: u32, height: u32) -> Result<Tensor, Error> {
    let (n, from_height, from_width) = shape(images)?;
    check_one_each("resized_crop regions", n, regions.len())?;
    check_side("resized_crop width", width)?;
    check_side("resized_crop height", height)?;
    let (mut across, mut down) = (Vec::new(), Vec::new());
    for region in regions {
        region.check(from_width, from_height)?;
        triangle(&mut across, from_width, region.x, region.width, width);
        triangle(&mut down, from_height, region.y, region.height, height);
    }
    let size = |to: u32, from: u32| [n as i64, 1, i64::from(to), i64::from(from)];
    let across = weights(images, &across, &size(width, from_width))?;
    let down = weights(images, &down, &size(height, from_height))?;
    Ok(down.f_matmul(&images.f_matmul(&across.f_transpose(2, 3)?)?)?)
}

/// Adds the weights with which `to` new pixels are made of `from`, of which `len` from `start` on matter: a triangle
/// as wide as a new pixel, or an old one where those are wider, as Pillow's.
fn triangle(weights: &mut Vec<f32>, from: u32, start: u32, len: u32, to: u32) {
    let scale = f64::from(len) / f64::from(to);
    let support = scale.max(1.0);
    for i in 0..to {
        let center = (f64::from(i) + 0.5) * scale;
        let first = (center - support + 0.5).max(0.0) as u32;
        let last = ((center + support + 0.5) as u32).min(len);
        let weight = |j: u32| {
            let part = (1.0 - ((f64::from(j) + 0.5 - center) / support).abs()).max(0.0);
            if (first..last).contains(&j) { part } else { 0.0 }
        };
        let sum: f64 = (first..last).map(weight).sum();
        let row = (0..from).map(|j| j.checked_sub(start).map_or(0.0, |j| (weight(j) / sum) as f32));
        weights.extend(row);
    }
}

/// Moves each image by (right, down) pixels; what comes in repeats the edge: the random shift of DrQ (Kostrikov et al.
/// 2021), whose shifts are uniform over -4..=4.
pub fn shift(images: &Tensor, shifts: &[(i32, i32)]) -> Result<Tensor, Error> {
    let (n, height, width) = shape(images)?;
    check_one_each("shift shifts", n, shifts.len())?;
    let indices = |length: u32, pick: fn(&(i32, i32)) -> i32| -> Vec<i64> {
        let last = i64::from(length) - 1;
        let row = |by: i32| (0..=last).map(move |i| (i - i64::from(by)).clamp(0, last));
        shifts.iter().flat_map(|by| row(pick(by))).collect()
    };
    let (n, height_i, width_i) = (n as i64, i64::from(height), i64::from(width));
    let index = |values: &[i64], shape: [i64; 4]| {
        Tensor::f_from_slice(values)?
            .f_to_device(images.device())?
            .f_reshape(shape)?
            .f_expand([n, 3, height_i, width_i], false)
    };
    let columns = index(&indices(width, |by| by.0), [n, 1, 1, width_i])?;
    let rows = index(&indices(height, |by| by.1), [n, 1, height_i, 1])?;
    Ok(images.f_gather(3, &columns, false)?.f_gather(2, &rows, false)?)
}

/// Fills a box of each image with values of its own, (N, 3, 1, 1) or (N, 3, H, W), such as the normal numbers of
/// timm's random erasing after normalisation. `None` erases nothing.
pub fn erase(images: &Tensor, regions: &[Option<Region>], values: &Tensor) -> Result<Tensor, Error> {
    let (n, height, width) = shape(images)?;
    check_one_each("erase regions", n, regions.len())?;
    let full = [n as i64, 3, i64::from(height), i64::from(width)];
    let size = values.size();
    if size != full && size != [full[0], 3, 1, 1] {
        return Err(wrong("erase values", format!("(N, 3, 1, 1) or {full:?}"), format!("{size:?}")));
    }
    let inside = |length: u32, range: fn(Region) -> (u32, u32)| -> Vec<f32> {
        let flag = |region: Option<Region>, i: u32| {
            region.map(range).is_some_and(|(start, len)| i >= start && i - start < len)
        };
        let flag = &flag;
        regions
            .iter()
            .flat_map(|&region| (0..length).map(move |i| f32::from(u8::from(flag(region, i)))))
            .collect()
    };
    let columns = weights(images, &inside(width, |r| (r.x, r.width)), &[full[0], 1, 1, full[3]])?;
    let rows = weights(images, &inside(height, |r| (r.y, r.height)), &[full[0], 1, full[2], 1])?;
    let boxed = columns.f_mul(&rows)?.f_gt(0.5)?;
    Ok(values.f_where_self(&boxed, images)?)
}

//! What the Square attack tries in L2: the change's norm is taken out of one window and put into another, in the shape of two heaps of
//! which one is dark and the other bright.

use super::square::Draw;
use super::{EPS, norms};
use crate::Error;
use tch::Tensor;

/// How many of the heaps are side by side in the first change.
const TILES: i64 = 5;

/// Images with heaps on a grid all over, as far away as may be.
pub(super) fn start(draw: &mut Draw<'_>, x: &Tensor, eps: f64) -> Result<Tensor, Error> {
    let (count, channels, height, width) = x.size4()?;
    let side = (height / TILES).max(1).min(width);
    let first = (height - side * TILES).max(0) / 2;
    let change = x.f_zeros_like()?;
    for row in 0..height / side {
        for column in 0..width / side {
            let heaps = heaps(draw, side, x)?;
            let signs = draw.signs(&[count, channels, 1, 1])?;
            let (top, left) = (first + row * side, first + column * side);
            // The last ones may reach beyond the image.
            let (rows, columns) = ((height - top).min(side), (width - left).min(side));
            if rows < 1 || columns < 1 {
                continue;
            }
            let heaps = heaps.f_narrow(0, 0, rows)?.f_narrow(1, 0, columns)?;
            let _ = window(&change, (top, left), (rows, columns))?.f_add_(&heaps.f_mul(&signs)?)?;
        }
    }
    Ok(x.f_add(&full(&change, eps)?)?.f_clamp(0.0, 1.0)?)
}

/// Images `current`, near `clean`, with what one window of `side` pixels had of the change in another, beside what was there.
pub(super) fn propose(
    draw: &mut Draw<'_>,
    clean: &Tensor,
    current: &Tensor,
    side: i64,
    eps: f64,
) -> Result<Tensor, Error> {
    let (count, channels, height, width) = clean.size4()?;
    // Odd, so that a heap has a middle.
    let side = (side.max(3) | 1).min(height).min(width);
    let size = (side, side);
    let change = current.f_sub(clean)?;
    let mut place = || Ok::<_, Error>((draw.integer(height - side)?, draw.integer(width - side)?));
    let (to, from) = (place()?, place()?);
    let own = window(&change, to, size)?;
    let own = own.f_div(&of_planes(&own)?.f_add_scalar(EPS)?)?;
    let whole = norms(&change)?;
    let mask = change.f_zeros_like()?.f_narrow(0, 0, 1)?;
    for at in [to, from] {
        let _ = window(&mask, at, size)?.f_fill_(1.0)?;
    }
    let of_windows = norms(&change.f_mul(&mask)?)?;
    let heaps = heaps(draw, side, clean)?;
    let added = heaps.f_mul(&draw.signs(&[count, channels, 1, 1])?)?.f_add(&own)?;
    let room = whole.f_square()?.f_neg()?.f_add_scalar(eps * eps)?.f_clamp_min(0.0)?;
    let norm = room.f_div_scalar(channels as f64)?.f_add(&of_windows.f_square()?)?.f_sqrt()?;
    let added = added.f_div(&of_planes(&added)?.f_add_scalar(EPS)?)?.f_mul(&norm)?;
    let _ = window(&change, from, size)?.f_fill_(0.0)?;
    window(&change, to, size)?.f_copy_(&added)?;
    Ok(clean.f_add(&full(&change, eps)?)?.f_clamp(0.0, 1.0)?)
}

/// A part of every image, in place.
fn window(images: &Tensor, (top, left): (i64, i64), (rows, columns): (i64, i64)) -> Result<Tensor, Error> {
    Ok(images.f_narrow(2, top, rows)?.f_narrow(3, left, columns)?)
}

/// The change at a norm of `eps`.
fn full(change: &Tensor, eps: f64) -> Result<Tensor, Error> {
    Ok(change.f_div(&norms(change)?.f_add_scalar(EPS)?)?.f_mul_scalar(eps)?)
}

/// The Euclidean norm of each plane, (N, C, 1, 1).
fn of_planes(planes: &Tensor) -> Result<Tensor, Error> {
    Ok(planes.f_square()?.f_sum_dim_intlist([2, 3].as_slice(), true, planes.kind())?.f_sqrt()?)
}

/// (side, side) of norm 1: a heap above and its negative below, or one to the left and one to the right of the other.
fn heaps(draw: &mut Draw<'_>, side: i64, like: &Tensor) -> Result<Tensor, Error> {
    let (upper, width) = ((side / 2) as usize, side as usize);
    let mut values = heap(upper, width);
    values.extend(heap(width - upper, width).iter().map(|value| -value));
    let norm = values.iter().map(|value| value * value).sum::<f64>().sqrt();
    values.iter_mut().for_each(|value| *value /= norm);
    let heaps = Tensor::from_slice(&values).f_view([side, side])?;
    let turned = draw.uniform(&[1])?.f_double_value(&[0])? > 0.5;
    let heaps = if turned { heaps.f_transpose(0, 1)? } else { heaps };
    Ok(heaps.f_to_kind(like.kind())?.f_to_device(like.device())?)
}

/// `rows` by `columns` of norm 1: rectangles around the middle, each larger and lower than the one before, on each other.
fn heap(rows: usize, columns: usize) -> Vec<f64> {
    let mut values = vec![0.0; rows * columns];
    let middle = (rows / 2, columns / 2);
    for reach in 0..(rows / 2 + 1).max(columns / 2 + 1) {
        let height = 1.0 / ((reach + 1) * (reach + 1)) as f64;
        let span = |middle: usize, end: usize| middle.saturating_sub(reach)..(middle + reach + 1).min(end);
        for row in span(middle.0, rows) {
            for column in span(middle.1, columns) {
                values[row * columns + column] += height;
            }
        }
    }
    let norm = values.iter().map(|value| value * value).sum::<f64>().sqrt();
    values.iter_mut().for_each(|value| *value /= norm);
    values
}

//! Magnification about the centre as SciPy's `zoom` does it, and the zoom blur made of it.

use visrep_decode::RgbImage;

use crate::Error;
use crate::constants::ZoomSteps;
use crate::field::{Edge, Field, add_scaled};

/// The mean of the image and its magnifications.
pub(crate) fn zoom_blur(image: &RgbImage, steps: ZoomSteps) -> Result<RgbImage, Error> {
    let source = Field::from_rgb(image);
    let mut sum = source.clone();
    // NumPy's arange takes the difference of its first two values as the step.
    let step = (1.0 + steps.step) - 1.0;
    for i in 0..steps.count {
        let factor = 1.0 + i as f64 * step;
        if i == 0 {
            add_scaled(&mut sum.data, &source.data, 1.0);
        } else {
            add_zoomed(&mut sum, &source, factor);
        }
    }
    let weight = 1.0 / (steps.count + 1) as f32;
    for value in &mut sum.data {
        *value *= weight;
    }
    sum.to_rgb()
}

/// The centre of `field` magnified by `factor` to the size of `field`.
pub(crate) fn clipped_zoom(field: &Field, factor: f64) -> Field {
    let mut out = Field::zeros(field.width, field.height, field.channels);
    add_zoomed(&mut out, field, factor);
    out
}

/// The range of source rows (or columns) that a magnification of `len` by `factor` reads.
pub(crate) fn zoom_window(len: usize, factor: f64) -> std::ops::Range<usize> {
    let crop = ((len as f64 / factor).ceil() as usize).clamp(1, len);
    let start = (len - crop) / 2;
    start..start + crop
}

/// Where one output row or column comes from: two neighbours and their weights.
#[derive(Clone, Copy)]
struct Tap {
    low: usize,
    high: usize,
    low_weight: f32,
    high_weight: f32,
}

fn taps(len: usize, factor: f64) -> Vec<Tap> {
    let window = zoom_window(len, factor);
    let crop = window.len();
    let zoomed = (crop as f64 * factor).round_ties_even() as usize;
    let trim = zoomed.saturating_sub(len) / 2;
    // Corner-aligned: first and last samples map to each other.
    let ratio = if zoomed > 1 { (crop - 1) as f64 / (zoomed - 1) as f64 } else { 1.0 };
    (0..len)
        .map(|i| {
            let at = (i + trim) as f64 * ratio;
            let low = (at.floor() as usize).min(crop - 1);
            let fraction = (at - low as f64) as f32;
            // SciPy's constant mode: what rounding puts beyond the last sample reads zero.
            let inside = if at > (crop - 1) as f64 { 0.0 } else { 1.0 };
            Tap {
                low: window.start + low,
                high: window.start + (low + 1).min(crop - 1),
                low_weight: (1.0 - fraction) * inside,
                high_weight: fraction * inside,
            }
        })
        .collect()
}

fn add_zoomed(out: &mut Field, field: &Field, factor: f64) {
    let columns = taps(field.width, factor);
    let mut line = vec![0.0_f32; field.width * field.channels];
    for (y, tap) in taps(field.height, factor).into_iter().enumerate() {
        let (low, high) = (field.row(tap.low), field.row(tap.high));
        for ((l, a), b) in line.iter_mut().zip(low).zip(high) {
            *l = a * tap.low_weight + b * tap.high_weight;
        }
        let row = out.row_mut(y);
        match field.channels {
            3 => gather::<3>(row, &line, &columns),
            _ => gather::<1>(row, &line, &columns),
        }
    }
}

fn gather<const C: usize>(row: &mut [f32], line: &[f32], columns: &[Tap]) {
    let line = line.as_chunks::<C>().0;
    for (pixel, tap) in row.as_chunks_mut::<C>().0.iter_mut().zip(columns) {
        let (low, high) = (line[tap.low], line[tap.high]);
        for c in 0..C {
            pixel[c] += low[c] * tap.low_weight + high[c] * tap.high_weight;
        }
    }
}

/// The value at (`x`, `y`), interpolated between its four neighbours.
#[inline(always)]
pub(crate) fn bilinear(field: &Field, x: f32, y: f32, edge: Edge) -> [f32; 3] {
    let (left, top) = (x.floor(), y.floor());
    let (fx, fy) = (x - left, y - top);
    let (left, top) = (left as isize, top as isize);
    let pixels = field.data.as_chunks::<3>().0;
    let inside = |at: isize, len: usize| at >= 0 && at + 1 < len as isize;
    let [a, b, c, d] = if inside(left, field.width) && inside(top, field.height) {
        let upper = &pixels[top as usize * field.width + left as usize..][..field.width + 2];
        [upper[0], upper[1], upper[field.width], upper[field.width + 1]]
    } else {
        let columns = [edge.index(left, field.width), edge.index(left + 1, field.width)];
        let rows = [edge.index(top, field.height), edge.index(top + 1, field.height)];
        let at = |row: usize, column: usize| pixels[rows[row] * field.width + columns[column]];
        [at(0, 0), at(0, 1), at(1, 0), at(1, 1)]
    };
    std::array::from_fn(|i| {
        let (upper, lower) = (a[i] + (b[i] - a[i]) * fx, c[i] + (d[i] - c[i]) * fx);
        upper + (lower - upper) * fy
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zoom_of_one_is_the_identity_and_any_size_works() {
        for (w, h) in [(1, 1), (2, 3), (7, 5), (1, 9)] {
            let field =
                Field { width: w, height: h, channels: 1, data: (0..w * h).map(|v| v as f32).collect() };
            assert_eq!(clipped_zoom(&field, 1.0).data, field.data);
            for factor in [1.01, 1.31, 4.5] {
                let out = clipped_zoom(&field, factor);
                assert!(out.data.iter().all(|v| v.is_finite() && *v <= (w * h) as f32));
            }
        }
    }
}

//! Images as `f32`, what lies beyond their edges, and the separable Gaussian.

use visrep_decode::RgbImage;

use crate::Error;
use crate::simd::{truncate, vectorised};

/// An image of `f32`, rows top to bottom, channels interleaved. RGB is kept in 0..=255.
#[derive(Clone)]
pub(crate) struct Field {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) channels: usize,
    pub(crate) data: Vec<f32>,
}

/// What a filter reads outside the image, by the names that SciPy and OpenCV give them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edge {
    /// `a a | a b c | c c`: SciPy's nearest, OpenCV's replicate, ImageMagick's edge.
    Nearest,
    /// `b a | a b c | c b`: SciPy's reflect.
    Reflect,
    /// `c b | a b c | b a`: OpenCV's reflect-101, SciPy's mirror.
    Reflect101,
}

impl Edge {
    /// The index within `0..len` that stands for `index`.
    pub(crate) fn index(self, index: isize, len: usize) -> usize {
        let n = len as isize;
        if (0..n).contains(&index) {
            return index as usize;
        }
        let inside = match self {
            Edge::Nearest => index.clamp(0, n - 1),
            Edge::Reflect => {
                let i = index.rem_euclid(2 * n);
                if i < n { i } else { 2 * n - 1 - i }
            }
            Edge::Reflect101 if n == 1 => 0,
            Edge::Reflect101 => {
                let i = index.rem_euclid(2 * n - 2);
                if i < n { i } else { 2 * n - 2 - i }
            }
        };
        inside as usize
    }
}

impl Field {
    pub(crate) fn zeros(width: usize, height: usize, channels: usize) -> Self {
        Self { width, height, channels, data: vec![0.0; width * height * channels] }
    }

    pub(crate) fn from_rgb(image: &RgbImage) -> Self {
        let mut data = vec![0.0; image.data().len()];
        vectorised(
            #[inline(always)]
            || {
                for (value, &byte) in data.iter_mut().zip(image.data()) {
                    *value = f32::from(byte);
                }
            },
        );
        Self { width: image.width() as usize, height: image.height() as usize, channels: 3, data }
    }

    /// 8-bit RGB, clipped and truncated as `np.uint8` does.
    pub(crate) fn to_rgb(&self) -> Result<RgbImage, Error> {
        let mut data = vec![0; self.data.len()];
        vectorised(
            #[inline(always)]
            || {
                for (byte, &value) in data.iter_mut().zip(&self.data) {
                    *byte = truncate(value);
                }
            },
        );
        Ok(RgbImage::new(self.width as u32, self.height as u32, data)?)
    }

    /// Maps every value. `f` must be inlined to be fast.
    #[inline(always)]
    pub(crate) fn map(&mut self, f: impl Fn(f32) -> f32) {
        vectorised(
            #[inline(always)]
            || {
                for value in &mut self.data {
                    *value = f(*value);
                }
            },
        );
    }

    pub(crate) fn row(&self, y: usize) -> &[f32] {
        let stride = self.width * self.channels;
        &self.data[y * stride..][..stride]
    }

    pub(crate) fn row_mut(&mut self, y: usize) -> &mut [f32] {
        let stride = self.width * self.channels;
        &mut self.data[y * stride..][..stride]
    }

    /// A copy with `margin` more pixels on every side.
    pub(crate) fn padded(&self, margin: usize, edge: Edge) -> Field {
        let mut out = Field::zeros(self.width + 2 * margin, self.height + 2 * margin, self.channels);
        for y in 0..out.height {
            let source = edge.index(y as isize - margin as isize, self.height);
            pad_row(self.row(source), self.channels, margin, edge, out.row_mut(y));
        }
        out
    }
}

/// Copies `row` into the middle of `out`, with `margin` pixels added at either end.
fn pad_row(row: &[f32], channels: usize, margin: usize, edge: Edge, out: &mut [f32]) {
    out[margin * channels..][..row.len()].copy_from_slice(row);
    pad_row_ends(channels, margin, edge, out);
}

/// Fills the `margin` pixels at either end of `out` from what lies between them.
fn pad_row_ends(channels: usize, margin: usize, edge: Edge, out: &mut [f32]) {
    let width = out.len() / channels - 2 * margin;
    for i in 0..margin {
        for (target, index) in [(i, i as isize - margin as isize), (margin + width + i, (width + i) as isize)]
        {
            let source = margin + edge.index(index, width);
            out.copy_within(source * channels..(source + 1) * channels, target * channels);
        }
    }
}

/// A copy of a map of `width` x `height` values with one more on every side.
pub(crate) fn bordered<T: Copy + Default>(values: &[T], width: usize, height: usize, edge: Edge) -> Vec<T> {
    let stride = width + 2;
    let mut out = vec![T::default(); stride * (height + 2)];
    for (y, row) in out.chunks_exact_mut(stride).enumerate() {
        let source = &values[edge.index(y as isize - 1, height) * width..][..width];
        row[1..=width].copy_from_slice(source);
        row[0] = source[edge.index(-1, width)];
        row[width + 1] = source[edge.index(width as isize, width)];
    }
    out
}

/// The left, middle and right neighbours of each pixel of a row with one more at either end.
#[inline(always)]
pub(crate) fn neighbours<T>(row: &[T]) -> [&[T]; 3] {
    let width = row.len() - 2;
    [0, 1, 2].map(|i| &row[i..][..width])
}

/// The right half of a normalised Gaussian, centre first, `radius = trunc(truncate * sigma + 0.5)` as in
/// SciPy. A sigma of zero gives the identity.
pub(crate) fn gaussian_weights(sigma: f64, truncate: f64) -> Vec<f32> {
    let radius = (truncate * sigma + 0.5) as usize;
    let weights: Vec<f64> =
        (0..=radius).map(|i| if i == 0 { 1.0 } else { (-0.5 * (i as f64 / sigma).powi(2)).exp() }).collect();
    let total = weights[0] + 2.0 * weights[1..].iter().sum::<f64>();
    weights.iter().map(|w| (w / total) as f32).collect()
}

/// `scipy.ndimage.gaussian_filter` over the two spatial axes.
pub(crate) fn gaussian(field: &Field, sigma: f64, truncate: f64, edge: Edge) -> Field {
    let weights = gaussian_weights(sigma, truncate);
    let radius = weights.len() - 1;
    if radius == 0 {
        return field.clone();
    }
    if radius > field.width.max(field.height) && field.channels == 1 {
        return wide_gaussian(field, &weights, edge);
    }
    let mut out = Field::zeros(field.width, field.height, field.channels);
    vectorised(
        #[inline(always)]
        || direct_gaussian(&mut out, field, &weights, edge),
    );
    out
}

#[inline(always)]
fn direct_gaussian(out: &mut Field, field: &Field, weights: &[f32], edge: Edge) {
    let (radius, channels) = (weights.len() - 1, field.channels);
    let mut line = vec![0.0; (field.width + 2 * radius) * channels];
    let middle = radius * channels..(radius + field.width) * channels;
    let len = middle.len();
    let mut rows = Vec::with_capacity(weights.len());
    for y in 0..field.height {
        rows.clear();
        rows.extend((0..weights.len() as isize).map(|k| {
            let at = |offset: isize| field.row(edge.index(y as isize + offset, field.height));
            (at(-k), at(k))
        }));
        let sums = &mut line[middle.clone()];
        sums.fill(0.0);
        add_pairs(
            sums,
            weights,
            #[inline(always)]
            |k| rows[k],
        );
        pad_row_ends(channels, radius, edge, &mut line);
        add_pairs(
            out.row_mut(y),
            weights,
            #[inline(always)]
            |k| (&line[(radius - k) * channels..][..len], &line[(radius + k) * channels..][..len]),
        );
    }
}

/// A Gaussian much wider than the image: each axis becomes one small dense matrix.
fn wide_gaussian(field: &Field, weights: &[f32], edge: Edge) -> Field {
    // columns[j] holds what input j adds to each output.
    let matrix = |len: usize| {
        let mut columns = vec![0.0_f32; len * len];
        let radius = weights.len() as isize - 1;
        for output in 0..len {
            for offset in -radius..=radius {
                let input = edge.index(output as isize + offset, len);
                columns[input * len + output] += weights[offset.unsigned_abs()];
            }
        }
        columns
    };
    let (width, height) = (field.width, field.height);
    let (across, down) = (matrix(width), matrix(height));
    let mut half = Field::zeros(width, height, 1);
    let mut out = Field::zeros(width, height, 1);
    vectorised(
        #[inline(always)]
        || {
            for y in 0..height {
                for_blocks(
                    half.row_mut(y),
                    #[inline(always)]
                    |sums, start| {
                        for (row, weights) in field.data.chunks_exact(width).zip(down.chunks_exact(height)) {
                            add_scaled(sums, &row[start..][..sums.len()], weights[y]);
                        }
                    },
                );
            }
            for y in 0..height {
                for_blocks(
                    out.row_mut(y),
                    #[inline(always)]
                    |sums, start| {
                        for (column, &value) in across.chunks_exact(width).zip(half.row(y)) {
                            add_scaled(sums, &column[start..][..sums.len()], value);
                        }
                    },
                );
            }
        },
    );
    out
}

/// Calls `add(sums, start)` for each run of `out`: `sums` begins at `start`, and is nearly always of the same length,
/// known when compiling.
#[inline(always)]
pub(crate) fn for_blocks(out: &mut [f32], mut add: impl FnMut(&mut [f32], usize)) {
    // As many sums as stay in registers while the terms go by.
    const MANY: usize = 96;
    const FEW: usize = 32;
    let mut at = 0;
    let (blocks, rest) = out.as_chunks_mut::<MANY>();
    for block in blocks {
        let mut sums = *block;
        add(&mut sums, at);
        *block = sums;
        at += MANY;
    }
    let (blocks, rest) = rest.as_chunks_mut::<FEW>();
    for block in blocks {
        let mut sums = *block;
        add(&mut sums, at);
        *block = sums;
        at += FEW;
    }
    add(rest, at);
}

/// `out += row * weight`
#[inline(always)]
pub(crate) fn add_scaled(out: &mut [f32], row: &[f32], weight: f32) {
    for (o, v) in out.iter_mut().zip(row) {
        *o += v * weight;
    }
}

/// `out += centre * weights[0]`, then `out += (a + b) * weights[k]` for `k = 1..`, where `pair(k)` is (a, b) and
/// `pair(0)` has the centre twice.
#[inline(always)]
pub(crate) fn add_pairs<'a>(
    out: &mut [f32],
    weights: &[f32],
    pair: impl Fn(usize) -> (&'a [f32], &'a [f32]),
) {
    for_blocks(
        out,
        #[inline(always)]
        |sums, start| {
            add_scaled(sums, &pair(0).0[start..][..sums.len()], weights[0]);
            for (k, &weight) in weights.iter().enumerate().skip(1) {
                let (a, b) = pair(k);
                let (a, b) = (&a[start..][..sums.len()], &b[start..][..sums.len()]);
                for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
                    *sum += (a + b) * weight;
                }
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_follow_their_definitions_however_far_out() {
        let read = |edge: Edge| (-5..9).map(|i| edge.index(i, 3)).collect::<Vec<_>>();
        assert_eq!(read(Edge::Nearest), [0, 0, 0, 0, 0, 0, 1, 2, 2, 2, 2, 2, 2, 2]);
        assert_eq!(read(Edge::Reflect), [1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1, 2]);
        assert_eq!(read(Edge::Reflect101), [1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1, 0]);
        for edge in [Edge::Nearest, Edge::Reflect, Edge::Reflect101] {
            assert_eq!(edge.index(-7, 1), 0);
        }
    }

    #[test]
    fn the_dense_and_the_direct_gaussian_agree() {
        let mut field = Field::zeros(9, 7, 1);
        for (i, v) in field.data.iter_mut().enumerate() {
            *v = (i * 37 % 23) as f32;
        }
        let direct = gaussian(&field, 2.0, 4.0, Edge::Reflect);
        let dense = wide_gaussian(&field, &gaussian_weights(2.0, 4.0), Edge::Reflect);
        for (a, b) in direct.data.iter().zip(&dense.data) {
            assert!((a - b).abs() < 1e-4);
        }
    }

    #[test]
    fn a_sigma_of_zero_changes_nothing() {
        let field = Field { width: 2, height: 1, channels: 1, data: vec![1.0, 5.0] };
        assert_eq!(gaussian(&field, 0.0, 4.0, Edge::Nearest).data, field.data);
    }
}

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

    /// Maps every value. To be fast, `f` must be marked `#[inline(always)]` and hold what it uses by value.
    #[inline(always)]
    pub(crate) fn map(&mut self, f: impl Fn(f32) -> f32 + Copy) {
        vectorised(
            #[inline(always)]
            || {
                let local = f;
                for value in &mut self.data {
                    *value = local(*value);
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
    let (width, height) = (field.width, field.height);
    let stride = width.next_multiple_of(COLUMNS);
    let mut source = vec![0.0; stride * height];
    for (row, values) in source.chunks_exact_mut(stride).zip(field.data.chunks_exact(width)) {
        row[..width].copy_from_slice(values);
    }
    let rows = dense_gaussian(width, weights, edge);
    let mut across = vec![0.0; stride * width];
    for (input, outputs) in across.chunks_exact_mut(stride).enumerate() {
        for (value, row) in outputs.iter_mut().zip(rows.chunks_exact(width)) {
            *value = row[input];
        }
    }
    let down = if height == width { rows } else { dense_gaussian(height, weights, edge) };
    let (mut half, mut whole) = (vec![0.0; stride * height], vec![0.0; stride * height]);
    vectorised(
        #[inline(always)]
        || {
            multiply((&down, height), &source, &mut half, stride);
            multiply((&half, stride), &across, &mut whole, stride);
        },
    );
    let mut out = Field::zeros(width, height, 1);
    for (row, values) in out.data.chunks_exact_mut(width).zip(whole.chunks_exact(stride)) {
        row.copy_from_slice(&values[..width]);
    }
    out
}

/// What each of `len` outputs takes of each input, the inputs of an output side by side.
fn dense_gaussian(len: usize, weights: &[f32], edge: Edge) -> Vec<f32> {
    let radius = weights.len() - 1;
    let inputs: Vec<usize> =
        (0..len + 2 * radius).map(|i| edge.index(i as isize - radius as isize, len)).collect();
    let mut rows = vec![0.0; len * len];
    for (output, row) in rows.chunks_exact_mut(len).enumerate() {
        for (i, &input) in inputs[output..][..=2 * radius].iter().enumerate() {
            row[input] += weights[i.abs_diff(radius)];
        }
    }
    rows
}

/// Columns that [`multiply`] sums up side by side.
const COLUMNS: usize = 32;

/// The matrix product of `left` (with the length of its rows) and `right`, of which a row has `stride` values, a multiple
/// of [`COLUMNS`]. As many values of a row of `left` count as `right` has rows.
#[inline(always)]
fn multiply((left, left_stride): (&[f32], usize), right: &[f32], out: &mut [f32], stride: usize) {
    const ROWS: usize = 4;
    for (group, rows) in out.chunks_mut(ROWS * stride).enumerate() {
        let count = rows.len() / stride;
        // What a last, short group lacks is the last row again.
        let [a, b, c, d] =
            [0, 1, 2, 3].map(|i| &left[(group * ROWS + i.min(count - 1)) * left_stride..][..left_stride]);
        for start in (0..stride).step_by(COLUMNS) {
            // Written out, so that the sums stay in registers.
            let [mut p, mut q, mut r, mut s] = [[0.0; COLUMNS]; ROWS];
            let factors = a.iter().zip(b).zip(c).zip(d);
            for (values, (((a, b), c), d)) in right.chunks_exact(stride).zip(factors) {
                let values = &values[start..][..COLUMNS];
                add_scaled(&mut p, values, *a);
                add_scaled(&mut q, values, *b);
                add_scaled(&mut r, values, *c);
                add_scaled(&mut s, values, *d);
            }
            for (row, sums) in rows.chunks_exact_mut(stride).zip([p, q, r, s]) {
                row[start..][..COLUMNS].copy_from_slice(&sums);
            }
        }
    }
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

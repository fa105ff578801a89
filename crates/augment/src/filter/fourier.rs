//! The two-dimensional Fourier transform.

use rustfft::{Fft, FftNum, FftPlannerScalar};
use std::sync::Arc;

pub(crate) use rustfft::num_complex::Complex;

/// Transforms of `height` x `width` values, row by row.
///
/// Planned without vector instructions, so that every machine gets the same numbers.
pub(crate) struct Fourier<T: FftNum> {
    width: usize,
    height: usize,
    rows: [Arc<dyn Fft<T>>; 2],
    columns: [Arc<dyn Fft<T>>; 2],
}

impl<T: FftNum> Fourier<T> {
    pub(crate) fn new(width: usize, height: usize) -> Self {
        let mut planner = FftPlannerScalar::new();
        let mut plans = |length| [planner.plan_fft_forward(length), planner.plan_fft_inverse(length)];
        Self { width, height, rows: plans(width), columns: plans(height) }
    }

    /// Values to frequencies, column after column: `[x][y]`.
    pub(crate) fn forward(&self, mut values: Vec<Complex<T>>) -> Vec<Complex<T>> {
        self.rows[0].process(&mut values);
        let mut columns = transposed(&values, self.width, self.height);
        self.columns[0].process(&mut columns);
        columns
    }

    /// Back, without the division by the number of values.
    pub(crate) fn inverse(&self, mut frequencies: Vec<Complex<T>>) -> Vec<Complex<T>> {
        self.columns[1].process(&mut frequencies);
        let mut values = transposed(&frequencies, self.height, self.width);
        self.rows[1].process(&mut values);
        values
    }
}

/// Rows of `width` values as columns.
fn transposed<T: Copy>(values: &[T], width: usize, height: usize) -> Vec<T> {
    (0..width).flat_map(|x| (0..height).map(move |y| values[y * width + x])).collect()
}

/// The frequency of each term of a transform of `length` values, in cycles per value, -0.5 to 0.5: `numpy.fft.fftfreq`.
pub(crate) fn frequencies(length: usize) -> impl Iterator<Item = f64> + Clone {
    (0..length).map(move |k| {
        let k = if k < length.div_ceil(2) { k as f64 } else { k as f64 - length as f64 };
        k / length as f64
    })
}

//! What SciPy's cubic splines do: turning for a circular motion blur, and magnifying for chromatic aberration.

use visrep_decode::RgbImage;

use super::Draws;
use crate::Error;

/// One channel.
struct Channel {
    width: usize,
    height: usize,
    data: Vec<f64>,
}

impl Channel {
    fn of(image: &RgbImage, channel: usize) -> Self {
        let data = image.data().iter().skip(channel).step_by(3).map(|&v| f64::from(v)).collect();
        Self { width: image.width() as usize, height: image.height() as usize, data }
    }

    /// Replaces samples by the coefficients of the cubic spline through them (mirrored at the edges).
    fn into_coefficients(mut self) -> Self {
        for row in self.data.chunks_mut(self.width.max(1)) {
            prefilter(row);
        }
        let mut column = vec![0.0; self.height];
        for x in 0..self.width {
            for (value, row) in column.iter_mut().zip(self.data.chunks(self.width)) {
                *value = row[x];
            }
            prefilter(&mut column);
            for (value, row) in column.iter().zip(self.data.chunks_mut(self.width)) {
                row[x] = *value;
            }
        }
        self
    }

    /// The spline at a point; zero outside the samples' centres.
    fn at(&self, row: f64, column: f64) -> f64 {
        let (Some(rows), Some(columns)) = (taps(row, self.height), taps(column, self.width)) else {
            return 0.0;
        };
        rows.iter()
            .map(|&(y, wy)| {
                wy * columns.iter().map(|&(x, wx)| wx * self.data[y * self.width + x]).sum::<f64>()
            })
            .sum()
    }
}

/// The four samples around `at` and their weights, mirrored about the edge samples; none outside `0..=len - 1`.
fn taps(at: f64, len: usize) -> Option<[(usize, f64); 4]> {
    let last = len.checked_sub(1)? as f64;
    if !(0.0..=last).contains(&at) {
        return None;
    }
    let low = at.floor();
    let t = at - low;
    let u = 1.0 - t;
    let near = |a: f64| (a * a * (a - 2.0) * 3.0 + 4.0) / 6.0;
    let weights = [u * u * u / 6.0, near(t), near(u), t * t * t / 6.0];
    let period = 2 * len as i64 - 2;
    Some(std::array::from_fn(|k| {
        let index = low as i64 - 1 + k as i64;
        let index = if period == 0 { 0 } else { index.rem_euclid(period) };
        let inside = if index < len as i64 { index } else { period - index };
        (inside as usize, weights[k])
    }))
}

/// The recursive filter that gives a cubic spline's coefficients (Unser 1999), with mirror symmetry about the edges.
fn prefilter(line: &mut [f64]) {
    let n = line.len();
    if n < 2 {
        return;
    }
    let pole = 3.0_f64.sqrt() - 2.0;
    for value in line.iter_mut() {
        *value *= 6.0;
    }
    // The exact start of the mirrored, infinite sum.
    let mut power = pole;
    let end = pole.powi(n as i32 - 1);
    let mut start = line[0] + end * line[n - 1];
    let mut back = end * end / pole;
    for &value in &line[1..n - 1] {
        start += (power + back) * value;
        power *= pole;
        back /= pole;
    }
    line[0] = start / (1.0 - end * end);
    for i in 1..n {
        line[i] += pole * line[i - 1];
    }
    line[n - 1] = (pole * line[n - 2] + line[n - 1]) * pole / (pole * pole - 1.0);
    for i in (0..n - 1).rev() {
        line[i] = pole * (line[i + 1] - line[i]);
    }
}

/// Rotations that are averaged.
const TURNS: i32 = 21;

/// The weighted mean of the image turned by up to `reach` degrees either way about its centre.
pub(crate) fn circular_motion_blur(image: &RgbImage, reach: f64) -> Result<RgbImage, Error> {
    let channels: [Channel; 3] = std::array::from_fn(|c| Channel::of(image, c).into_coefficients());
    let (width, height) = (image.width() as usize, image.height() as usize);
    let (middle_x, middle_y) = ((width as f64 - 1.0) / 2.0, (height as f64 - 1.0) / 2.0);
    let mut sums = vec![[0.0_f64; 3]; width * height];
    let mut total = 0.0;
    for turn in 0..TURNS {
        let place = 2.0 * f64::from(turn) / f64::from(TURNS - 1) - 1.0;
        let weight = (-2.0 * place * place).exp();
        total += weight;
        let (sin, cos) = (place * reach).to_radians().sin_cos();
        let offset_y = middle_y - (cos * middle_y + sin * middle_x);
        let offset_x = middle_x - (cos * middle_x - sin * middle_y);
        for (i, sum) in sums.iter_mut().enumerate() {
            let (x, y) = ((i % width) as f64, (i / width) as f64);
            let (row, column) = (cos * y + sin * x + offset_y, cos * x - sin * y + offset_x);
            for (value, channel) in sum.iter_mut().zip(&channels) {
                *value += weight * channel.at(row, column);
            }
        }
    }
    let data = sums.iter().flatten().map(|&sum| super::truncated(sum / total)).collect();
    Ok(RgbImage::new(image.width(), image.height(), data)?)
}

/// Magnifies the channels by 1, 1 + `more` / 2 and 1 + `more`, in a random order.
///
/// As published, the samples are taken for the spline's coefficients, which blurs every channel a little.
pub(crate) fn transverse_chromatic_abberation(
    image: &RgbImage,
    more: f64,
    draws: &mut impl Draws,
) -> Result<RgbImage, Error> {
    let mut factors = [1.0, 1.0 + more / 2.0, 1.0 + more];
    for i in (1..3).rev() {
        factors.swap(i, draws.below(i + 1));
    }
    let mut out = image.clone();
    let (width, height) = (image.width() as usize, image.height() as usize);
    for (c, factor) in factors.into_iter().enumerate() {
        let channel = Channel::of(image, c);
        let (down, across) = (magnified(height, factor), magnified(width, factor));
        for (i, value) in out.data_mut().iter_mut().skip(c).step_by(3).enumerate() {
            let (row, column) = (down(i / width), across(i % width));
            *value = (channel.at(row, column) + 0.5) as u8;
        }
    }
    Ok(out)
}

/// From an index in the middle of `len` samples magnified by `factor` to where it is in the samples.
fn magnified(len: usize, factor: f64) -> impl Fn(usize) -> f64 {
    let zoomed = (len as f64 * factor).round_ties_even() as usize;
    let edge = zoomed.saturating_sub(len) / 2;
    let ratio = if zoomed > 1 { (len as f64 - 1.0) / (zoomed as f64 - 1.0) } else { 0.0 };
    move |index| (index + edge) as f64 * ratio
}

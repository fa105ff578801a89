//! How much each source pixel of an axis contributes to each output pixel.

use super::Filter;
use std::f64::consts::PI;

/// Fraction bits of a weight. Eight more are the value's and two are left for sums outside 0..=255.
pub(super) const BITS: u32 = 32 - 8 - 2;

/// The weights of one axis, in Pillow's fixed point (`src/libImaging/Resample.c`).
pub(super) struct Weights {
    /// For each output pixel: its first source pixel, and where its weights lie in `values`.
    windows: Vec<(usize, usize, usize)>,
    values: Vec<i32>,
}

impl Weights {
    /// For `count` output pixels that span `from..to` of `len` source pixels.
    pub(super) fn new(len: u32, span: (f32, f32), count: u32, filter: Filter) -> Self {
        let (mut windows, mut values) = (Vec::with_capacity(count as usize), Vec::new());
        each_window(len, span, count, filter, |first, window| {
            let start = values.len();
            values.extend(window.iter().copied().map(fixed));
            windows.push((first, start, values.len()));
        });
        Self { windows, values }
    }

    /// The source pixels that are used, from the first to behind the last.
    pub(super) fn source(&self) -> (usize, usize) {
        let end = |&(first, start, end): &(usize, usize, usize)| first + end - start;
        (self.windows.first().map_or(0, |window| window.0), self.windows.last().map_or(0, end))
    }

    /// How many output pixels there are.
    pub(super) fn count(&self) -> usize {
        self.windows.len()
    }

    /// For each output pixel its first source pixel and the weights from there on.
    #[inline(always)]
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &[i32])> {
        self.windows.iter().map(|&(first, start, end)| (first, &self.values[start..end]))
    }
}

/// Calls `each` with the first source pixel of each of `count` output pixels that span `from..to` of `len` source pixels, and with
/// the weights from there on, which add up to 1.
pub(super) fn each_window(
    len: u32,
    (from, to): (f32, f32),
    count: u32,
    filter: Filter,
    mut each: impl FnMut(usize, &[f64]),
) {
    let scale = f64::from(to - from) / f64::from(count);
    let stretch = scale.max(1.0);
    let support = filter.support() * stretch;
    let mut window = Vec::new();
    for i in 0..count {
        let centre = f64::from(from) + (f64::from(i) + 0.5) * scale;
        let first = ((centre - support + 0.5) as u32).min(len - 1);
        let end = ((centre + support + 0.5) as u32).min(len).max(first + 1);
        window.clear();
        window.extend((first..end).map(|x| filter.at((f64::from(x) - centre + 0.5) * (1.0 / stretch))));
        let sum: f64 = window.iter().sum();
        if sum != 0.0 {
            window.iter_mut().for_each(|weight| *weight /= sum);
        }
        each(first as usize, &window);
    }
}

/// Rounded away from zero at a half.
fn fixed(weight: f64) -> i32 {
    let scaled = weight * f64::from(1 << BITS);
    (if weight < 0.0 { scaled - 0.5 } else { scaled + 0.5 }) as i32
}

impl Filter {
    /// Where the kernel ends, in source pixels when enlarging.
    fn support(self) -> f64 {
        match self {
            Filter::Nearest | Filter::Box => 0.5,
            Filter::Bilinear | Filter::Hamming => 1.0,
            Filter::Bicubic => 2.0,
            Filter::Lanczos => 3.0,
        }
    }

    /// The kernel.
    fn at(self, x: f64) -> f64 {
        let distance = x.abs();
        match self {
            Filter::Nearest | Filter::Box => f64::from(u8::from(x > -0.5 && x <= 0.5)),
            Filter::Bilinear => (1.0 - distance).max(0.0),
            Filter::Hamming if distance >= 1.0 => 0.0,
            // The window's constants are of single precision in Pillow.
            Filter::Hamming => {
                sinc(distance) * (f64::from(0.54_f32) + f64::from(0.46_f32) * (distance * PI).cos())
            }
            Filter::Bicubic if distance < 1.0 => (1.5 * distance - 2.5) * distance * distance + 1.0,
            Filter::Bicubic if distance < 2.0 => {
                (((distance - 5.0) * distance + 8.0) * distance - 4.0) * -0.5
            }
            Filter::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            Filter::Bicubic | Filter::Lanczos => 0.0,
        }
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (x * PI).sin() / (x * PI) }
}

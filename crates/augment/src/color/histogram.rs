//! Operations that depend on the histogram of each channel: equalize and autocontrast.

use crate::simd::{LANES, for_planes_mut, vectorised};
use visrep_decode::RgbImage;

/// How often each value occurs.
type Histogram = [u32; 256];

/// What each value becomes.
type Table = [u8; 256];

/// Spreads the values of each channel so that each occurs about as often. As `ImageOps.equalize`.
pub fn equalize(image: &mut RgbImage) {
    let tables = histograms(image.data()).map(|histogram| equalizing(&histogram));
    look_up(image.data_mut(), &tables);
}

/// Stretches the values of each channel to 0..=255, leaving `cutoff` percent of the pixels at both ends out of account
/// (held within 0..=100). As `ImageOps.autocontrast`.
pub fn autocontrast(image: &mut RgbImage, cutoff: f64) {
    let ends = if cutoff > 0.0 {
        let pixels = (image.data().len() / 3) as f64;
        let cut = (pixels * cutoff.min(100.0) / 100.0).floor() as u32;
        histograms(image.data()).map(|histogram| ends_without(histogram, cut))
    } else {
        extremes(image.data())
    };
    if ends.iter().any(|(low, high)| low < high && (*low, *high) != (0, 255)) {
        let tables = ends.map(|(low, high)| stretching(low, high));
        let line = |channel: usize| Line::through(ends[channel], &tables[channel]);
        match (line(0), line(1), line(2)) {
            (Some(r), Some(g), Some(b)) => follow(image.data_mut(), [r, g, b]),
            _ => look_up(image.data_mut(), &tables),
        }
    }
}

/// A table as the whole parts of a line, which vectorises where looking up does not.
#[derive(Clone, Copy)]
struct Line {
    slope: f32,
    start: f32,
}

impl Line {
    /// The line of the table that [`stretching`] makes, if single precision can tell all of its values: where the table
    /// steps at a whole number, rounding has put the step on either side.
    fn through((low, high): (u8, u8), table: &Table) -> Option<Self> {
        let (slope, low) = if low < high { (255.0 / f64::from(high - low), low) } else { (1.0, 0) };
        [1e-3, -1e-3].into_iter().find_map(|shift| {
            let line = Self { slope: slope as f32, start: (shift - f64::from(low) * slope) as f32 };
            (0..=255).all(|value| line.at(value) == table[usize::from(value)]).then_some(line)
        })
    }

    #[inline(always)]
    fn at(self, value: u8) -> u8 {
        let level = (f32::from(value) * self.slope + self.start).clamp(0.0, 255.0).floor();
        // Added to 2^23, a whole number is in the lowest bits.
        (level + (1 << 23) as f32).to_bits() as u8
    }
}

/// The histogram of each channel.
///
/// Four tables each, taken in turn: equal values in a row would wait for each other.
fn histograms(data: &[u8]) -> [Histogram; 3] {
    let mut turns = [[[0u32; 256]; 3]; 4];
    let (runs, rest) = data.as_chunks::<12>();
    for run in runs {
        for (turn, tables) in turns.iter_mut().enumerate() {
            for (channel, table) in tables.iter_mut().enumerate() {
                table[usize::from(run[turn * 3 + channel])] += 1;
            }
        }
    }
    let [mut sums, others @ ..] = turns;
    for (i, &value) in rest.iter().enumerate() {
        sums[i % 3][usize::from(value)] += 1;
    }
    for tables in others {
        for (sum, table) in sums.iter_mut().zip(tables) {
            sum.iter_mut().zip(table).for_each(|(sum, count)| *sum += count);
        }
    }
    sums
}

fn equalizing(histogram: &Histogram) -> Table {
    let total: u32 = histogram.iter().sum();
    let highest = histogram.iter().rev().find(|&&count| count > 0).copied().unwrap_or(0);
    let step = (total - highest) / 255;
    if step == 0 {
        return identity();
    }
    let mut count = step / 2;
    histogram.map(|here| {
        let value = (count / step).min(255) as u8;
        count += here;
        value
    })
}

/// The lowest and the highest value when `cut` pixels are taken away from either end.
fn ends_without(mut histogram: Histogram, cut: u32) -> (u8, u8) {
    take(histogram.iter_mut(), cut);
    take(histogram.iter_mut().rev(), cut);
    let low = histogram.iter().position(|&count| count > 0);
    let high = histogram.iter().rposition(|&count| count > 0);
    // Nothing left is nothing to stretch.
    (low.unwrap_or(255) as u8, high.unwrap_or(0) as u8)
}

fn take<'a>(counts: impl Iterator<Item = &'a mut u32>, mut cut: u32) {
    for count in counts {
        let taken = cut.min(*count);
        *count -= taken;
        cut -= taken;
        if cut == 0 {
            return;
        }
    }
}

/// How many bytes [`extremes`] looks at in one step: whole pixels, and whole vectors.
const STEP: usize = 192;

/// The lowest and the highest value of each channel.
fn extremes(data: &[u8]) -> [(u8, u8); 3] {
    let mut ends = [(255, 0); 3];
    let mut widen = |i: usize, low: u8, high: u8| {
        let end: &mut (u8, u8) = &mut ends[i % 3];
        *end = (end.0.min(low), end.1.max(high));
    };
    let (steps, rest) = data.as_chunks::<STEP>();
    let (mut lows, mut highs) = ([255; STEP], [0; STEP]);
    vectorised(
        #[inline(always)]
        || {
            for step in steps {
                for i in 0..STEP {
                    lows[i] = step[i].min(lows[i]);
                    highs[i] = step[i].max(highs[i]);
                }
            }
        },
    );
    lows.iter().zip(highs).enumerate().for_each(|(i, (&low, high))| widen(i, low, high));
    rest.iter().enumerate().for_each(|(i, &value)| widen(i, value, value));
    ends
}

fn stretching(low: u8, high: u8) -> Table {
    if high <= low {
        return identity();
    }
    let scale = 255.0 / f64::from(high - low);
    let offset = -f64::from(low) * scale;
    // The cast truncates and holds within 0..=255.
    identity().map(|value| (f64::from(value) * scale + offset) as u8)
}

fn identity() -> Table {
    std::array::from_fn(|value| value as u8)
}

fn follow(data: &mut [u8], [red, green, blue]: [Line; 3]) {
    vectorised(
        #[inline(always)]
        || {
            for_planes_mut(
                data,
                #[inline(always)]
                |planes| {
                    for i in 0..LANES {
                        planes.r[i] = red.at(planes.r[i]);
                        planes.g[i] = green.at(planes.g[i]);
                        planes.b[i] = blue.at(planes.b[i]);
                    }
                },
            );
        },
    );
}

fn look_up(data: &mut [u8], [r, g, b]: &[Table; 3]) {
    for pixel in data.as_chunks_mut::<3>().0 {
        *pixel = [r[usize::from(pixel[0])], g[usize::from(pixel[1])], b[usize::from(pixel[2])]];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_stretches_are_lines() {
        let ranges = (0..=255).flat_map(|low| (low..=255).map(move |high| (low, high)));
        let is_line = |&(low, high): &(u8, u8)| Line::through((low, high), &stretching(low, high)).is_some();
        let (lines, all) = (ranges.clone().filter(is_line).count(), ranges.count());
        assert!(lines * 10 > all * 8, "{lines} of {all}");
    }
}

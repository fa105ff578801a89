//! Colour steps in floating point, one after the other on the same numbers: nothing is rounded in between.
//!
//! Runs of pixels pass through all steps at once; only a contrast, whose mean depends on all pixels, splits them.

use crate::simd::{LANES, Planes, for_planes_mut, vectorised};
use visrep_decode::RgbImage;

/// One step on values of 0 to 1, which are clipped to that range after it.
#[derive(Clone, Copy)]
pub(super) enum Step {
    /// Multiplies every value.
    Scale(f32),
    /// Adds to every value.
    Shift(f32),
    /// Multiplies the distance from the mean of each channel.
    Contrast(f32),
    /// Multiplies the saturation of HSV.
    Saturation(f32),
    /// Turns the hue of HSV by a share of the circle.
    Hue(f32),
    /// Multiplies the distance from a value of each channel.
    Around([f32; 3], f32),
}

/// A run of pixels.
struct Tile {
    channels: [[f32; LANES]; 3],
}

/// Applies the steps, then rounds to the nearest of 256 levels.
pub(super) fn run(image: &mut RgbImage, steps: &[Step]) {
    let pixels = image.data().len() / 3;
    let mut tiles = load(image.data_mut());
    let mut group = Vec::with_capacity(steps.len() + 1);
    for &step in steps {
        if let Step::Contrast(factor) = step {
            pass(&mut tiles, &group);
            group.clear();
            group.push(Step::Around(means(&tiles, pixels), factor));
        } else {
            group.push(step);
        }
    }
    pass(&mut tiles, &group);
    store(&tiles, image.data_mut());
}

fn load(data: &mut [u8]) -> Vec<Tile> {
    let mut tiles = Vec::with_capacity(data.len().div_ceil(LANES * 3));
    vectorised(
        #[inline(always)]
        || {
            for_planes_mut(
                data,
                #[inline(always)]
                |planes| {
                    let mut tile = Tile { channels: [[0.0; LANES]; 3] };
                    for (channel, plane) in tile.channels.iter_mut().zip([&planes.r, &planes.g, &planes.b]) {
                        for i in 0..LANES {
                            channel[i] = f32::from(plane[i]) / 255.0;
                        }
                    }
                    tiles.push(tile);
                },
            );
        },
    );
    tiles
}

fn store(tiles: &[Tile], data: &mut [u8]) {
    let mut tiles = tiles.iter();
    vectorised(
        #[inline(always)]
        || {
            for_planes_mut(
                data,
                #[inline(always)]
                |planes| {
                    if let Some(Tile { channels: [r, g, b] }) = tiles.next() {
                        *planes = Planes { r: levels(r), g: levels(g), b: levels(b) };
                    }
                },
            );
        },
    );
}

/// The nearest levels of values within 0 to 1; added to 2^23, a whole number lies in the lowest bits.
#[inline(always)]
fn levels(values: &[f32; LANES]) -> [u8; LANES] {
    let mut levels = [0; LANES];
    for i in 0..LANES {
        levels[i] = (values[i] * 255.0 + (1 << 23) as f32).to_bits() as u8;
    }
    levels
}

fn pass(tiles: &mut [Tile], steps: &[Step]) {
    if steps.is_empty() {
        return;
    }
    vectorised(
        #[inline(always)]
        || {
            for tile in &mut *tiles {
                for step in steps {
                    tile.apply(step);
                }
            }
        },
    );
}

/// The mean of each channel; the last tile may hold fewer pixels than there is room for.
fn means(tiles: &[Tile], pixels: usize) -> [f32; 3] {
    let mut lanes = [[0f64; LANES]; 3];
    let (full, rest) = tiles.split_at(pixels / LANES);
    vectorised(
        #[inline(always)]
        || {
            for tile in full {
                for (sums, channel) in lanes.iter_mut().zip(&tile.channels) {
                    for i in 0..LANES {
                        sums[i] += f64::from(channel[i]);
                    }
                }
            }
        },
    );
    for tile in rest {
        for (sums, channel) in lanes.iter_mut().zip(&tile.channels) {
            sums[0] += channel[..pixels % LANES].iter().copied().map(f64::from).sum::<f64>();
        }
    }
    lanes.map(|sums| (sums.iter().sum::<f64>() / pixels as f64) as f32)
}

impl Tile {
    #[inline(always)]
    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Scale(factor) => self.each(
                #[inline(always)]
                |value, _| value * factor,
            ),
            Step::Shift(delta) => self.each(
                #[inline(always)]
                |value, _| value + delta,
            ),
            Step::Around(means, factor) => self.each(
                #[inline(always)]
                |value, channel| factor * (value - means[channel]) + means[channel],
            ),
            Step::Saturation(factor) => self.hsv(0.0, factor),
            Step::Hue(turns) => self.hsv(turns, 1.0),
            // `run` has made every contrast a step around the means.
            Step::Contrast(_) => {}
        }
    }

    #[inline(always)]
    fn each(&mut self, change: impl Fn(f32, usize) -> f32) {
        for (index, channel) in self.channels.iter_mut().enumerate() {
            for value in channel {
                *value = change(*value, index).clamp(0.0, 1.0);
            }
        }
    }

    /// Turns the hue and multiplies the saturation, which is held within 0 to 1.
    #[inline(always)]
    fn hsv(&mut self, turns: f32, factor: f32) {
        let [red, green, blue] = &mut self.channels;
        for i in 0..LANES {
            let (r, g, b) = (red[i], green[i], blue[i]);
            let value = r.max(g).max(b);
            let range = value - r.min(g).min(b);
            // Greys have no range, and with it no saturation; their hue is nobody's business.
            let sixths = 1.0 / if range > 0.0 { range } else { 1.0 };
            let hue = if r == value {
                (g - b) * sixths
            } else if g == value {
                (b - r) * sixths + 2.0
            } else {
                (r - g) * sixths + 4.0
            };
            let turned = hue / 6.0 + turns;
            let hue = (turned - turned.floor()) * 6.0;
            let chroma = if value > 0.0 { (range / value * factor).clamp(0.0, 1.0) * value } else { 0.0 };
            red[i] = value - chroma * falling(hue, 5.0);
            green[i] = value - chroma * falling(hue, 3.0);
            blue[i] = value - chroma * falling(hue, 1.0);
        }
    }
}

/// How far a channel lies below the value, as a share of the chroma, at a hue of 0 to 6: the trapezium of HSV that
/// starts at `phase`.
#[inline(always)]
fn falling(hue: f32, phase: f32) -> f32 {
    let at = hue + phase;
    let at = if at >= 6.0 { at - 6.0 } else { at };
    at.min(4.0 - at).clamp(0.0, 1.0)
}

//! Canny's edges and the 5 x 5 distance transform, as OpenCV computes them.

use crate::field::{Edge, bordered, neighbours};
use crate::simd::vectorised;

/// J. Canny's edge detector with a 3 x 3 Sobel operator and the sum of the gradients' sizes.
/// An edge must exceed `high` or touch one that does through pixels that exceed `low`.
pub(crate) fn canny(image: &[u8], width: usize, height: usize, low: i16, high: i16) -> Vec<bool> {
    let Gradients { dx, dy, strength } = Gradients::of(image, width, height);
    let stride = width + 2;
    let mut state = vec![State::None; stride * (height + 2)];
    let mut strong = Vec::new();
    for y in 0..height {
        let row = (y + 1) * stride + 1;
        for (x, &here) in strength[row..][..width].iter().enumerate() {
            let at = row + x;
            if here > low
                && is_ridge(&strength, at, stride, dx[y * width + x].into(), dy[y * width + x].into())
            {
                state[at] = State::Weak;
                if here > high {
                    state[at] = State::Strong;
                    strong.push(at);
                }
            }
        }
    }
    while let Some(at) = strong.pop() {
        for row in [at - stride, at, at + stride] {
            for (near, state) in state.iter_mut().enumerate().skip(row - 1).take(3) {
                if *state == State::Weak {
                    *state = State::Strong;
                    strong.push(near);
                }
            }
        }
    }
    let mut edges = vec![false; width * height];
    for (row, states) in edges.chunks_exact_mut(width).zip(state[stride..].chunks_exact(stride)) {
        for (edge, &state) in row.iter_mut().zip(&states[1..]) {
            *edge = state == State::Strong;
        }
    }
    edges
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    None,
    Weak,
    Strong,
}

/// Whether the pixel is a maximum across its edge, among the four directions.
fn is_ridge(strength: &[i16], at: usize, stride: usize, dx: i32, dy: i32) -> bool {
    /// tan(22.5 degrees) in 15-bit fixed point.
    const TANGENT: i32 = 13_573;
    let here = strength[at];
    let (x, y) = (dx.abs(), dy.abs() << 15);
    let shallow = x * TANGENT;
    if y < shallow {
        return here > strength[at - 1] && here >= strength[at + 1];
    }
    // tan(67.5 degrees) is tan(22.5 degrees) + 2.
    if y > shallow + (x << 16) {
        return here > strength[at - stride] && here >= strength[at + stride];
    }
    let (above, below) =
        if (dx ^ dy) < 0 { (at - stride + 1, at + stride - 1) } else { (at - stride - 1, at + stride + 1) };
    here > strength[above] && here > strength[below]
}

/// Horizontal and vertical 3 x 3 Sobel gradients, edge pixels repeated outside, and the sum of their sizes. One value
/// of zero all around the sums spares comparisons at the border.
struct Gradients {
    dx: Vec<i16>,
    dy: Vec<i16>,
    strength: Vec<i16>,
}

impl Gradients {
    fn of(image: &[u8], width: usize, height: usize) -> Self {
        let stride = width + 2;
        let source = bordered(image, width, height, Edge::Nearest);
        let (mut dx, mut dy) = (vec![0; width * height], vec![0; width * height]);
        let mut strength = vec![0; stride * (height + 2)];
        vectorised(
            #[inline(always)]
            || {
                for y in 0..height {
                    let row = |i: usize| neighbours(&source[(y + i) * stride..][..stride]);
                    let (above, here, below) = (row(0), row(1), row(2));
                    let (dx, dy) = (&mut dx[y * width..][..width], &mut dy[y * width..][..width]);
                    let strength = &mut strength[(y + 1) * stride + 1..][..width];
                    for x in 0..width {
                        let [a, b, c] = above.map(|row| i16::from(row[x]));
                        let [d, _, e] = here.map(|row| i16::from(row[x]));
                        let [f, g, h] = below.map(|row| i16::from(row[x]));
                        (dx[x], dy[x]) = (c + 2 * e + h - a - 2 * d - f, f + 2 * g + h - a - 2 * b - c);
                        strength[x] = dx[x].abs() + dy[x].abs();
                    }
                }
            },
        );
        Self { dx, dy, strength }
    }
}

/// The largest distance that [`distance_to_zero`] tells from larger ones.
pub(crate) const FURTHEST: f32 = 20.0;

/// The distance of each pixel to the nearest `false`, at most [`FURTHEST`], by G. Borgefors' 5 x 5 chamfer with steps of
/// 1, 1.4 and 2.1969.
pub(crate) fn distance_to_zero(mask: &[bool], width: usize, height: usize) -> Vec<f32> {
    let mut map = vec![FAR; (width + 4) * (height + 4)];
    let mut out = vec![0.0; width * height];
    vectorised(
        #[inline(always)]
        || chamfer(mask, width, height, &mut map, &mut out),
    );
    out
}

/// Far beyond any distance, small enough to add to.
const FAR: f32 = 1e6;

/// `map` has two pixels of margin on every side that hold [`FAR`], as does the rest.
#[inline(always)]
fn chamfer(mask: &[bool], width: usize, height: usize, map: &mut [f32], out: &mut [f32]) {
    let stride = width + 4;
    let mut line = Line::new(width);
    for y in 0..height {
        let (done, rest) = map.split_at_mut((y + 2) * stride);
        let (far, near) = (&done[y * stride..][..stride], &done[(y + 1) * stride..][..stride]);
        nearest_before(near, far, line.values());
        for (value, &apart) in line.values().iter_mut().zip(&mask[y * width..][..width]) {
            *value = if apart { *value } else { 0.0 };
        }
        line.spread_right();
        rest[2..][..width].copy_from_slice(line.values());
    }
    for y in (0..height).rev() {
        let (rest, done) = map.split_at_mut((y + 3) * stride);
        let (near, far) = (&done[..stride], &done[stride..][..stride]);
        let here = &mut rest[(y + 2) * stride + 2..][..width];
        nearest_before(near, far, line.values());
        for (value, &found) in line.values().iter_mut().zip(&*here) {
            *value = least(found, *value);
        }
        line.spread_left();
        here.copy_from_slice(line.values());
        for (out, &value) in out[y * width..][..width].iter_mut().zip(line.values().iter()) {
            *out = least(value, FURTHEST);
        }
    }
}

/// The distances by way of the seven neighbours that are on the row before, `near`, and on that before it, `far`. Both have
/// two more values at either end than `out`.
#[inline(always)]
fn nearest_before(near: &[f32], far: &[f32], out: &mut [f32]) {
    const DIAGONAL: f32 = 1.4;
    const KNIGHT: f32 = 2.1969;
    let width = out.len();
    let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(|i| &near[i..][..width]);
    let (f, g) = (&far[1..][..width], &far[3..][..width]);
    for x in 0..width {
        let side = least(a[x] + KNIGHT, e[x] + KNIGHT);
        let diagonal = least(b[x] + DIAGONAL, d[x] + DIAGONAL);
        let jump = least(f[x] + KNIGHT, g[x] + KNIGHT);
        out[x] = least(least(side, diagonal), least(jump, c[x] + 1.0));
    }
}

#[inline(always)]
fn least(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

/// One row of distances, with room on both sides that holds [`FAR`].
struct Line {
    now: Vec<f32>,
    next: Vec<f32>,
    width: usize,
}

impl Line {
    /// As far as one step of [`Line::spread_right`] and [`Line::spread_left`] looks.
    const MARGIN: usize = 16;

    fn new(width: usize) -> Self {
        let row = vec![FAR; width + 2 * Self::MARGIN];
        Self { now: row.clone(), next: row, width }
    }

    #[inline(always)]
    fn values(&mut self) -> &mut [f32] {
        &mut self.now[Self::MARGIN..][..self.width]
    }

    /// Each value becomes the least of itself and its left neighbour's plus 1, from left to right: in steps whose reach
    /// doubles until it exceeds [`FURTHEST`].
    #[inline(always)]
    fn spread_right(&mut self) {
        self.spread::<1>(Self::MARGIN - 1);
        self.spread::<2>(Self::MARGIN - 2);
        self.spread::<4>(Self::MARGIN - 4);
        self.spread::<8>(Self::MARGIN - 8);
        self.spread::<16>(Self::MARGIN - 16);
    }

    /// The same with the right neighbour, from right to left.
    #[inline(always)]
    fn spread_left(&mut self) {
        self.spread::<1>(Self::MARGIN + 1);
        self.spread::<2>(Self::MARGIN + 2);
        self.spread::<4>(Self::MARGIN + 4);
        self.spread::<8>(Self::MARGIN + 8);
        self.spread::<16>(Self::MARGIN + 16);
    }

    /// The least of each value and of the one `REACH` pixels away. As rounding never changes an order, adding 1 again
    /// and again gives to the bit what going from pixel to pixel gives.
    #[inline(always)]
    fn spread<const REACH: usize>(&mut self, from: usize) {
        let near = &self.now[Self::MARGIN..][..self.width];
        let far = &self.now[from..][..self.width];
        let out = &mut self.next[Self::MARGIN..][..self.width];
        for ((out, &near), &far) in out.iter_mut().zip(near).zip(far) {
            let mut far = far;
            for _ in 0..REACH {
                far += 1.0;
            }
            *out = least(near, far);
        }
        std::mem::swap(&mut self.now, &mut self.next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_follow_the_chamfer() {
        let mut mask = vec![true; 35];
        mask[2 * 7 + 1] = false;
        let map = distance_to_zero(&mask, 7, 5);
        assert_eq!((map[2 * 7 + 1], map[2 * 7 + 4], map[7 + 2]), (0.0, 3.0, 1.4));
        assert!((map[7 + 3] - 2.1969).abs() < 1e-6);
        assert_eq!(distance_to_zero(&[true; 4], 2, 2), [FURTHEST; 4]);
        let mut mask = [true; 90];
        mask[40] = false;
        for (i, d) in distance_to_zero(&mask, 90, 1).into_iter().enumerate() {
            assert_eq!(d, i.abs_diff(40).min(20) as f32);
        }
    }

    #[test]
    fn a_step_gives_one_line_of_edges() {
        let image: Vec<u8> = (0..64).map(|i| if i % 8 < 4 { 0 } else { 200 }).collect();
        let edges = canny(&image, 8, 8, 50, 150);
        for y in 0..8 {
            assert_eq!(edges[y * 8..][..8].iter().filter(|&&e| e).count(), 1);
        }
    }
}

//! Canny's edges and the 5 x 5 distance transform, as OpenCV computes them.

use crate::field::Edge;

/// J. Canny's edge detector with a 3 x 3 Sobel operator and the sum of the gradients' sizes.
/// An edge must exceed `high` or touch one that does through pixels that exceed `low`.
pub(crate) fn canny(image: &[u8], width: usize, height: usize, low: i32, high: i32) -> Vec<bool> {
    let (dx, dy) = sobel(image, width, height);
    // One pixel of zeros all around spares the comparisons at the border.
    let stride = width + 2;
    let mut strength = vec![0_i32; stride * (height + 2)];
    for y in 0..height {
        for x in 0..width {
            strength[(y + 1) * stride + x + 1] = dx[y * width + x].abs() + dy[y * width + x].abs();
        }
    }
    let mut state = vec![State::None; stride * (height + 2)];
    let mut strong = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let at = (y + 1) * stride + x + 1;
            let i = y * width + x;
            if strength[at] > low && is_ridge(&strength, at, stride, dx[i], dy[i]) {
                state[at] = State::Weak;
                if strength[at] > high {
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
    (0..height)
        .flat_map(|y| state[(y + 1) * stride + 1..][..width].iter().map(|&s| s == State::Strong))
        .collect()
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    None,
    Weak,
    Strong,
}

/// Whether the pixel is a maximum across its edge, among the four directions.
fn is_ridge(strength: &[i32], at: usize, stride: usize, dx: i32, dy: i32) -> bool {
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

/// Horizontal and vertical 3 x 3 Sobel gradients, edge pixels repeated outside.
fn sobel(image: &[u8], width: usize, height: usize) -> (Vec<i32>, Vec<i32>) {
    let (mut dx, mut dy) = (Vec::with_capacity(image.len()), Vec::with_capacity(image.len()));
    for y in 0..height {
        let rows = [-1, 0, 1].map(|d| {
            let row = Edge::Nearest.index(y as isize + d, height);
            &image[row * width..][..width]
        });
        for x in 0..width {
            let (l, r) = (x.saturating_sub(1), (x + 1).min(width - 1));
            let [a, b, c] = rows.map(|row| [l, x, r].map(|i| i32::from(row[i])));
            dx.push(a[2] + 2 * b[2] + c[2] - a[0] - 2 * b[0] - c[0]);
            dy.push(c[0] + 2 * c[1] + c[2] - a[0] - 2 * a[1] - a[2]);
        }
    }
    (dx, dy)
}

/// The distance of each pixel to the nearest `false`, by G. Borgefors' 5 x 5 chamfer with steps of 1,
/// 1.4 and 2.1969; very large where there is none.
pub(crate) fn distance_to_zero(mask: &[bool], width: usize, height: usize) -> Vec<f32> {
    // Far beyond any distance, small enough to add to.
    const FAR: f32 = 1e6;
    // Two pixels of margin on every side hold FAR.
    let stride = width + 4;
    let mut map = vec![FAR; stride * (height + 4)];
    let steps = [
        (2 * stride + 1, 2.1969_f32),
        (2 * stride - 1, 2.1969),
        (stride + 2, 2.1969),
        (stride + 1, 1.4),
        (stride, 1.0),
        (stride - 1, 1.4),
        (stride - 2, 2.1969),
        (1, 1.0),
    ];
    for y in 0..height {
        for x in 0..width {
            let at = (y + 2) * stride + x + 2;
            map[at] = if mask[y * width + x] {
                steps.iter().map(|&(back, step)| map[at - back] + step).fold(FAR, f32::min)
            } else {
                0.0
            };
        }
    }
    for y in (0..height).rev() {
        for x in (0..width).rev() {
            let at = (y + 2) * stride + x + 2;
            map[at] = steps.iter().map(|&(ahead, step)| map[at + ahead] + step).fold(map[at], f32::min);
        }
    }
    (0..height).flat_map(|y| map[(y + 2) * stride + 2..][..width].iter().copied()).collect()
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
        assert!(distance_to_zero(&[true; 4], 2, 2).iter().all(|&d| d > 1e5));
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

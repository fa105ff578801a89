//! Halving and doubling of the colour planes.

use super::Plane;

/// The mean of each 2 x 2 pixels; halves round up and down in turn along a row, as in libjpeg.
///
/// An odd last column or row is repeated; so are, to a whole block, the columns before they are
/// halved, and the rows after.
#[inline(always)]
pub(super) fn halve(plane: &Plane) -> Plane {
    let (width, height) = (plane.width.div_ceil(2), plane.height.div_ceil(2));
    let mut out = Plane::blocks(width, height);
    let last = plane.width - 1;
    for y in 0..height {
        let (upper, lower) = (plane.row(2 * y), plane.row((2 * y + 1).min(plane.height - 1)));
        let row = &mut out.data[y * out.stride..][..out.stride];
        let pairs = upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0);
        for (x, (value, (upper, lower))) in row.iter_mut().zip(pairs).enumerate() {
            *value = mean(x, [upper[0], upper[1], lower[0], lower[1]]);
        }
        for (x, value) in row.iter_mut().enumerate().skip(plane.width / 2) {
            let (left, right) = ((2 * x).min(last), (2 * x + 1).min(last));
            *value = mean(x, [upper[left], upper[right], lower[left], lower[right]]);
        }
    }
    out.repeat_last_row();
    out
}

#[inline(always)]
fn mean(x: usize, [a, b, c, d]: [u8; 4]) -> u8 {
    let sum = u16::from(a) + u16::from(b) + u16::from(c) + u16::from(d);
    ((sum + 1 + (x as u16 & 1)) >> 2) as u8
}

/// Twice the size, each sample weighing 9 : 3 : 3 : 1 (triangle filter). Planes of one or two columns are
/// repeated instead, as in libjpeg.
#[inline(always)]
pub(super) fn double(plane: &Plane) -> Plane {
    let (width, height) = (plane.width * 2, plane.height * 2);
    let mut data = vec![0; width * height];
    let mut sums = vec![0_u16; plane.width];
    for (y, row) in data.chunks_exact_mut(width).enumerate() {
        let near = plane.row(y / 2);
        if plane.width <= 2 {
            for (pair, &value) in row.as_chunks_mut::<2>().0.iter_mut().zip(near) {
                *pair = [value; 2];
            }
            continue;
        }
        let far = if y % 2 == 0 { (y / 2).saturating_sub(1) } else { (y / 2 + 1).min(plane.height - 1) };
        for ((sum, &n), &f) in sums.iter_mut().zip(near).zip(plane.row(far)) {
            *sum = 3 * u16::from(n) + u16::from(f);
        }
        let (first, last) = (sums[0], sums[plane.width - 1]);
        row[0] = ((4 * first + 8) >> 4) as u8;
        row[width - 1] = ((4 * last + 7) >> 4) as u8;
        let pairs = row[1..].as_chunks_mut::<2>().0;
        for ((pair, &left), &right) in pairs.iter_mut().zip(&sums).zip(&sums[1..]) {
            *pair = [((3 * left + right + 7) >> 4) as u8, ((3 * right + left + 8) >> 4) as u8];
        }
    }
    Plane { width, height, stride: width, data }
}

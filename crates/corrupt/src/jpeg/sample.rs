//! Halving and doubling of the colour planes.

use super::Plane;

/// The mean of each 2 x 2 pixels; halves round up and down in turn along a row, as in libjpeg.
///
/// An odd last column or row is repeated; so are, to a whole block, the columns before they are
/// halved (the caller repeats rows after).
pub(super) fn halve(plane: &Plane) -> Plane {
    let width = plane.width.div_ceil(2).next_multiple_of(8);
    let height = plane.height.div_ceil(2);
    let last = plane.width - 1;
    let mut data = Vec::with_capacity(width * height);
    for y in 0..height {
        let (upper, lower) = (plane.row(2 * y), plane.row((2 * y + 1).min(plane.height - 1)));
        data.extend((0..width).map(|x| {
            let (left, right) = ((2 * x).min(last), (2 * x + 1).min(last));
            let sum =
                [upper[left], upper[right], lower[left], lower[right]].map(u16::from).iter().sum::<u16>();
            ((sum + 1 + (x as u16 & 1)) >> 2) as u8
        }));
    }
    Plane { width, height, data }
}

/// Twice the size, each sample weighing 9 : 3 : 3 : 1 (triangle filter). Planes of one or two columns are
/// repeated instead, as in libjpeg.
pub(super) fn double(plane: &Plane) -> Plane {
    let (width, height) = (plane.width * 2, plane.height * 2);
    let mut data = Vec::with_capacity(width * height);
    let mut sums = vec![0_i32; plane.width];
    for y in 0..height {
        let near = plane.row(y / 2);
        if plane.width <= 2 {
            data.extend(near.iter().flat_map(|&v| [v, v]));
            continue;
        }
        let far = if y % 2 == 0 { (y / 2).saturating_sub(1) } else { (y / 2 + 1).min(plane.height - 1) };
        for ((sum, &n), &f) in sums.iter_mut().zip(near).zip(plane.row(far)) {
            *sum = 3 * i32::from(n) + i32::from(f);
        }
        let ends = (sums[0], sums[plane.width - 1]);
        data.push(((4 * ends.0 + 8) >> 4) as u8);
        for pair in sums.windows(2) {
            data.push(((3 * pair[0] + pair[1] + 7) >> 4) as u8);
            data.push(((3 * pair[1] + pair[0] + 8) >> 4) as u8);
        }
        data.push(((4 * ends.1 + 7) >> 4) as u8);
    }
    Plane { width, height, data }
}

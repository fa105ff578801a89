//! Components of fewer samples to full size, as libjpeg's "fancy" upsampling does (`jdsample.c`): a triangle filter
//! whose output samples lie at a quarter of the way, with rounding that alternates between down and up.

use std::ops::Range;

/// How a component is brought to full size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// It has full size.
    None,
    /// Triangle filter along rows.
    Width,
    /// Triangle filter along columns.
    Height,
    /// Triangle filter along both.
    Both,
    /// Samples are repeated, this many times along rows and along columns.
    Repeat(usize, usize),
}

impl Method {
    /// libjpeg's choice for a component `across` and `down` times smaller than the image and `width` samples wide.
    /// Only some scales are `fancy`.
    pub(super) fn choose(across: usize, down: usize, width: usize, fancy: bool) -> Self {
        match (across, down) {
            (1, 1) => Self::None,
            (2, 1) if fancy && width > 2 => Self::Width,
            (2, 2) if fancy && width > 2 => Self::Both,
            (1, 2) if fancy => Self::Height,
            _ => Self::Repeat(across, down),
        }
    }

    /// Whether neighbours in a row are mixed.
    pub(super) fn mixes_columns(self) -> bool {
        matches!(self, Self::Width | Self::Both)
    }

    /// Whether neighbours in a column are mixed.
    pub(super) fn mixes_rows(self) -> bool {
        matches!(self, Self::Height | Self::Both)
    }
}

/// Which of `samples` samples along a side `pixels` are made from, with `times` pixels to a sample. Where neighbours
/// are `mixed` there is one sample more on each side that is not the image's edge.
pub(super) fn sources(pixels: Range<usize>, times: usize, mixed: bool, samples: usize) -> Range<usize> {
    let (first, last) = (pixels.start / times, (pixels.end - 1) / times);
    if mixed { first.saturating_sub(1)..(last + 2).min(samples) } else { first..last + 1 }
}

/// Twice as wide; `input` has at least two samples.
#[inline(always)]
pub(super) fn double_width(input: &[u8], out: &mut [u8]) {
    let n = input.len();
    let value = |i: usize| u16::from(input[i]);
    out[0] = input[0];
    out[1] = ((value(0) * 3 + value(1) + 2) >> 2) as u8;
    for (pair, near) in out[2..].as_chunks_mut::<2>().0.iter_mut().zip(input.windows(3)) {
        let [before, this, after] = [near[0], near[1], near[2]].map(u16::from);
        pair[0] = ((this * 3 + before + 1) >> 2) as u8;
        pair[1] = ((this * 3 + after + 2) >> 2) as u8;
    }
    out[2 * n - 2] = ((value(n - 1) * 3 + value(n - 2) + 1) >> 2) as u8;
    out[2 * n - 1] = input[n - 1];
}

/// One of the two rows between `near` (the row at this place) and `far` (the one above for the upper row, below for
/// the lower).
#[inline(always)]
pub(super) fn double_height(near: &[u8], far: &[u8], upper: bool, out: &mut [u8]) {
    let bias = if upper { 1 } else { 2 };
    for ((out, &near), &far) in out.iter_mut().zip(near).zip(far) {
        *out = ((u16::from(near) * 3 + u16::from(far) + bias) >> 2) as u8;
    }
}

/// Both at once; `sums` is scratch space of the rows' length, which is at least two.
#[inline(always)]
pub(super) fn double_both(near: &[u8], far: &[u8], sums: &mut [u16], out: &mut [u8]) {
    for ((sum, &near), &far) in sums.iter_mut().zip(near).zip(far) {
        *sum = u16::from(near) * 3 + u16::from(far);
    }
    let n = sums.len();
    out[0] = ((sums[0] * 4 + 8) >> 4) as u8;
    out[1] = ((sums[0] * 3 + sums[1] + 7) >> 4) as u8;
    for (pair, near) in out[2..].as_chunks_mut::<2>().0.iter_mut().zip(sums.windows(3)) {
        pair[0] = ((near[1] * 3 + near[0] + 8) >> 4) as u8;
        pair[1] = ((near[1] * 3 + near[2] + 7) >> 4) as u8;
    }
    out[2 * n - 2] = ((sums[n - 1] * 3 + sums[n - 2] + 8) >> 4) as u8;
    out[2 * n - 1] = ((sums[n - 1] * 4 + 7) >> 4) as u8;
}

/// Every sample `times` times.
#[inline(always)]
pub(super) fn repeat(input: &[u8], times: usize, out: &mut [u8]) {
    for (group, &value) in out.chunks_mut(times).zip(input) {
        group.fill(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_stays_constant_and_edges_are_kept() {
        let mut out = [0; 8];
        double_width(&[77; 4], &mut out);
        assert_eq!(out, [77; 8]);
        double_both(&[77; 4], &[77; 4], &mut [0; 4], &mut out);
        assert_eq!(out, [77; 8]);
        double_width(&[0, 100, 200, 255], &mut out);
        assert_eq!(out, [0, 25, 75, 125, 175, 214, 241, 255]);
    }

    #[test]
    fn narrow_components_are_repeated() {
        assert_eq!(Method::choose(2, 2, 2, true), Method::Repeat(2, 2));
        assert_eq!(Method::choose(2, 1, 3, true), Method::Width);
        assert_eq!(Method::choose(1, 2, 1, true), Method::Height);
        assert_eq!(Method::choose(2, 1, 9, false), Method::Repeat(2, 1));
    }

    #[test]
    fn mixing_needs_a_sample_more_on_each_side_within_the_image() {
        assert_eq!(sources(4..8, 2, true, 9), 1..5);
        assert_eq!(sources(0..1, 2, true, 9), 0..2);
        assert_eq!(sources(5..9, 2, true, 5), 1..5);
        assert_eq!(sources(5..9, 2, false, 5), 2..5);
        assert_eq!(sources(5..9, 1, false, 9), 5..9);
    }
}

//! From the components' samples to rows of RGB.

use super::color::{self, Space};
use super::frame::Component;
use super::simd::Simd;
use super::upsample::{self, Method};
use crate::Region;

/// The rows of `region`, `region.width * 3` bytes each, into `out`.
#[inline(always)]
pub(super) fn rows(
    simd: Simd,
    components: &[Component],
    space: Space,
    region: &Region,
    scratch: &mut [Rows; 4],
    out: &mut [u8],
) {
    let width = region.width as usize;
    for (component, scratch) in components.iter().zip(scratch.iter_mut()) {
        scratch.prepare(component, region);
    }
    let [s0, s1, s2, s3] = scratch;
    for (y, out) in (region.y as usize..).zip(out.chunks_exact_mut(width * 3)) {
        match components {
            [a, b, c] => {
                let parts = [s0.row(a, y, width), s1.row(b, y, width), s2.row(c, y, width)];
                color::convert(simd, space, &parts, out);
            }
            [a, b, c, d] => {
                let parts =
                    [s0.row(a, y, width), s1.row(b, y, width), s2.row(c, y, width), s3.row(d, y, width)];
                color::convert(simd, space, &parts, out);
            }
            components => color::convert(simd, space, &[s0.row(&components[0], y, width)], out),
        }
    }
}

/// What upsampling one component needs; the memory is kept from image to image.
#[derive(Default)]
pub(super) struct Rows {
    sums: Vec<u16>,
    row: Vec<u8>,
    /// The component's row that `row` was last repeated from.
    repeated: Option<usize>,
    /// How far right of the first sample's first pixel the region starts.
    skipped: usize,
}

impl Rows {
    fn prepare(&mut self, component: &Component, region: &Region) {
        let samples = component.window.len();
        let (sums, across) = match component.method {
            Method::None => (0, 1),
            Method::Width => (0, 2),
            Method::Height => (0, 1),
            Method::Both => (samples, 2),
            Method::Repeat(across, _) => (0, across),
        };
        self.sums.resize(sums, 0);
        self.row.resize(samples * across, 0);
        self.repeated = None;
        self.skipped = region.x as usize - component.window.start * across;
    }

    /// The region's part of row `y` of the component at the image's size.
    #[inline(always)]
    fn row<'a>(&'a mut self, component: &'a Component, y: usize, width: usize) -> &'a [u8] {
        // The row above for an upper row, below for a lower one; the edges have none and stand in for it.
        let far = if y.is_multiple_of(2) {
            (y / 2).saturating_sub(1)
        } else {
            (y / 2 + 1).min(component.height - 1)
        };
        match component.method {
            Method::None => return component.row(y),
            Method::Width => upsample::double_width(component.row(y), &mut self.row),
            Method::Height => {
                upsample::double_height(
                    component.row(y / 2),
                    component.row(far),
                    y.is_multiple_of(2),
                    &mut self.row,
                );
            }
            Method::Both => {
                upsample::double_both(
                    component.row(y / 2),
                    component.row(far),
                    &mut self.sums,
                    &mut self.row,
                );
            }
            Method::Repeat(across, down) => {
                if self.repeated != Some(y / down) {
                    upsample::repeat(component.row(y / down), across, &mut self.row);
                    self.repeated = Some(y / down);
                }
            }
        }
        &self.row[self.skipped..][..width]
    }
}

//! From the components' samples to rows of RGB.

use super::color::{self, Space};
use super::decoder::Component;
use super::upsample::{self, Method};

/// All rows of the image, `width * 3` bytes each, into `out`.
#[inline(always)]
pub(super) fn rows(components: &[Component], space: Space, width: usize, out: &mut [u8]) {
    let mut scratch: Vec<Scratch> = components.iter().map(Scratch::new).collect();
    for (y, out) in out.chunks_exact_mut(width * 3).enumerate() {
        match (components, scratch.as_mut_slice()) {
            ([a, b, c], [x, y1, z]) => {
                let parts = [x.row(a, y, width), y1.row(b, y, width), z.row(c, y, width)];
                color::convert(space, &parts, out);
            }
            ([a, b, c, d], [w, x, y1, z]) => {
                let parts = [w.row(a, y, width), x.row(b, y, width), y1.row(c, y, width), z.row(d, y, width)];
                color::convert(space, &parts, out);
            }
            (components, scratch) => {
                color::convert(space, &[scratch[0].row(&components[0], y, width)], out);
            }
        }
    }
}

/// What upsampling one component needs.
struct Scratch {
    sums: Vec<u16>,
    row: Vec<u8>,
    /// The component's row that `row` was last repeated from.
    repeated: Option<usize>,
}

impl Scratch {
    fn new(component: &Component) -> Self {
        let (sums, row) = match component.method {
            Method::None => (0, 0),
            Method::Width => (0, component.width * 2),
            Method::Height => (0, component.width),
            Method::Both => (component.width, component.width * 2),
            Method::Repeat(across, _) => (0, component.width * across),
        };
        Self { sums: vec![0; sums], row: vec![0; row], repeated: None }
    }

    /// Row `y` of the component at the image's size.
    #[inline(always)]
    fn row<'a>(&'a mut self, component: &'a Component, y: usize, width: usize) -> &'a [u8] {
        // The row above for an upper row, below for a lower one; the edges have none and stand in for it.
        let far = if y.is_multiple_of(2) {
            (y / 2).saturating_sub(1)
        } else {
            (y / 2 + 1).min(component.height - 1)
        };
        match component.method {
            Method::None => return &component.row(y)[..width],
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
        &self.row[..width]
    }
}

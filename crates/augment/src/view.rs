//! A view before its pixels: the operations that a random transform has drawn.

use crate::{Error, Op};
use serde::{Deserialize, Serialize};
use visrep_decode::{Region, RgbImage};

/// The operations drawn for one image, in order: the parameters of a view, which can be looked at, stored (serde) and
/// applied again, to the same image or to whatever belongs to it.
///
/// ```
/// use visrep_augment::{RgbImage, Transform, View, presets, view_rng};
///
/// let transform = presets::simclr(32, 0.5, false)?;
/// let mut view = View::new((48, 40));
/// transform.draw(&mut view, &mut view_rng(0, 0, 0, 0));
/// println!("{:?}", view.ops());
///
/// let image = RgbImage::from_fn(48, 40, |x, y| [x as u8 * 5, y as u8 * 6, 128]);
/// let replayed = view.apply(image.clone())?;
/// assert_eq!(replayed, transform.apply(image, &mut view_rng(0, 0, 0, 0)));
/// # Ok::<(), visrep_augment::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct View {
    source: (u32, u32),
    ops: Vec<Op>,
}

impl View {
    /// A view of an image of `size` (width, height) to which nothing is done yet.
    #[must_use]
    pub fn new(size: (u32, u32)) -> Self {
        Self { source: size, ops: Vec::new() }
    }

    /// The (width, height) of the image that it is for.
    #[must_use]
    pub fn source_size(&self) -> (u32, u32) {
        self.source
    }

    /// The (width, height) after the operations so far: what the next one will be applied to.
    #[must_use]
    pub fn size(&self) -> (u32, u32) {
        self.ops.iter().fold(self.source, |size, op| op.output_size(size))
    }

    /// Adds an operation after the others.
    pub fn push(&mut self, op: Op) {
        self.ops.push(op);
    }

    /// The operations, in order.
    #[must_use]
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// The part of the image outside which no pixel matters, and the size that it is resized to: what a decoder needs
    /// to decode. `None` if the first operation is not a [`Op::ResizedCrop`].
    #[must_use]
    pub fn region(&self) -> Option<(Region, (u32, u32))> {
        match self.ops.first() {
            Some(&Op::ResizedCrop { region, width, height, .. }) => Some((region, (width, height))),
            _ => None,
        }
    }

    /// Applies the operations. Errs when the image is not of [`Self::source_size`].
    pub fn apply(&self, image: RgbImage) -> Result<RgbImage, Error> {
        let found = (image.width(), image.height());
        if found != self.source {
            return Err(Error::ViewSize { expected: self.source, found });
        }
        Ok(self.run(image))
    }

    /// [`Self::apply`] to the pixels of [`Self::region`] alone. Errs when there is no region, or the image is not of
    /// its size.
    pub fn apply_to_region(&self, image: RgbImage) -> Result<RgbImage, Error> {
        let found = (image.width(), image.height());
        let Some((Op::ResizedCrop { region, width, height, filter }, rest)) = self.ops.split_first() else {
            return Err(Error::ViewSize { expected: self.source, found });
        };
        if found != (region.width, region.height) {
            return Err(Error::ViewSize { expected: (region.width, region.height), found });
        }
        let whole = Region { x: 0, y: 0, ..*region };
        let first = Op::ResizedCrop { region: whole, width: *width, height: *height, filter: *filter };
        Ok(run(rest, first.apply(image)))
    }

    /// Applies the operations to an image whose size they were drawn for.
    pub(crate) fn run(&self, image: RgbImage) -> RgbImage {
        run(&self.ops, image)
    }
}

fn run(ops: &[Op], image: RgbImage) -> RgbImage {
    ops.iter().fold(image, |image, op| op.apply(image))
}

//! A view before its pixels: the operations that a random transform has drawn.

use crate::crop::resized_crop;
use crate::{Error, Op, resize_box};
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
        self.check((image.width(), image.height()), self.source)?;
        Ok(self.run(image))
    }

    /// [`Self::apply`] to an image that is still needed; it is copied only where the first operation works in place.
    pub fn apply_to(&self, image: &RgbImage) -> Result<RgbImage, Error> {
        self.check((image.width(), image.height()), self.source)?;
        let whole = Region { x: 0, y: 0, width: image.width(), height: image.height() };
        Ok(self.run_on(image, whole).unwrap_or_else(|| self.run(image.clone())))
    }

    /// [`Self::apply`] to the pixels of `part` alone, which holds [`Self::region`]. Errs when there is no region, `part`
    /// does not hold it, or `image` is not of the part's size.
    pub fn apply_to_part(&self, image: &RgbImage, part: Region) -> Result<RgbImage, Error> {
        self.check((image.width(), image.height()), (part.width, part.height))?;
        self.run_on(image, part)
            .ok_or(Error::ViewPart { region: self.region().map(|(region, _)| region), part })
    }

    /// [`Self::apply`] to an image of another scale, or of a part alone: `place` tells where in `image` a region of the
    /// image that the view is drawn for lies (left, top, right and bottom, in pixels that need not be whole), and the
    /// crop is resized from there by [`resize_box`](crate::resize_box). Errs when there is no region, or its place is not in `image`.
    pub fn apply_to_area(
        &self,
        image: &RgbImage,
        place: impl Fn(Region) -> [f64; 4],
    ) -> Result<RgbImage, Error> {
        let Some((&Op::ResizedCrop { region, width, height, filter, .. }, rest)) = self.ops.split_first()
        else {
            let part = Region { x: 0, y: 0, width: image.width(), height: image.height() };
            return Err(Error::ViewPart { region: None, part });
        };
        Ok(run(rest, resize_box(image, place(region), width, height, filter)?))
    }

    fn check(&self, found: (u32, u32), expected: (u32, u32)) -> Result<(), Error> {
        if found == expected { Ok(()) } else { Err(Error::ViewSize { expected, found }) }
    }

    /// Applies the operations to an image whose size they were drawn for.
    pub(crate) fn run(&self, image: RgbImage) -> RgbImage {
        run(&self.ops, image)
    }

    /// Cuts the region out of `image`, which is `part` of the whole, and goes on with that.
    fn run_on(&self, image: &RgbImage, part: Region) -> Option<RgbImage> {
        let (&Op::ResizedCrop { region, width, height, filter }, rest) = self.ops.split_first()? else {
            return None;
        };
        let (x, y) = (region.x.checked_sub(part.x)?, region.y.checked_sub(part.y)?);
        let region = Region { x, y, ..region };
        region.check(part.width, part.height).ok()?;
        Some(run(rest, resized_crop(image, region, width, height, filter)))
    }
}

fn run(ops: &[Op], image: RgbImage) -> RgbImage {
    ops.iter().fold(image, |image, op| op.apply(image))
}

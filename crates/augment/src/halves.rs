//! You Only Cut Once.

use crate::{Filter, Op, Rng, Transform, View, resize};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use visrep_decode::{Region, RgbImage};

/// Which side is halved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CutAxis {
    /// Top and bottom.
    Height,
    /// Left and right.
    Width,
}

impl CutAxis {
    fn length(self, (width, height): (u32, u32)) -> u32 {
        match self {
            Self::Height => height,
            Self::Width => width,
        }
    }

    /// The two halves of an image, the second the larger one of an odd length. `None` where there is one pixel.
    fn halves(self, size: (u32, u32)) -> Option<[Region; 2]> {
        let (width, height) = size;
        let (first, rest) = (self.length(size) / 2, self.length(size).div_ceil(2));
        let region = |start, length| match self {
            Self::Height => Region { x: 0, y: start, width, height: length },
            Self::Width => Region { x: start, y: 0, width: length, height },
        };
        (first > 0).then(|| [region(0, first), region(first, rest)])
    }
}

/// Cuts the image in half, applies `first` and `second` to the halves, and joins them again.
///
/// A half that comes out in another size is resized (bilinear) to the one it had. Where there is nothing to cut (one
/// pixel), `first` is applied to the whole.
pub(crate) fn halves(image: RgbImage, axis: CutAxis, first: &[Op], second: &[Op]) -> RgbImage {
    let size = (image.width(), image.height());
    let run = |ops: &[Op], image: RgbImage| {
        let (width, height) = (image.width(), image.height());
        let half = ops.iter().fold(image, |image, op| op.apply(image));
        if (half.width(), half.height()) == (width, height) {
            half
        } else {
            resize(&half, width, height, Filter::Bilinear)
        }
    };
    let Some([a, b]) = axis.halves(size) else { return run(first, image) };
    let (Ok(a), Ok(b)) = (image.crop(a), image.crop(b)) else { return image };
    let (a, b) = (run(first, a), run(second, b));
    let mut joined = image;
    match axis {
        CutAxis::Height => {
            let (top, bottom) = joined.data_mut().split_at_mut(a.data().len());
            top.copy_from_slice(a.data());
            bottom.copy_from_slice(b.data());
        }
        CutAxis::Width => {
            for (y, row) in (0..).zip(joined.data_mut().chunks_exact_mut(size.0 as usize * 3)) {
                let (left, right) = row.split_at_mut(a.width() as usize * 3);
                left.copy_from_slice(a.row(y));
                right.copy_from_slice(b.row(y));
            }
        }
    }
    joined
}

/// Cuts the image in half, top from bottom or left from right by chance, and applies one transform to the halves with
/// draws of their own: You Only Cut Once (Han et al. 2022).
///
/// For contrastive methods the authors cut only for the horizontal flip, after crop, jitter, grey and blur of the whole
/// view.
pub struct YouOnlyCutOnce<T> {
    transform: T,
}

impl<T: Transform> YouOnlyCutOnce<T> {
    /// `transform` is what is applied to each half.
    pub fn new(transform: T) -> Self {
        Self { transform }
    }
}

impl<T: Transform> Transform for YouOnlyCutOnce<T> {
    fn draw(&self, view: &mut View, rng: &mut Rng) {
        let axis = if rng.random_bool(0.5) { CutAxis::Height } else { CutAxis::Width };
        let mut draw = |size| {
            let mut half = View::new(size);
            self.transform.draw(&mut half, rng);
            half.ops().to_vec()
        };
        let (first, second) = match axis.halves(view.size()) {
            Some([a, b]) => (draw((a.width, a.height)), draw((b.width, b.height))),
            None => (draw(view.size()), Vec::new()),
        };
        view.push(Op::Halves { axis, first, second });
    }
}

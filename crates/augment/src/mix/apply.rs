//! Mixing pixels in memory.

use super::{Blend, Mixing};
use crate::Error;
use crate::error::{check_within, wrong};
use crate::simd::vectorised;
use visrep_decode::{Region, RgbImage};

/// A value of a pixel.
trait Value: Copy {
    /// `share * own + (1 - share) * other`.
    fn mixed(own: Self, other: Self, share: f32) -> Self;
}

impl Value for u8 {
    #[inline(always)]
    fn mixed(own: Self, other: Self, share: f32) -> Self {
        // Where numbers lie 1 apart, so that adding it rounds to a whole number, ties to even as NumPy's rint; the
        // lowest byte of the sum is that number. Unlike a cast, this can be vectorised.
        const ONES: f32 = 12_582_912.0;
        let sum = f32::from(own) * share + f32::from(other) * (1.0 - share);
        (sum + ONES).to_bits() as u8
    }
}

impl Value for f32 {
    #[inline(always)]
    fn mixed(own: Self, other: Self, share: f32) -> Self {
        own * share + other * (1.0 - share)
    }
}

/// How the values of one image lie in memory.
#[derive(Clone, Copy)]
struct Layout {
    planes: usize,
    height: usize,
    width: usize,
    /// Values of a pixel that lie together.
    channels: usize,
}

/// `lambda` of `image` and the rest of `other`, rounded, ties to even: mixup of two images, where [`Mixing`] is for batches.
///
/// Errs when the images are not of one size, or `lambda` is not within 0..=1.
pub fn mixup(image: &mut RgbImage, other: &RgbImage, lambda: f64) -> Result<(), Error> {
    check_within("mixup lambda", lambda, 0.0..=1.0)?;
    let size = |image: &RgbImage| format!("{}x{}", image.width(), image.height());
    if size(image) != size(other) {
        return Err(wrong("mixup other image", format!("of the same size, {}", size(image)), size(other)));
    }
    let share = lambda as f32;
    vectorised(
        #[inline(always)]
        || {
            for (own, &other) in image.data_mut().iter_mut().zip(other.data()) {
                *own = Value::mixed(*own, other, share);
            }
        },
    );
    Ok(())
}

impl Mixing {
    /// Mixes 8-bit RGB images, `n` x height x width x 3 (NHWC), as the loader delivers them. Sums are rounded, ties to even.
    ///
    /// Errs when the number of values is not that of the batch that this was drawn for.
    pub fn apply_u8(&self, data: &mut [u8]) -> Result<(), Error> {
        self.apply(data, 1, 3)
    }

    /// Mixes float images, `n` x 3 x height x width (NCHW). Errs as [`Self::apply_u8`] does.
    pub fn apply_f32(&self, data: &mut [f32]) -> Result<(), Error> {
        self.apply(data, 3, 1)
    }

    /// The share of each pixel of each image that stays its own, `n` x height x width.
    #[cfg(feature = "tensor")]
    pub(crate) fn shares(&self) -> Vec<f32> {
        let (width, height) = (self.size.0 as usize, self.size.1 as usize);
        let layout = Layout { planes: 1, height, width, channels: 1 };
        let other = vec![0.0; width * height];
        let mut shares = vec![1.0; self.samples.len() * other.len()];
        let mut mask = None;
        for (i, own) in shares.chunks_exact_mut(other.len()).enumerate() {
            self.blend(i, own, &other, layout, &mut mask);
        }
        shares
    }

    fn apply<T: Value>(&self, data: &mut [T], planes: usize, channels: usize) -> Result<(), Error> {
        let (width, height) = (self.size.0 as usize, self.size.1 as usize);
        let layout = Layout { planes, height, width, channels };
        let len = width * height * 3;
        if data.len() != self.samples.len() * len {
            let (n, (width, height)) = (self.samples.len(), self.size);
            let expected = format!("the {} of {n} images of {width}x{height}", n * len);
            return Err(wrong("Mixing number of values", expected, data.len()));
        }
        let mut mask = None;
        // Where partners are each other's, one image is copied at a time, not the batch.
        if self.samples.iter().enumerate().all(|(i, mix)| self.samples[mix.partner].partner == i) {
            let mut original = Vec::with_capacity(len);
            for (i, mix) in self.samples.iter().enumerate().filter(|(i, mix)| *i < mix.partner) {
                let (before, after) = data.split_at_mut(mix.partner * len);
                let (own, other) = (&mut before[i * len..][..len], &mut after[..len]);
                original.clear();
                original.extend_from_slice(own);
                self.blend(i, own, other, layout, &mut mask);
                self.blend(mix.partner, other, &original, layout, &mut mask);
            }
        } else {
            let original = data.to_vec();
            for ((i, mix), own) in self.samples.iter().enumerate().zip(data.chunks_exact_mut(len)) {
                self.blend(i, own, &original[mix.partner * len..][..len], layout, &mut mask);
            }
        }
        Ok(())
    }

    /// Mixes `other` into sample `i`. `mask` is the last Fourier mask that was made, and the sample it was made for.
    fn blend<T: Value>(
        &self,
        i: usize,
        own: &mut [T],
        other: &[T],
        layout: Layout,
        mask: &mut Option<(usize, Vec<f32>)>,
    ) {
        let mix = &self.samples[i];
        match mix.blend {
            Blend::Keep => {}
            Blend::Linear => linear(own, other, mix.lambda as f32),
            Blend::Box(region) => copy_box(own, other, region, layout),
            Blend::Fourier(fourier) => {
                if mask.as_ref().is_none_or(|(made_for, _)| self.samples[*made_for].blend != mix.blend) {
                    *mask = Some((i, fourier.values(self.size.0, self.size.1)));
                }
                if let Some((_, mask)) = mask {
                    masked(own, other, mask, layout);
                }
            }
        }
    }
}

fn linear<T: Value>(own: &mut [T], other: &[T], share: f32) {
    vectorised(
        #[inline(always)]
        || own.iter_mut().zip(other).for_each(|(own, &other)| *own = T::mixed(*own, other, share)),
    );
}

fn copy_box<T: Value>(own: &mut [T], other: &[T], region: Region, layout: Layout) {
    let Layout { planes, height, width, channels } = layout;
    let range = |start: u32, len: u32, size: usize| {
        (start as usize).min(size)..(start as usize).saturating_add(len as usize).min(size)
    };
    let columns = range(region.x, region.width, width);
    for plane in 0..planes {
        for y in range(region.y, region.height, height) {
            let row = (plane * height + y) * width;
            let part = (row + columns.start) * channels..(row + columns.end) * channels;
            own[part.clone()].copy_from_slice(&other[part]);
        }
    }
}

fn masked<T: Value>(own: &mut [T], other: &[T], mask: &[f32], layout: Layout) {
    let plane = layout.height * layout.width * layout.channels;
    for (own, other) in own.chunks_exact_mut(plane).zip(other.chunks_exact(plane)) {
        let pixels = own.chunks_exact_mut(layout.channels).zip(other.chunks_exact(layout.channels));
        for ((own, other), &share) in pixels.zip(mask) {
            own.iter_mut().zip(other).for_each(|(own, &other)| *own = T::mixed(*own, other, share));
        }
    }
}

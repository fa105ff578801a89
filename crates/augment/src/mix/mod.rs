//! Mixing the samples of a batch: mixup, CutMix, FMix.
//!
//! What is drawn is a [`Mixing`]: which sample each one is mixed with, how, and what share of the label stays its own. It
//! is data, so that it can be stored, applied to pixels of either layout or to tensors, and used by a loss.

mod apply;
mod draw;
mod mask;

pub use apply::mixup;
pub use draw::{BatchMix, MixMode, Pairing};
pub use mask::FourierMask;

use crate::Error;
use crate::error::wrong;
use serde::{Deserialize, Serialize};
use visrep_decode::Region;

/// How the pixels of a sample are mixed with its partner's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blend {
    /// Nothing is mixed in.
    Keep,
    /// `lambda * own + (1 - lambda) * partner` (mixup, Zhang et al. 2018).
    Linear,
    /// A box of the partner's pixels (CutMix, Yun et al. 2019).
    Box(#[serde(with = "crate::op::RegionFields")] Region),
    /// The partner's pixels where a mask of low frequencies is 0 (FMix, Harris et al. 2020).
    Fourier(FourierMask),
}

/// What is done to one sample of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mix {
    /// The index in the batch of the sample that is mixed in.
    pub partner: usize,
    /// The share of the label that stays the sample's own, 0 to 1; the rest is the partner's.
    pub lambda: f64,
    /// How pixels are mixed.
    pub blend: Blend,
}

/// What is done to the samples of a batch, drawn by [`BatchMix`].
///
/// ```
/// use visrep_augment::{BatchMix, view_rng};
///
/// let mix = BatchMix::mixup(0.8)?.or_cutmix(1.0, 0.5)?;
/// let mixing = mix.draw(2, (4, 4), &mut view_rng(0, 0, 0, 0));
/// let mut pixels = vec![0; 2 * 4 * 4 * 3];
/// pixels[4 * 4 * 3..].fill(200);
/// mixing.apply_u8(&mut pixels)?;
/// let targets = mixing.targets(&[3, 7], 10, 0.1)?;
/// assert_eq!(targets.len(), 2 * 10);
/// # Ok::<(), visrep_augment::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mixing {
    size: (u32, u32),
    samples: Vec<Mix>,
}

impl Mixing {
    /// A mixing of images of `size` (width, height) that is decided elsewhere. Errs when a partner is not in the batch,
    /// or a lambda not within 0..=1.
    pub fn new(size: (u32, u32), samples: Vec<Mix>) -> Result<Self, Error> {
        for mix in &samples {
            crate::error::check_within(
                "Mixing partner",
                mix.partner as f64,
                0.0..=samples.len() as f64 - 1.0,
            )?;
            crate::error::check_within("Mixing lambda", mix.lambda, 0.0..=1.0)?;
        }
        Ok(Self { size, samples })
    }

    /// The (width, height) of the images.
    #[must_use]
    pub fn size(&self) -> (u32, u32) {
        self.size
    }

    /// What is done to each sample, in the order of the batch.
    #[must_use]
    pub fn samples(&self) -> &[Mix] {
        &self.samples
    }

    /// Soft labels, row by row, `labels.len() * classes` values: `lambda * own + (1 - lambda) * partner`, each
    /// one-hot label smoothed before as in timm: `smoothing / classes` for every class, and `1 - smoothing` more for the
    /// label's.
    ///
    /// Errs when there is not one label for each sample, a label (such as -1, no label) is not within
    /// `0..classes`, or `smoothing` not within 0..=1.
    pub fn targets(&self, labels: &[i64], classes: usize, smoothing: f64) -> Result<Vec<f32>, Error> {
        crate::error::check_within("targets smoothing", smoothing, 0.0..=1.0)?;
        if labels.len() != self.samples.len() {
            let expected = format!("one for each of the {} samples", self.samples.len());
            return Err(wrong("targets labels", expected, labels.len()));
        }
        let index = |label: i64| {
            usize::try_from(label)
                .ok()
                .filter(|&label| label < classes)
                .ok_or_else(|| wrong("targets label", format!("a class index within 0..{classes}"), label))
        };
        let labels = labels.iter().map(|&label| index(label)).collect::<Result<Vec<usize>, Error>>()?;
        let mut targets = vec![(smoothing / classes as f64) as f32; labels.len() * classes];
        if classes > 0 {
            for ((row, mix), &own) in targets.chunks_exact_mut(classes).zip(&self.samples).zip(&labels) {
                row[own] += ((1.0 - smoothing) * mix.lambda) as f32;
                row[labels[mix.partner]] += ((1.0 - smoothing) * (1.0 - mix.lambda)) as f32;
            }
        }
        Ok(targets)
    }
}

//! What is drawn for a batch: the random numbers of mixup, CutMix and FMix.

use super::{Blend, FourierMask, Mix, Mixing};
use crate::error::{check_range, check_within};
use crate::{Error, Rng};
use rand::seq::SliceRandom as _;
use rand::{Rng as _, RngExt as _};
use rand_distr::{Beta, Distribution as _};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use visrep_decode::Region;

/// For what one set of random numbers is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MixMode {
    /// The batch.
    Batch,
    /// A sample and its partner: the first half of the batch draws, sample `n - 1 - i` gets what `i` drew. For
    /// [`Pairing::Reverse`]; the middle sample of an odd batch stays as it is.
    Pair,
    /// Each sample.
    Element,
}

/// Who is mixed with whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pairing {
    /// Sample `i` with `n - 1 - i`: timm's.
    Reverse,
    /// Sample `i` with `i - 1`, the first with the last: torchvision's.
    Roll,
    /// By a random permutation: the papers'.
    Shuffle,
}

/// One kind of mixing and its parameters.
#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Linear { beta: Beta<f64> },
    Box { beta: Beta<f64> },
    Sides { share: RangeInclusive<f64> },
    Fourier { beta: Beta<f64>, decay: f64, soft: f64 },
}

/// Draws a [`Mixing`] for each batch: mixup, CutMix, FMix, or one of two by chance as timm's `Mixup` does for DeiT and RSB.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchMix {
    kind: Kind,
    other: Option<(Kind, f64)>,
    p: f64,
    mode: MixMode,
    pairing: Pairing,
    correct_lambda: bool,
}

fn beta(parameter: &'static str, alpha: f64) -> Result<Beta<f64>, Error> {
    check_within(parameter, alpha, 0.001..=1000.0)?;
    Beta::new(alpha, alpha).map_err(|error| crate::error::wrong(parameter, "a positive number", error))
}

impl BatchMix {
    fn of(kind: Kind) -> Self {
        let (mode, pairing) = (MixMode::Batch, Pairing::Reverse);
        Self { kind, other: None, p: 1.0, mode, pairing, correct_lambda: true }
    }

    /// mixup with lambda from Beta(`alpha`, `alpha`), one for the batch, partners by [`Pairing::Reverse`]. Errs
    /// unless `alpha` is within 0.001..=1000.
    pub fn mixup(alpha: f64) -> Result<Self, Error> {
        Ok(Self::of(Kind::Linear { beta: beta("mixup alpha", alpha)? }))
    }

    /// CutMix: the box, with its centre anywhere in the image, has `1 - lambda` of the area, lambda from
    /// Beta(`alpha`, `alpha`); what lies outside the image is cut off, and lambda corrected for it.
    pub fn cutmix(alpha: f64) -> Result<Self, Error> {
        Ok(Self::of(Kind::Box { beta: beta("cutmix alpha", alpha)? }))
    }

    /// CutMix with boxes whose sides are a share within `share` of the image's, and which lie inside: timm's
    /// `cutmix_minmax`.
    pub fn cutmix_minmax(share: RangeInclusive<f64>) -> Result<Self, Error> {
        check_range("cutmix_minmax", &share, 0.0..=1.0)?;
        Ok(Self::of(Kind::Sides { share }))
    }

    /// FMix with lambda from Beta(`alpha`, `alpha`), amplitudes falling with the power `decay` and edges as sharp as
    /// `soft` says; see [`FourierMask`]. The paper's are 1, 3 and 0. Errs unless `decay` is within 0..=10 and `soft`
    /// within 0..=0.5.
    pub fn fmix(alpha: f64, decay: f64, soft: f64) -> Result<Self, Error> {
        check_within("fmix decay", decay, 0.0..=10.0)?;
        check_within("fmix soft", soft, 0.0..=0.5)?;
        Ok(Self::of(Kind::Fourier { beta: beta("fmix alpha", alpha)?, decay, soft }))
    }

    /// With probability `switch`, CutMix of `alpha` instead: timm's `cutmix_alpha` and `switch_prob`.
    pub fn or_cutmix(self, alpha: f64, switch: f64) -> Result<Self, Error> {
        let other = Self::cutmix(alpha)?;
        self.or(other, switch)
    }

    /// With probability `switch`, what `other` mixes instead, by this one's probability, mode and pairing.
    pub fn or(self, other: Self, switch: f64) -> Result<Self, Error> {
        check_within("BatchMix switch", switch, 0.0..=1.0)?;
        Ok(Self { other: Some((other.kind, switch)), ..self })
    }

    /// The probability that anything is mixed: of the batch, pair or sample, as [`Self::mode`] has it.
    pub fn p(self, p: f64) -> Result<Self, Error> {
        check_within("BatchMix p", p, 0.0..=1.0)?;
        Ok(Self { p, ..self })
    }

    /// For what random numbers are drawn.
    #[must_use]
    pub fn mode(self, mode: MixMode) -> Self {
        Self { mode, ..self }
    }

    /// Who is mixed with whom.
    #[must_use]
    pub fn pairing(self, pairing: Pairing) -> Self {
        Self { pairing, ..self }
    }

    /// Whether CutMix's lambda is the share of the area outside the box as it was cut off, or as it was drawn.
    #[must_use]
    pub fn correct_lambda(self, correct_lambda: bool) -> Self {
        Self { correct_lambda, ..self }
    }

    /// Draws for a batch of `n` images of `size` (width, height).
    pub fn draw(&self, n: usize, size: (u32, u32), rng: &mut Rng) -> Mixing {
        let size = (size.0.max(1), size.1.max(1));
        let partners: Vec<usize> = match self.pairing {
            Pairing::Reverse => (0..n).rev().collect(),
            Pairing::Roll => (0..n).map(|i| (i + n - 1) % n).collect(),
            Pairing::Shuffle => {
                let mut partners: Vec<usize> = (0..n).collect();
                partners.shuffle(rng);
                partners
            }
        };
        let kept = (1.0, Blend::Keep);
        let drawn = match self.mode {
            MixMode::Batch => vec![self.one(size, rng); n],
            MixMode::Element => (0..n).map(|_| self.one(size, rng)).collect(),
            MixMode::Pair => {
                let half: Vec<_> = (0..n / 2).map(|_| self.one(size, rng)).collect();
                let middle = vec![kept; n % 2];
                half.iter().chain(&middle).chain(half.iter().rev()).copied().collect()
            }
        };
        let samples = partners.into_iter().zip(drawn);
        let samples = samples.map(|(partner, (lambda, blend))| Mix { partner, lambda, blend }).collect();
        Mixing { size, samples }
    }

    fn one(&self, size: (u32, u32), rng: &mut Rng) -> (f64, Blend) {
        if !rng.random_bool(self.p) {
            return (1.0, Blend::Keep);
        }
        let kind = match &self.other {
            Some((other, switch)) if rng.random_bool(*switch) => other,
            _ => &self.kind,
        };
        match kind {
            Kind::Linear { beta } => (beta.sample(rng), Blend::Linear),
            Kind::Box { beta } => {
                let lambda = beta.sample(rng);
                let region = centred_box(size, (1.0 - lambda).sqrt(), rng);
                let lambda = if self.correct_lambda { outside(size, region) } else { lambda };
                (lambda, Blend::Box(region))
            }
            Kind::Sides { share } => {
                let mut side = |length: u32| {
                    let part = |share: f64| (f64::from(length) * share) as u32;
                    let side = rng.random_range(part(*share.start())..=part(*share.end()));
                    (rng.random_range(0..=length - side), side)
                };
                let ((y, height), (x, width)) = (side(size.1), side(size.0));
                let region = Region { x, y, width, height };
                (outside(size, region), Blend::Box(region))
            }
            Kind::Fourier { beta, decay, soft } => {
                let share = beta.sample(rng);
                let round_up = rng.random_bool(0.5);
                let mask = FourierMask { decay: *decay, share, soft: *soft, round_up, seed: rng.next_u64() };
                (share, Blend::Fourier(mask))
            }
        }
    }
}

/// A box of `ratio` times the image's sides, centred anywhere, as far as it lies in the image.
fn centred_box((width, height): (u32, u32), ratio: f64, rng: &mut Rng) -> Region {
    let mut side = |length: u32| {
        let cut = (f64::from(length) * ratio) as u32;
        let center = rng.random_range(0..length);
        let start = center.saturating_sub(cut / 2);
        (start, (center + cut.div_ceil(2)).min(length) - start)
    };
    let ((y, height), (x, width)) = (side(height), side(width));
    Region { x, y, width, height }
}

/// The share of the image outside a region.
fn outside((width, height): (u32, u32), region: Region) -> f64 {
    let area = |width: u32, height: u32| f64::from(width) * f64::from(height);
    1.0 - area(region.width, region.height) / area(width, height)
}

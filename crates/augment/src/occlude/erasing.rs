//! Erasing boxes of random size and place.

use super::EraseFill;
use crate::error::{check_count, check_range, check_within};
use crate::{Error, Op, Rng, Transform, View};
use rand::{Rng as _, RngExt as _};
use rand_distr::{Distribution as _, StandardNormal};
use std::ops::RangeInclusive;
use visrep_decode::Region;

/// What [`RandomErasing`] fills its boxes with.
///
/// The peers draw standard normal numbers after normalisation; on 8-bit images these are normal numbers of the mean
/// and standard deviation that images are normalised by, held within 0..=255.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ErasingValue {
    /// One colour for all boxes. timm's `const`, 0 after normalisation, is the mean colour.
    Constant([u8; 3]),
    /// One normally distributed colour for each box: timm's `rand`.
    Color {
        /// The mean of red, green and blue, on the scale 0 to 1.
        mean: [f64; 3],
        /// Their standard deviations, on the same scale.
        std: [f64; 3],
    },
    /// Normally distributed pixels: timm's `pixel`, torchvision's `"random"`.
    Pixel {
        /// The mean of red, green and blue, on the scale 0 to 1.
        mean: [f64; 3],
        /// Their standard deviations, on the same scale.
        std: [f64; 3],
    },
}

/// Random erasing (Zhong et al. 2017): `torchvision.transforms.v2.RandomErasing`, and with several boxes and its
/// values timm's `RandomErasing`.
#[derive(Clone, Debug, PartialEq)]
pub struct RandomErasing {
    p: f64,
    scale: RangeInclusive<f64>,
    ratio: RangeInclusive<f64>,
    value: ErasingValue,
    count: RangeInclusive<u32>,
}

impl RandomErasing {
    /// With probability `p`, one black box of 2 to 33 % of the area whose ratio of height to width is 0.3 to 3.3:
    /// torchvision's defaults. Errs unless `p` is within 0..=1.
    pub fn new(p: f64) -> Result<Self, Error> {
        check_within("RandomErasing p", p, 0.0..=1.0)?;
        let value = ErasingValue::Constant([0; 3]);
        Ok(Self { p, scale: 0.02..=0.33, ratio: 0.3..=3.3, value, count: 1..=1 })
    }

    /// timm's defaults, as DeiT (`p` 0.25, [`ErasingValue::Pixel`]) and the fine-tuning of MAE use them: 2 % to a third
    /// of the area, ratio 0.3 to 1 / 0.3. Errs unless `p` is within 0..=1.
    pub fn timm(p: f64, value: ErasingValue) -> Result<Self, Error> {
        Ok(Self { scale: 0.02..=1.0 / 3.0, ratio: 0.3..=1.0 / 0.3, value, ..Self::new(p)? })
    }

    /// The range of the erased share of the area, within 0..=1.
    pub fn scale(self, scale: RangeInclusive<f64>) -> Result<Self, Error> {
        check_range("RandomErasing scale", &scale, 0.0..=1.0)?;
        Ok(Self { scale, ..self })
    }

    /// The range of height / width, within 0.001..=1000; its logarithm is drawn uniformly.
    pub fn ratio(self, ratio: RangeInclusive<f64>) -> Result<Self, Error> {
        check_range("RandomErasing ratio", &ratio, 0.001..=1000.0)?;
        Ok(Self { ratio, ..self })
    }

    /// What boxes are filled with.
    #[must_use]
    pub fn value(self, value: ErasingValue) -> Self {
        Self { value, ..self }
    }

    /// The range of the number of boxes, within 1..=1000; they share the erased area between them, as in timm.
    pub fn count(self, count: RangeInclusive<u32>) -> Result<Self, Error> {
        check_count("RandomErasing count", &count, 1..=1000)?;
        Ok(Self { count, ..self })
    }

    /// A box strictly smaller than the image in both directions, or `None` after ten tries.
    fn region(&self, width: u32, height: u32, count: u32, rng: &mut Rng) -> Option<Region> {
        let log = self.ratio.start().ln()..=self.ratio.end().ln();
        let area = f64::from(width) * f64::from(height) / f64::from(count);
        (0..10).find_map(|_| {
            let target = area * rng.random_range(self.scale.clone());
            let ratio = rng.random_range(log.clone()).exp();
            let h = (target * ratio).sqrt().round_ties_even() as u32;
            let w = (target / ratio).sqrt().round_ties_even() as u32;
            (w < width && h < height).then(|| Region {
                x: rng.random_range(0..=width - w),
                y: rng.random_range(0..=height - h),
                width: w,
                height: h,
            })
        })
    }

    fn fill(&self, rng: &mut Rng) -> EraseFill {
        match self.value {
            ErasingValue::Constant(color) => EraseFill::Color(color),
            ErasingValue::Color { mean, std } => EraseFill::Color(std::array::from_fn(|c| {
                let normal: f64 = StandardNormal.sample(rng);
                // A cast to u8 holds the number within 0..=255.
                ((mean[c] + std[c] * normal) * 255.0).round() as u8
            })),
            ErasingValue::Pixel { mean, std } => EraseFill::Noise { mean, std, seed: rng.next_u64() },
        }
    }
}

impl Transform for RandomErasing {
    fn draw(&self, view: &mut View, rng: &mut Rng) {
        if !rng.random_bool(self.p) {
            return;
        }
        let (width, height) = view.size();
        let count = rng.random_range(self.count.clone());
        for _ in 0..count {
            let Some(region) = self.region(width, height, count, rng) else { continue };
            let fill = self.fill(rng);
            if region.width > 0 && region.height > 0 {
                view.push(Op::Erase { region, fill });
            }
        }
    }
}

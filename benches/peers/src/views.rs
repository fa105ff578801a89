//! SimCLR's two views of an image, from JPEG bytes.

use anyhow::{Result, bail};
use std::path::Path;
use visrep_augment::{
    BlurMethod, ColorJitter, Compose, GaussianBlur, RandomApply, RandomGrayscale, RandomHorizontalFlip,
    RandomResizedCrop, Transform, View, presets, view_rng,
};

use crate::Workload;
use crate::corpus::{Entry, crop_list};
use crate::ops::SIDE;
use crate::sink::Sink;

/// Two views of each image, by one transform; every pass draws anew.
pub(crate) struct TwoViews {
    entries: Vec<Entry>,
    transform: Compose,
    passes: u64,
}

impl TwoViews {
    /// `blur` is the peer's: `pillow` for three box filters, `kernel` for a sampled Gaussian.
    pub(crate) fn open(blur: &str, list: &Path) -> Result<Self> {
        let transform = match blur {
            "pillow" => pillow_simclr()?,
            "kernel" => presets::simclr(SIDE, 1.0, true)?,
            _ => bail!("unknown blur {blur}: give pillow or kernel"),
        };
        Ok(Self { entries: crop_list(list)?, transform, passes: 0 })
    }
}

/// lightly's `SimCLRTransform` with its defaults, which blurs as Pillow does.
fn pillow_simclr() -> Result<Compose> {
    let jitter = ColorJitter::new(0.8, 0.8, 0.8, 0.2)?;
    let blur = GaussianBlur::new(BlurMethod::Pillow, 0.1..=2.0)?;
    Ok(Compose::new()
        .then(RandomResizedCrop::new(SIDE)?)
        .then(RandomHorizontalFlip::new(0.5)?)
        .then(RandomApply::new(jitter, 0.8)?)
        .then(RandomGrayscale::new(0.2)?)
        .then(RandomApply::new(blur, 0.5)?))
}

impl Workload for TwoViews {
    fn units(&self) -> usize {
        self.entries.len()
    }

    fn pass(&mut self, sink: &mut Sink) -> Result<()> {
        self.passes += 1;
        for (index, entry) in (0..).zip(&self.entries) {
            let draw = |size, number| {
                let mut view = View::new(size);
                self.transform.draw(&mut view, &mut view_rng(0, self.passes, index, number));
                view
            };
            for image in entry.views(|size| vec![draw(size, 0), draw(size, 1)])? {
                sink.image(&image)?;
            }
        }
        Ok(())
    }
}

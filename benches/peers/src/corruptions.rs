//! ImageNet-C's corruptions on 224 x 224 images in memory.

use anyhow::{Context, Result};
use visrep_corrupt::{Corruption, Corruptor, Frost, Scale, Severity};
use visrep_decode::{DecodeOptions, RgbImage, decode};

use crate::Workload;
use crate::sink::Sink;

/// Some corruptions at some severities on every image; each pass has seeds of its own.
pub(crate) struct Corruptions {
    corruptor: Corruptor,
    kinds: Vec<(Corruption, Severity)>,
    images: Vec<RgbImage>,
    seed: u64,
}

impl Corruptions {
    /// `names` and `severities` are lists with commas; `quality` is that of the JPEG round trip, 0 for none; `frost`
    /// are photographs' files.
    pub(crate) fn open(
        names: &str,
        severities: &str,
        quality: &str,
        images: Vec<RgbImage>,
        frost: &[&str],
    ) -> Result<Self> {
        let photograph = |path: &&str| {
            let bytes = std::fs::read(path).with_context(|| format!("cannot read {path}"))?;
            Ok(decode(&bytes, &DecodeOptions::default())?)
        };
        let frost = Frost::from_images(frost.iter().map(photograph).collect::<Result<_>>()?)?;
        let mut corruptor = Corruptor::new(Scale::ImageNet224).with_frost(frost);
        let quality: u8 = quality.parse()?;
        if quality > 0 {
            corruptor = corruptor.with_jpeg(quality)?;
        }
        let mut kinds = Vec::new();
        for name in names.split(',') {
            for severity in severities.split(',') {
                kinds.push((name.parse()?, severity.parse()?));
            }
        }
        Ok(Self { corruptor, kinds, images, seed: 0 })
    }
}

impl Workload for Corruptions {
    fn units(&self) -> usize {
        self.images.len() * self.kinds.len()
    }

    fn pass(&mut self, sink: &mut Sink) -> Result<()> {
        for image in &self.images {
            for &(corruption, severity) in &self.kinds {
                self.seed += 1;
                sink.image(&self.corruptor.corrupt(image, corruption, severity, self.seed)?)?;
            }
        }
        Ok(())
    }
}

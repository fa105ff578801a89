//! Whole epochs of an ImageFolder as normalised `f32` batches.

use anyhow::{Result, bail};
use std::sync::Arc;
use tch::Device;
use visrep_augment::presets;
use visrep_data::{ImageFolder, Loader, LoaderOptions, Views};
use visrep_models::Preprocessing;

use crate::Workload;
use crate::ops::SIDE;
use crate::sink::Sink;

const BATCH: usize = 64;

/// Every pass is the next epoch: shuffled, RandomResizedCrop(224) and flip, batches of 64.
pub(crate) struct Epochs {
    loader: Loader,
    preprocessing: Preprocessing,
    epoch: u64,
}

impl Epochs {
    /// `decode` is `exact` or `scaled`: whether images are decoded at 1/2 to 1/8 where that leaves enough.
    pub(crate) fn open(folder: &str, workers: usize, decode: &str) -> Result<Self> {
        let decode_at_scale = match decode {
            "exact" => false,
            "scaled" => true,
            _ => bail!("unknown way to decode {decode}: give exact or scaled"),
        };
        let options = LoaderOptions {
            batch_size: BATCH,
            workers,
            shuffle: true,
            decode_at_scale,
            ..LoaderOptions::default()
        };
        let views = Views::single(presets::supervised(SIDE)?);
        let loader = Loader::new(Arc::new(ImageFolder::open(folder)?), views, options)?;
        Ok(Self { loader, preprocessing: Preprocessing::default(), epoch: 0 })
    }
}

impl Workload for Epochs {
    fn units(&self) -> usize {
        self.loader.dataset().len()
    }

    fn pass(&mut self, sink: &mut Sink) -> Result<()> {
        for batch in self.loader.epoch(self.epoch, 0) {
            let images = batch?.views[0].to_tensor();
            sink.tensor(&self.preprocessing.normalize(&images, Device::Cpu)?)?;
        }
        self.epoch += 1;
        Ok(())
    }
}
